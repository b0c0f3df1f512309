"""Passwords: the standards' examples, round trips, decoys, and work that is refused."""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session import COMPAT, MODERN, Password, Policy, PresharedKey, Profile, SessionKey, decrypt, encrypt, inspect
from smime_session.algorithms import AES_128_CBC, AES_192_CBC, AES_256_CBC, DES_EDE3_CBC, PASSWORD_CIPHERS, PRF_OIDS
from smime_session.cms import pwri, tlv
from smime_session.cms.structures import PasswordRecipientInfo, Pbkdf2, WrappedKey
from smime_session.errors import (
    CredentialError,
    DecryptionError,
    LimitError,
    MalformedError,
    NoMatchError,
    PolicyError,
)
from smime_session.profiles import MAX_PBKDF2_ITERATIONS, PBKDF2_ITERATIONS
from smime_session.recipients import legacy_algorithm, password, summarize

if TYPE_CHECKING:
    from smime_session.algorithms import ContentEncryption, HashName

MAIL: Final = b"Subject: Friday\r\n\r\nAt eight?\r\n"
QUICK: Final = Pbkdf2(bytes(8), 1, "SHA-256")
CIPHERS: Final = tuple(PASSWORD_CIPHERS.values())

FIRST_OF_RFC_3211: Final = {  # DES is Triple DES with one key three times
    "password": b"password",
    "derivation": Pbkdf2(bytes.fromhex("1234567878563412"), 5, "SHA-1"),
    "derived": "d1daa78615f287e6",
    "kek": "d1daa78615f287e6" * 3,
    "vector": "efe598ef21b33d6d",
    "session_key": "8c627c897323a2f8",
    "padding": "c436f541",
    "encrypted": "b81b2565ee373ca6dedca26a178b0c10",
}
SECOND_OF_RFC_3211: Final = {
    "password": b"All n-entities must communicate with other n-entities via n-1 entiteeheehees",
    "derivation": Pbkdf2(bytes.fromhex("1234567878563412"), 500, "SHA-1"),
    "derived": "6a8970bf68c92caea84a8df28510858607126380cc47ab2d",
    "kek": "6a8970bf68c92caea84a8df28510858607126380cc47ab2d",
    "vector": "baf1ca7931213c4e",
    "session_key": "8c637d887223a2f965b566eb014b0fa5d52300a3f7ea40fffc577203c71baf3b",
    "padding": "fa060a45",
    "encrypted": "c03c514abdb9e2c5aac038572b5e24553876b377aafb82eca5a9d73f8ab143d9ec74e6cad7db260c",
}


class Example:
    """One of the two examples of RFC 3211, section 3."""

    def __init__(self, values: dict[str, object]) -> None:
        self.password = bytearray(bytes(values["password"]))  # type: ignore[call-overload]
        self.derivation = values["derivation"]
        self.texts = {name: str(value) for name, value in values.items()}
