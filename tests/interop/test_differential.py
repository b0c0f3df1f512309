"""Envelopes that are slightly wrong, or unusual: where we and others disagree, ``docs/differences.md`` says why."""

from __future__ import annotations

import io
import os
import re
import subprocess
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smime_session import (
    COMPAT,
    MODERN,
    Password,
    PresharedKey,
    SmimeError,
    decrypt_stream,
    encrypt_stream,
    load_identities,
    recipient_for,
)
from smime_session.algorithms import (
    AES_128_CBC,
    AES_128_GCM,
    AES_192_CBC,
    AES_192_GCM,
    RSAES_OAEP_SHA1,
    RSAES_OAEP_SHA384,
    RSAES_OAEP_SHA512,
)
from tests.interop.keypair import make_keypair_of
from tests.interop.peers.base import PeerError, program
from tests.interop.peers.bouncycastle import BouncyCastle
from tests.interop.peers.everyone import OPENSSL
from tests.interop.variations import vary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smime_session import Profile
    from smime_session.recipients.registry import Identity, Recipient
    from tests.interop.keypair import Keypair
    from tests.interop.peers.base import Peer

COUNT: Final = int(os.environ.get("SMIME_SESSION_VARIATIONS", "10"))
"""Variations of each envelope; with many, each difference must occur."""
ALL_OCCUR: Final = 250
PAGE: Final = Path(__file__).parents[2] / "docs" / "differences.md"
CONTENT: Final = b"Content-Type: text/plain\r\n\r\nThe figures for March\r\n"
WORD: Final = "correct horse"
SHARED_KEY: Final = bytes(range(32))
SHARED_NAME: Final = bytes.fromhex("c0fee0")

PROFILES: Final = (
    MODERN,
    COMPAT,
    replace(MODERN, name="AES-128-GCM", content=AES_128_GCM, rsa=RSAES_OAEP_SHA1),
    replace(MODERN, name="AES-192-GCM", content=AES_192_GCM, rsa=RSAES_OAEP_SHA384, identifier="key-identifier"),
    replace(COMPAT, name="AES-128-CBC", content=AES_128_CBC, rsa=RSAES_OAEP_SHA512),
    replace(COMPAT, name="AES-192-CBC", content=AES_192_CBC, identifier="key-identifier"),
)
"""Each cipher that all three write, with each way to encrypt a key for RSA, and both identifiers."""

ACCEPTED, REFUSED, ALTERED = "+", "-", "!"


class Difference(NamedTuple):
    """A class of difference, by the heading under which it is explained.

    Attributes:
        verdicts: of us, OpenSSL and Bouncy Castle: accepted, refused, or accepted with other content.
        changes: what was done.
        places: to what: names, or what they begin with.
    """

    heading: str
    verdicts: str
    changes: tuple[str, ...]
    places: tuple[str, ...]


BYTES: Final = ("bit flipped", "shorter", "longer")
SURPLUS: Final = ("one more", "twice", "exchanged")
NUMBERS: Final = ("version", "RecipientInfo/", "contentEncryptionAlgorithm/")

_DERIVATION: Final = "RecipientInfo/keyDerivationAlgorithm/"
_WRAPPING: Final = "RecipientInfo/keyEncryptionAlgorithm"
_CIPHER: Final = "contentEncryptionAlgorithm/"
_MEMBERS: Final = "RecipientInfo/recipientEncryptedKeys"

DIFFERENCES: Final = tuple(
    Difference(*each)
    for each in (
        ("Bytes behind the message", "++-", ("more behind",), ("ContentInfo",)),
        ("Version numbers", "++-", ("bit flipped", "longer"), ("version", "RecipientInfo/version")),
        ("Numbers with a needless zero", "+--", ("zero before", "longer"), NUMBERS),
        ("Numbers without a byte", "-+-", ("emptied",), NUMBERS),
        ("Recipient infos of no kind", "+--", ("one more",), ("recipientInfos",)),
        ("More behind a recipient's key", "+--", ("one more",), (_MEMBERS, "RecipientInfo/kekid")),
        ("Values too many, or in another order", "--+", SURPLUS, ("RecipientInfo", "encryptedContent", "envelope")),
        ("A pseudorandom function without NULL", "++-", ("left out",), (_DERIVATION,)),
        ("CBC without an initialization vector", "-!-", ("left out",), (_CIPHER,)),
        ("Other modes than those of the content type", "-!-", ("bit flipped",), (_CIPHER,)),
        ("CBC can be altered", "!!!", ("bit flipped",), (_CIPHER, "encryptedContent")),
        ("Names in another encoding", "-++", ("long length", "no length"), ("RecipientInfo/rid/", f"{_MEMBERS}/")),
        ("Parameters where there are none", "-++", ("other tag", *SURPLUS), (_WRAPPING,)),
        ("Parameters where there are none", "-+-", ("other tag",), (_DERIVATION,)),
        ("Tag and nonce of AES-GCM", "-+-", BYTES, ("mac", _CIPHER)),
        ("The type of what is encrypted", "-+-", BYTES, ("contentType",)),
        ("The type of the message", "--+", BYTES, ("contentType",)),
        ("Algorithms that do not exist", "-+-", BYTES, (f"{_WRAPPING}/",)),
        ("Parameters that are not looked at", "--+", BYTES, ("RecipientInfo/",)),
        ("Tags that are not looked at", "--+", ("other tag",), ("encryptedContent", "RecipientInfo/")),
    )
)


