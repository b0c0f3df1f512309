"""Messages that were cut off or altered: whatever octet it is, nothing is released and nothing else goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smime_session import COMPAT, MODERN, decrypt
from tests.hostile.conftest import FORMS
from tests.hostile.forge import TEXT, Forgery, assert_refused, inspect_harmlessly, opened, recipient_info

if TYPE_CHECKING:
    from tests.conftest import Person

Messages = dict[tuple[str, str], bytes]

EVERY_FORM = pytest.mark.parametrize("form", FORMS)
EVERY_PROFILE = pytest.mark.parametrize("profile", [MODERN.name, COMPAT.name])
BARE_FORMS = pytest.mark.parametrize("form", ["DER", "BER"])
ALTERED = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


@EVERY_PROFILE
@EVERY_FORM
def test_honest_messages_open(alice: Person, sent: Messages, form: str, profile: str) -> None:
    """What the following tests damage opens, with a certificate or without."""
    expected = b"Subject: hello\r\n" + TEXT if form == "mail" else TEXT
    for identity in (alice.identity, alice.bare):
        assert decrypt(sent[form, profile], [identity]).message == expected


@EVERY_PROFILE
@EVERY_FORM
def test_a_message_that_is_cut_off_does_not_open(alice: Person, sent: Messages, form: str, profile: str) -> None:
    """Wherever a message ends too early, it is refused and nothing of it is released."""
    message = sent[form, profile]
    for end in range(_end_of_object(message) if form in ("PEM", "mail") else len(message)):
        assert_refused(message[:end], [alice.identity])


def _end_of_object(message: bytes) -> int:
    """Return where the last character of base64 stands that the object cannot do without."""
    return len(message.partition(b"-----END")[0].rstrip(b"=\r\n"))


@BARE_FORMS
def test_a_flipped_bit_is_noticed(alice: Person, sent: Messages, form: str) -> None:
    """With authenticated content a flipped bit is refused, or alters no meaning: then the text is the same."""
    message = sent[form, MODERN.name]
    identities = [alice.bare]
    harmless = 0
    for at in range(len(message)):
        for bit in range(8):
            altered = message[:at] + bytes((message[at] ^ 1 << bit,)) + message[at + 1 :]
            found = opened(altered, identities)
            assert found in (None, TEXT)
            harmless += found is not None
    assert harmless > 100  # the recipient's name and number, the versions


@BARE_FORMS
def test_a_flipped_bit_in_unauthenticated_content_is_reported_as_such(alice: Person, sent: Messages, form: str) -> None:
    """Without authentication a flipped bit may alter the text; no other error comes of it, and it is no proof."""
    message = sent[form, COMPAT.name]
    for at in range(len(message)):
        altered = message[:at] + bytes((message[at] ^ 1 << at % 8,)) + message[at + 1 :]
        if opened(altered, [alice.identity]) is not None:
            assert not decrypt(altered, [alice.identity]).authenticated


@pytest.mark.parametrize("form", ["PEM", "mail"])
def test_a_flipped_bit_in_text_is_noticed(alice: Person, sent: Messages, form: str) -> None:
    """In a mail or PEM text a flipped bit is refused, or stands where it alters no more than the outer header."""
    message = sent[form, MODERN.name]
    for at in range(len(message)):
        altered = message[:at] + bytes((message[at] ^ 1 << at % 8,)) + message[at + 1 :]
        found = opened(altered, [alice.identity])
        assert found is None or b"".join(found.split()).endswith(b"".join(TEXT.split()))


@BARE_FORMS
@EVERY_PROFILE
def test_an_octet_that_is_missing_or_doubled_is_noticed(alice: Person, sent: Messages, form: str, profile: str) -> None:
    """An octet that was lost or sent twice is refused, or was one of padding or name."""
    message = sent[form, profile]
    for at in range(0, len(message), 2):
        for altered in (message[:at] + message[at + 1 :], message[:at] + message[at : at + 1] + message[at:]):
            found = opened(altered, [alice.identity])
            assert profile == COMPAT.name or found in (None, TEXT)


@ALTERED
@given(data=st.data(), form=st.sampled_from(FORMS), profile=st.sampled_from((MODERN.name, COMPAT.name)))
def test_random_alterations_are_harmless(
    alice: Person, sent: Messages, data: st.DataObject, form: str, profile: str
) -> None:
    """Pieces that are replaced, removed, doubled or moved raise nothing but refusals, to open or to inspect."""
    message = sent[form, profile]
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(message)))
        end = min(len(message), start + data.draw(st.integers(0, 40)))
        other = data.draw(st.integers(0, len(message)))
        piece = data.draw(
            st.sampled_from((b"", message[start:end] * 2, message[other : other + 9])) | st.binary(max_size=9)
        )
        message = message[:start] + piece + message[end:]
    found = opened(message, [alice.identity, alice.bare])
    if profile == MODERN.name and form in ("DER", "BER"):
        assert found in (None, TEXT)
    inspect_harmlessly(message, [alice.identity])


@ALTERED
@given(data=st.data())
def test_random_parts_are_harmless(alice: Person, data: st.DataObject) -> None:
    """Parts of an envelope that are replaced by any octets raise nothing but refusals, to open or to inspect."""
    honest = Forgery(recipient_info(alice))
    part = data.draw(st.sampled_from(("infos", "parameters", "ciphertext", "trailer", "version")))
    whole = getattr(honest, part)
    at = data.draw(st.integers(0, len(whole)))
    drawn = data.draw(st.binary(max_size=20))
    forged = data.draw(st.sampled_from((drawn, whole[:at] + drawn, whole[:at] + drawn + whole[at + len(drawn) :])))
    message = Forgery(**{**vars(honest), part: forged}).encoded
    assert opened(message, [alice.identity]) in (None, TEXT)
    inspect_harmlessly(message, [alice.identity])


@settings(max_examples=200)
@given(
    st.binary(max_size=64).map(lambda noise: b"\x30\x80\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x17" + noise)
)
def test_noise_after_an_honest_beginning_is_harmless(message: bytes) -> None:
    """What begins like an envelope and goes on as anything is refused."""
    assert_refused(message, [])
