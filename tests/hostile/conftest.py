"""Honest messages in every form, to be damaged."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

import pytest

from smime_session import COMPAT, MODERN, encrypt, encrypt_stream
from tests.hostile.forge import TEXT

if TYPE_CHECKING:
    from tests.conftest import Person

FORMS: Final = ("DER", "BER", "PEM", "mail")


class Pipe(io.BytesIO):
    """A source that cannot seek."""

    def seekable(self) -> bool:
        """Tell that it cannot."""
        return False


@pytest.fixture(scope="session")
def sent(alice: Person) -> dict[tuple[str, str], bytes]:
    """A short message for Alice by form and profile."""
    messages: dict[tuple[str, str], bytes] = {}
    for profile in (MODERN, COMPAT):
        for form in FORMS:
            target = io.BytesIO()
            if form == "mail":
                target.write(encrypt(b"Subject: hello\r\n" + TEXT, [alice.certificate], profile=profile))
            elif form == "BER":
                encrypt_stream(Pipe(TEXT), target, [alice.certificate], profile=profile, form="der")
            elif form == "PEM":
                encrypt_stream(io.BytesIO(TEXT), target, [alice.certificate], profile=profile, form="pem")
            else:
                encrypt_stream(io.BytesIO(TEXT), target, [alice.certificate], profile=profile, form="der")
            messages[form, profile.name] = target.getvalue()
    return messages
