"""Algorithms and their parameters as attackers write them: refused by what they are, and never guessed around."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from smime_session import (
    DecryptionError,
    LimitError,
    MalformedError,
    NoMatchError,
    SmimeError,
    UnsupportedAlgorithmError,
    decrypt,
)
from smime_session.algorithms import (
    AES_128_CBC,
    AES_128_GCM,
    AES_256_CBC,
    AES_256_GCM,
    ENVELOPED_DATA,
    RSAES_OAEP_OID,
    RSAES_PKCS1_V1_5,
    RSAES_PKCS1_V1_5_OID,
)
from smime_session.cms import asn1
from tests.hostile.forge import KEY, TEXT, Forgery, assert_refused, raw_info, recipient_info

if TYPE_CHECKING:
    from tests.conftest import Person

VECTOR = asn1.encode(asn1.OCTET_STRING, bytes(16))
UNENCRYPTED = "2.16.840.1.101.3.4.1.1"  # AES-128-ECB: no such content encryption


def _gcm(nonce: bytes, tag_size: bytes = b"\x02\x01\x10") -> bytes:
    return asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, nonce), tag_size)


def _sealed(nonce: bytes) -> tuple[bytes, bytes]:
    sealed = AESGCM(KEY).encrypt(nonce, TEXT, None)
    return sealed[:-16], sealed[-16:]


def _trailer(tag: bytes) -> bytes:
    return asn1.encode(asn1.OCTET_STRING, tag)


def test_an_honest_forgery_opens(alice: Person) -> None:
    """What the following tests forge opens as long as nothing is wrong with it."""
    assert decrypt(Forgery(recipient_info(alice)).encoded, [alice.identity]).message == TEXT


@pytest.mark.parametrize("order", [1, -1])
def test_a_recipient_info_that_cannot_be_used_hides_no_other(alice: Person, order: int) -> None:
    """A second one for the same reader opens, whatever is wrong with the first, and the other way round."""
    unknown, malformed = b"\x30\x03\x06\x01\x2a", asn1.encode(asn1.SEQUENCE, asn1.object_identifier(RSAES_OAEP_OID))
    for algorithm in (unknown, malformed):
        infos = [raw_info(alice, algorithm), recipient_info(alice)][::order]
        message = Forgery(b"".join(infos)).encoded
        for identity in (alice.identity, alice.bare):
            assert decrypt(message, [identity]).message == TEXT
        assert_refused(Forgery(infos[::order][0]).encoded, [alice.identity])


@pytest.mark.parametrize("size", [0, 1, 7, 129, 65536])
def test_nonces_of_wrong_sizes_are_malformed(alice: Person, size: int) -> None:
    """A nonce that the cipher would not take, or that is there to overflow something, is measured first."""
    words = assert_refused(Forgery(recipient_info(alice), parameters=_gcm(bytes(size))).encoded, [alice.identity])
    assert words == f"the nonce of AES-256-GCM has {size} bytes"


@pytest.mark.parametrize("size", [8, 11, 12, 13, 16, 128])
def test_nonces_of_unusual_sizes_open(alice: Person, size: int) -> None:
    """A nonce of another size than the usual one is no attack."""
    nonce = bytes(range(1, size + 1))
    ciphertext, tag = _sealed(nonce)
    forged = Forgery(recipient_info(alice), parameters=_gcm(nonce), ciphertext=ciphertext, trailer=_trailer(tag))
    assert decrypt(forged.encoded, [alice.identity]).message == TEXT


@pytest.mark.parametrize("announced", [-1, 0, 1, 4, 8, 11, 17, 32, 1 << 64, 1 << 2000])
@pytest.mark.parametrize("written", [4, 16])
def test_tags_of_wrong_sizes_are_malformed(alice: Person, announced: int, written: int) -> None:
    """A tag of four octets is guessed in an afternoon: it is refused by its announcement, true or not."""
    _, tag = _sealed(bytes(range(12)))
    parameters = _gcm(bytes(range(12)), asn1.integer(announced))
    forged = Forgery(recipient_info(alice), parameters=parameters, trailer=_trailer(tag[:written]))
    assert_refused(forged.encoded, [alice.identity], MalformedError)


def test_a_tag_size_beyond_all_numbers_is_malformed(alice: Person) -> None:
    """An announcement that Python would not write out in decimal is refused like any other."""
    parameters = _gcm(bytes(12), asn1.encode(asn1.INTEGER, b"\x7f" * 10_000))
    assert_refused(Forgery(recipient_info(alice), parameters=parameters).encoded, [alice.identity], MalformedError)


@pytest.mark.parametrize("announced", [12, 13, 14, 15, 16, None])
def test_only_the_tag_that_was_announced_opens(alice: Person, announced: int | None) -> None:
    """A tag is as long as was announced, 12 octets if nothing was, or the message is malformed."""
    ciphertext, tag = _sealed(bytes(range(12)))
    size = b"" if announced is None else asn1.integer(announced)
    for written in (0, 1, 11, 12, 13, 14, 15, 16, 17):
        forged = Forgery(
            recipient_info(alice),
            parameters=_gcm(bytes(range(12)), size),
            ciphertext=ciphertext,
            trailer=_trailer((tag + b"\x00")[:written]),
        )
        if written == (announced or 12):
            assert decrypt(forged.encoded, [alice.identity]).message == TEXT
        else:
            assert_refused(forged.encoded, [alice.identity], MalformedError)


@pytest.mark.parametrize("oid", [AES_256_CBC.oid, AES_128_CBC.oid])
def test_cbc_is_no_authenticated_content(alice: Person, oid: str) -> None:
    """AuthEnvelopedData whose algorithm was exchanged for CBC is refused, so that nobody opens it without its tag."""
    for parameters in (VECTOR, _gcm(bytes(12))):
        forged = Forgery(recipient_info(alice), algorithm=oid, parameters=parameters)
        assert_refused(forged.encoded, [alice.identity], MalformedError)


@pytest.mark.parametrize("oid", [AES_256_GCM.oid, AES_128_GCM.oid])
@pytest.mark.parametrize("trailer", [b"", b"\x04\x10" + bytes(16)])
def test_gcm_is_no_unauthenticated_content(alice: Person, oid: str, trailer: bytes) -> None:
    """EnvelopedData, which has no place for a tag, is refused with GCM."""
    forged = Forgery(recipient_info(alice), content_type=ENVELOPED_DATA, algorithm=oid, trailer=trailer)
    assert_refused(forged.encoded, [alice.identity], MalformedError)


def test_an_authenticated_message_cannot_be_downgraded(alice: Person) -> None:
    """The ciphertext of GCM under the name of CBC with the same key is not opened as if it were authenticated."""
    ciphertext, _ = _sealed(bytes(range(12)))
    forged = Forgery(
        recipient_info(alice),
        content_type=ENVELOPED_DATA,
        algorithm=AES_256_CBC.oid,
        parameters=VECTOR,
        ciphertext=ciphertext[:32],
        trailer=b"",
    )
    try:
        found = decrypt(forged.encoded, [alice.identity])
    except DecryptionError:
        return
    assert not found.authenticated


@pytest.mark.parametrize(
    "oid", ["2.16.840.1.101.3.4.1.43", "2.16.840.1.101.3.4.1.44", "2.16.840.1.101.3.4.1.47", UNENCRYPTED, "1.2.3"]
)
def test_other_modes_are_not_spoken(alice: Person, oid: str) -> None:
    """OFB, CFB, CCM and what is no cipher at all are refused by name."""
    forged = Forgery(recipient_info(alice), algorithm=oid, parameters=VECTOR)
    assert oid in assert_refused(forged.encoded, [alice.identity], UnsupportedAlgorithmError)


def _oaep(*parameters: str) -> bytes:
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(RSAES_OAEP_OID), *map(bytes.fromhex, parameters))


@pytest.mark.parametrize(
    "algorithm",
    [
        _oaep(),
        _oaep("0500"),
        _oaep("0400"),
        _oaep("3003020105"),
        _oaep("30023000"),
        _oaep("3000", "3000"),
        _oaep("3000", "0500"),
        _oaep("3002a000"),
        _oaep("30 06 a0 04 30 02 05 00"),
    ],
    ids=bytes.hex,
)
def test_oaep_never_becomes_v1_5(alice: Person, algorithm: bytes) -> None:
    """RSAES-OAEP whose parameters are absent, NULL or garbage is malformed, whatever its octets would open to."""
    honest = recipient_info(alice, RSAES_PKCS1_V1_5)
    encrypted_key = honest[-256:]
    assert decrypt(Forgery(honest).encoded, [alice.identity]).message == TEXT
    for identity in (alice.identity, alice.bare):
        forged = Forgery(raw_info(alice, algorithm, encrypted_key))
        assert_refused(forged.encoded, [identity], MalformedError)


@pytest.mark.parametrize("size", [0, 1, 255, 257, 4096])
@pytest.mark.parametrize("oid", [RSAES_PKCS1_V1_5_OID, RSAES_OAEP_OID])
def test_encrypted_keys_of_wrong_sizes_fail_as_wrong_ones_do(alice: Person, oid: str, size: int) -> None:
    """An encrypted key that is too short or too long is one that does not fit."""
    parameters = b"\x30\x00" if oid == RSAES_OAEP_OID else b"\x05\x00"
    algorithm = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(oid), parameters)
    forged = Forgery(raw_info(alice, algorithm, bytes(size)))
    assert_refused(forged.encoded, [alice.identity], DecryptionError)


def test_a_megabyte_of_encrypted_key_is_limited(alice: Person) -> None:
    """An encrypted key that is there to overflow something is measured first."""
    algorithm = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(RSAES_PKCS1_V1_5_OID), b"\x05\x00")
    assert_refused(Forgery(raw_info(alice, algorithm, bytes(1 << 20))).encoded, [alice.identity], LimitError)
    assert_refused(Forgery(raw_info(alice, algorithm, bytes(1 << 20))).encoded, [alice.bare], NoMatchError)


@pytest.mark.parametrize(
    ("part", "value", "error"),
    [
        ("infos", b"", NoMatchError),
        ("infos", b"\x30\x00", MalformedError),
        ("infos", b"\xa1\x00", SmimeError),
        ("infos", b"\xa2\x00", SmimeError),
        ("infos", b"\xa3\x00", SmimeError),
        ("infos", b"\xa4\x00", NoMatchError),
        ("infos", b"\x05\x00", NoMatchError),
        ("infos", b"\x00\x00", NoMatchError),
        ("version", b"\x02\x00", MalformedError),
        ("version", b"\x04\x01\x00", MalformedError),
        ("version", asn1.encode(asn1.INTEGER, b"\x7f" * 100_000), MalformedError),
        ("version", b"", MalformedError),
        ("trailer", b"", MalformedError),
        ("trailer", b"\x04\x00", MalformedError),
        ("trailer", b"\x05\x00", MalformedError),
        ("trailer", b"\xa1\x00", MalformedError),
        ("trailer", b"\x04\x10" + bytes(16) + b"\xa1\x00", MalformedError),
        ("trailer", b"\x04\x10" + bytes(16) + b"\xa2\x00\xa2\x00", MalformedError),
        ("parameters", b"", MalformedError),
        ("parameters", b"\x05\x00", MalformedError),
        ("parameters", b"\x30\x00", MalformedError),
    ],
)
def test_empty_and_misplaced_parts_are_refused(alice: Person, part: str, value: bytes, error: type[SmimeError]) -> None:
    """Empty SETs, empty and exchanged values are refused wherever they stand, with a bare key too."""
    forged = Forgery(**{"infos": recipient_info(alice), part: value})  # type: ignore[arg-type]  # parts are octets
    assert_refused(forged.encoded, [alice.identity, alice.bare], error)


def test_empty_attributes_are_part_of_the_tag(alice: Person) -> None:
    """An empty SET of authenticated attributes is covered by the tag like any other."""
    ciphertext, tag = _sealed(bytes(range(12)))
    added = Forgery(recipient_info(alice), ciphertext=ciphertext, trailer=b"\xa1\x00" + _trailer(tag))
    assert_refused(added.encoded, [alice.identity], DecryptionError)
    sealed = AESGCM(KEY).encrypt(bytes(range(12)), TEXT, b"\x31\x00")
    covered = Forgery(recipient_info(alice), ciphertext=sealed[:-16], trailer=b"\xa1\x00" + _trailer(sealed[-16:]))
    assert decrypt(covered.encoded, [alice.identity]).message == TEXT


@pytest.mark.parametrize("at", range(0, 21, 2))
def test_altered_attributes_do_not_open(alice: Person, at: int) -> None:
    """One altered octet of authenticated attributes keeps the message shut."""
    attributes = bytes.fromhex("3114 3012 0603 2a0304 310b 0409") + b"attribute"
    sealed = AESGCM(KEY).encrypt(bytes(range(12)), TEXT, attributes)
    written = b"\xa1" + attributes[1:]
    forged = Forgery(recipient_info(alice), ciphertext=sealed[:-16], trailer=written + _trailer(sealed[-16:]))
    assert decrypt(forged.encoded, [alice.identity]).message == TEXT
    altered = forged.encoded.replace(written, written[:at] + bytes((written[at] ^ 1,)) + written[at + 1 :])
    assert_refused(altered, [alice.identity])