class Way(NamedTuple):
    """One kind of recipient, as each of the programs knows it."""

    recipient: Callable[[Profile], Recipient]
    identities: Sequence[Identity]
    options: Sequence[str | Path]
    request: Sequence[tuple[str, str]]


def _with_certificate(keypair: Keypair) -> Way:
    key = keypair.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    certificate = keypair.certificate.public_bytes(Encoding.DER)
    return Way(
        lambda profile: recipient_for(keypair.certificate, profile=profile),
        load_identities(keypair.key_file.read_bytes() + keypair.certificate_file.read_bytes()),
        ("-recip", keypair.certificate_file, "-inkey", keypair.key_file),
        (("certificate", _base64(certificate)), ("key", _base64(key))),
    )


def _on_curve(curve: str, folder: Path) -> Keypair:
    (own := folder / curve).mkdir()
    return make_keypair_of(curve, own)


def _ways(alice: Keypair, folder: Path) -> dict[str, Way]:
    password = Password(WORD.encode(), iterations=1000)
    shared = PresharedKey(SHARED_KEY, SHARED_NAME)
    return {
        "RSA": _with_certificate(alice),
        **{curve: _with_certificate(_on_curve(curve, folder)) for curve in ("p256", "p384", "p521")},
        "shared key": Way(
            lambda _: shared,
            [shared],
            ("-secretkey", SHARED_KEY.hex(), "-secretkeyid", SHARED_NAME.hex()),
            (("shared", _base64(SHARED_KEY)), ("name", _base64(SHARED_NAME))),
        ),
        "password": Way(
            lambda _: password, [password], ("-pwri_password", WORD), (("password", _base64(WORD.encode())),)
        ),
    }


def _base64(value: bytes) -> str:
    return b64encode(value).decode()


def _by_us(envelope: bytes, way: Way) -> bytes | None:
    with io.BytesIO() as target:
        try:
            decrypt_stream(io.BytesIO(envelope), target, way.identities)
        except SmimeError:
            return None
        return target.getvalue()


def _by_openssl(envelope: bytes, way: Way) -> bytes | None:
    command = [program("openssl", "system"), "cms", "-decrypt", "-binary", "-inform", "DER", *way.options]
    done = subprocess.run(command, input=envelope, capture_output=True, check=False, timeout=60)
    return None if done.returncode else done.stdout


def _by_bouncy_castle(envelope: bytes, way: Way, peer: BouncyCastle) -> bytes | None:
    try:
        return peer._ask([("do", "decrypt"), *way.request, ("envelope", _base64(envelope))])
    except PeerError:
        return None


def _verdict(content: bytes | None) -> str:
    return REFUSED if content is None else ACCEPTED if content == CONTENT else ALTERED


def _explained(verdicts: str, change: str, place: str) -> str | None:
    for each in DIFFERENCES:
        if verdicts == each.verdicts and change in each.changes and place.startswith(each.places):
            return each.heading
    return None


def test_what_others_do_otherwise_is_explained(alice: Keypair, tmp_path: Path, started: Callable[[Peer], Peer]) -> None:
    """Each class of difference has its heading, ours is none that gives out other content, and each still occurs."""
    bouncy_castle = started(BouncyCastle("unstable"))
    assert isinstance(bouncy_castle, BouncyCastle)
    started(OPENSSL)
    random = Random(f"variations of {COUNT}")  # noqa: S311  # the same ones each time
    met: Counter[str] = Counter()
    unexplained: Counter[tuple[str, ...]] = Counter()
    for kind, way in _ways(alice, tmp_path).items():
        for profile in PROFILES:
            with io.BytesIO() as target:
                encrypt_stream(io.BytesIO(CONTENT), target, way.recipient(profile), profile=profile, form="der")
                honest = target.getvalue()
            assert _by_us(honest, way) == _by_openssl(honest, way) == CONTENT
            assert _by_bouncy_castle(honest, way, bouncy_castle) == CONTENT
            for _ in range(COUNT):
                change, place, envelope = vary(honest, random)
                found = (
                    _by_us(envelope, way),
                    _by_openssl(envelope, way),
                    _by_bouncy_castle(envelope, way, bouncy_castle),
                )
                verdicts = "".join(map(_verdict, found))
                if verdicts in {"+++", "---"}:
                    met[verdicts] += 1
                elif heading := _explained(verdicts, change, place):
                    met[heading] += 1
                else:
                    unexplained[kind, profile.name, verdicts, change, place] += 1
    assert not unexplained
    assert met["+++"] > COUNT
    if COUNT >= ALL_OCCUR:
        assert not {each.heading for each in DIFFERENCES} - met.keys()


def test_what_is_encrypted_without_a_tag_is_all_that_can_be_altered() -> None:
    """Of no difference is it said that we give out other content, but of the one that CBC cannot help."""
    ours = {each.heading for each in DIFFERENCES if each.verdicts.startswith(ALTERED)}
    assert ours == {"CBC can be altered"}


def test_the_page_explains_each_difference_once() -> None:
    """Its headings are those of the table."""
    headings = re.findall(r"^### (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted({each.heading for each in DIFFERENCES})


@pytest.mark.parametrize("each", DIFFERENCES, ids=lambda each: each.heading)
def test_a_difference_is_one(each: Difference) -> None:
    """Where all agree there is nothing to explain."""
    assert len(set(each.verdicts.replace(ALTERED, ACCEPTED))) > 1 or ALTERED in each.verdicts
