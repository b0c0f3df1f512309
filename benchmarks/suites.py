"""Algorithms, by every name that somebody has for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from smime_session import COMPAT, MODERN
from smime_session.algorithms import AES_128_CBC, RSAES_PKCS1_V1_5

if TYPE_CHECKING:
    from smime_session import Profile

    Options = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suite:
    """How the content is sealed, and how an RSA key wraps the session key.

    Attributes:
        name: of the content encryption.
        rsa: of the key transport; empty for other keys.
        profile: in the library.
        ours: the options of our command.
        openssl: the option of ``openssl cms``.
        libcrypto: the options of the program that runs libcrypto in process.
    """

    name: str
    rsa: str
    profile: Profile
    ours: Options
    openssl: str
    libcrypto: Options

    @property
    def oaep(self) -> bool:
        """Whether RSA keys use RSAES-OAEP, with SHA-256."""
        return self.rsa == "RSAES-OAEP"


GCM: Final = Suite(
    "AES-256-GCM", "RSAES-OAEP", MODERN, ("--profile", "modern"), "-aes-256-gcm", ("--cipher", "aes256gcm", "--oaep")
)
GCM_V1_5: Final = replace(
    GCM,
    rsa="RSAES-PKCS1-v1_5",
    profile=replace(MODERN, rsa=RSAES_PKCS1_V1_5),
    ours=("--profile", "modern", "--rsa", "pkcs1-v1_5"),
    libcrypto=("--cipher", "aes256gcm"),
)
CBC: Final = Suite("AES-256-CBC", "RSAES-PKCS1-v1_5", COMPAT, ("--profile", "compat"), "-aes-256-cbc", ())
CBC_128: Final = replace(
    CBC,
    name="AES-128-CBC",
    profile=replace(COMPAT, content=AES_128_CBC),
    ours=("--profile", "compat", "--cipher", "aes128-cbc"),
    openssl="-aes-128-cbc",
    libcrypto=("--cipher", "aes128cbc"),
)
GCM_EC: Final = replace(GCM, rsa="", libcrypto=("--cipher", "aes256gcm"))
CBC_128_EC: Final = replace(CBC_128, rsa="")

NAMES: Final = {"rsa2048": "RSA-2048", "p256": "P-256", "x25519": "X25519", "mlkem768": "ML-KEM-768"}
"""Of the kinds of key, by the library's names for them."""


def title(kind: str, suite: Suite) -> str:
    """Name a kind of key with a suite."""
    return ", ".join(filter(None, (NAMES[kind], suite.name, suite.rsa)))


def recipients(count: int) -> str:
    """Say how many recipients there are."""
    return f"{count:,} recipient{'s' * (count != 1)}"
