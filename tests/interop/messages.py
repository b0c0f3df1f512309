"""Messages for Alice, one for each thing that decides whether a program opens it."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import smime_session
from smime_session.algorithms import (
    AES_128_CBC,
    AES_128_GCM,
    CHACHA20_POLY1305,
    RSAES_OAEP_SHA1,
    RSAES_OAEP_SHA256,
    RSAES_OAEP_SHA384,
    RSAES_PKCS1_V1_5,
)
from smime_session.operations.new_identity import new_identity
from tests.interop import ours

if TYPE_CHECKING:
    from typing import Literal

    from smime_session.recipients.client_rules import Answer
    from tests.interop.keypair import Keypair

CLASSIC: Final = replace(smime_session.COMPAT, encapsulation=True)
GCM: Final = replace(smime_session.MODERN, rsa=RSAES_PKCS1_V1_5)


@dataclass(frozen=True)
class Message:
    """One way to write a message for Alice.

    Attributes:
        name: the test's id.
        profile: how.
        beside: for whom else.
    """

    name: str
    profile: smime_session.Profile
    beside: str | None = None


MESSAGES: Final = (
    Message("auto", smime_session.AUTO),
    Message("modern", smime_session.MODERN),
    Message("compat", smime_session.COMPAT),
    Message("aes-128-cbc", replace(CLASSIC, content=AES_128_CBC)),
    Message("aes-128-gcm", replace(GCM, content=AES_128_GCM)),
    Message("aes-256-gcm", GCM),
    Message("chacha20", replace(GCM, content=CHACHA20_POLY1305)),
    Message("derived-cbc", replace(CLASSIC, derived_content_key=True)),
    Message("derived-gcm", replace(GCM, derived_content_key=True)),
    *(
        Message(f"oaep-{transport.hash}", replace(CLASSIC, rsa=transport))
        for transport in (RSAES_OAEP_SHA1, RSAES_OAEP_SHA256, RSAES_OAEP_SHA384)
    ),
    Message("key-identifier", replace(CLASSIC, identifier="key-identifier")),
    Message("beside-p256", CLASSIC, "p256"),
    Message("beside-x25519", CLASSIC, "x25519"),
    Message("beside-mlkem768", CLASSIC, "mlkem768"),
    Message("beside-shared-key", CLASSIC, "shared key"),
    Message("beside-password", CLASSIC, "password"),
)
"""Each profile by name, and what sets messages apart one by one."""


def encrypt(message: Message, alice: Keypair, *, form: Literal["der", "mail"] = "der", stream: bool = False) -> bytes:
    """Write a message around :data:`ours.ENTITY`."""
    octets = ours.FIELDS + ours.ENTITY if form == "mail" else ours.ENTITY
    source = ours.Pipe(octets) if stream else io.BytesIO(octets)
    target = io.BytesIO()
    recipients = [*_companion(message.beside), alice.certificate]
    smime_session.encrypt_stream(source, target, recipients, profile=message.profile, form=form)  # type: ignore[arg-type]  # of any kind
    return target.getvalue()


def _companion(kind: str | None) -> list[object]:
    match kind:
        case None:
            return []
        case "shared key":
            return [smime_session.PresharedKey(bytes(32), b"shared")]
        case "password":
            return [smime_session.Password("a password", iterations=1000)]
        case key_type:
            return [new_identity("erin@example.org", key_type=key_type).certificate]


def opens(program: str, envelope: bytes) -> Answer:
    """Return what a note says of a program: whether it opens an envelope."""
    (answer,) = [note.opens for note in smime_session.inspect(envelope).clients if note.name == program]
    return answer
