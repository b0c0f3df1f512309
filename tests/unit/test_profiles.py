"""Profiles and policies: what they promise, and that a weaker choice carries its warning in its name."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, replace

import pytest

from smime_session import profiles
from smime_session.algorithms import AES_256_CBC, AES_256_GCM, RSAES_OAEP_SHA256, RSAES_PKCS1_V1_5
from smime_session.profiles import AUTO, COMPAT, DEFAULT, MODERN, PROFILES, Policy, Profile


def test_the_modern_profile() -> None:
    """For a recipient of whom nothing is known, content is AES-256-GCM (RFC 8551, 2.7.1.2) and RSA is OAEP."""
    assert (MODERN.content, MODERN.rsa) == (AES_256_GCM, RSAES_OAEP_SHA256)
    assert AES_256_GCM.authenticated


def test_the_compatible_profile() -> None:
    """For readers before S/MIME 4.0, content is AES-256-CBC and RSA is v1.5."""
    assert (COMPAT.content, COMPAT.rsa) == (AES_256_CBC, RSAES_PKCS1_V1_5)


def test_the_profile_that_looks_at_the_readers() -> None:
    """Both choices are open until the recipients are known; whatever is chosen by name is not."""
    assert (AUTO.content, AUTO.rsa) == (None, None)
    chosen = replace(AUTO, content=AES_256_GCM, rsa=RSAES_OAEP_SHA256)
    assert (chosen.content, chosen.rsa) == (AES_256_GCM, RSAES_OAEP_SHA256)


def test_profiles_are_found_by_name() -> None:
    """Each profile is found by its own name."""
    assert {"auto": AUTO, "modern": MODERN, "compat": COMPAT}.items() <= PROFILES.items()
    assert all(profile.name == name for name, profile in PROFILES.items())


@pytest.mark.parametrize("choice", [*PROFILES.values(), DEFAULT], ids=lambda choice: type(choice).__name__)
def test_no_choice_is_insecure_by_itself(choice: Profile | Policy) -> None:
    """Every switch that weakens something is off until somebody writes its name, which says so."""
    switches = {field.name: getattr(choice, field.name) for field in fields(choice) if "insecure" in field.name}
    assert switches
    assert not any(switches.values())


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_no_profile_writes_what_is_only_read(profile: Profile) -> None:
    """Broken ciphers are for reading."""
    assert profile.content in (None, AES_256_GCM, AES_256_CBC)


@pytest.mark.parametrize(("value", "name"), [(MODERN, "content"), (DEFAULT, "max_recipients")])
def test_choices_are_frozen(value: Profile | Policy, name: str) -> None:
    """A choice is replaced and never changed, so that no other caller is surprised."""
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, None)
    assert replace(value) == value


def test_limits_leave_room_for_honest_messages_and_no_more() -> None:
    """The default policy takes its limits from the constants, each of which is a positive number."""
    assert Policy() == DEFAULT
    assert not DEFAULT.require_authenticated
    assert DEFAULT.max_header_size == profiles.MAX_HEADER_SIZE
    assert DEFAULT.max_recipients == profiles.MAX_RECIPIENTS
    assert DEFAULT.max_trials == profiles.MAX_TRIALS
    assert DEFAULT.max_password_iterations == profiles.MAX_PBKDF2_ITERATIONS
    assert profiles.MIN_TAG_SIZE == 12  # RFC 5084, 3.2
    assert profiles.MIN_RSA_BITS == 2048  # RFC 8551, 4.2
    assert all(value > 0 for name, value in vars(profiles).items() if name.startswith(("MAX_", "MIN_")))
