"""An envelope as a stream: what is written is read, in every chunking, and by OpenSSL; what is unfinished is not."""

from __future__ import annotations

import io
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.algorithms import (
    AES_256_CBC,
    AES_256_GCM,
    AUTH_ENVELOPED_DATA,
    DATA,
    ENVELOPED_DATA,
    RSAES_OAEP_SHA256,
)
from smime_session.cms import asn1, codec, content_algorithm
from smime_session.cms.envelope import EnvelopeReader, EnvelopeWriter, trailer_size
from smime_session.cms.revision import version_for
from smime_session.cms.values import (
    AlgorithmIdentifier,
    ContentParameters,
    EnvelopeHeader,
    EnvelopeTrailer,
    IssuerAndSerialNumber,
    SubjectKeyIdentifier,
)
from smime_session.errors import LimitError, MalformedError, NotEnvelopeError, UnsupportedAlgorithmError
from smime_session.profiles import DEFAULT, MAX_TRAILER_SIZE, Policy
from smime_session.recipients.rsa import KeyTransRecipientInfo, encode
from tests.support.chunks import SIZES, blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = bytes.fromhex("3010 310e 300c 0603550403 0c05 416c696365")
ATTRIBUTES = bytes.fromhex("3114 3012 06012a 310d 040b") + b"an attribut"
UNAUTHENTICATED = bytes.fromhex("3007 3005 06012b 3100")[2:]
LENGTHS = (0, 1, 127, 128, 4095, 4096, 4097, 65535, 65536, 65537, 131072)
KINDS = pytest.mark.parametrize("authenticated", [True, False], ids=["authenticated", "enveloped"])


def _header(*, authenticated: bool = True, recipients: int = 2) -> EnvelopeHeader:
    infos = [IssuerAndSerialNumber(NAME, number) for number in range(1, recipients)] + [SubjectKeyIdentifier(b"key")]
    wrapped = tuple(encode(KeyTransRecipientInfo(info, RSAES_OAEP_SHA256, bytes(16))) for info in infos)
    algorithm = AES_256_GCM if authenticated else AES_256_CBC
    parameters = ContentParameters(algorithm, bytes(algorithm.nonce_size), algorithm.tag_size)
    return EnvelopeHeader(
        AUTH_ENVELOPED_DATA if authenticated else ENVELOPED_DATA,
        version_for(wrapped, authenticated=authenticated),
        tuple(each._replace(key_size=32) for each in sorted(wrapped, key=lambda each: each.encoded)),
        DATA,
        content_algorithm.encode(parameters),
    )


def _trailer(*, authenticated: bool, attributes: bool = False) -> EnvelopeTrailer:
    if not authenticated:
        return EnvelopeTrailer(unauthenticated_attributes=b"\xa1\x07" + UNAUTHENTICATED if attributes else b"")
    if not attributes:
        return EnvelopeTrailer(bytes(range(16)))
    return EnvelopeTrailer(bytes(range(16)), ATTRIBUTES, b"\xa2\x07" + UNAUTHENTICATED)


def _written(
    header: EnvelopeHeader, pieces: Sequence[bytes], trailer: EnvelopeTrailer, *, definite: bool = True
) -> bytes:
    target = io.BytesIO()
    announced = trailer_size(trailer, authenticated=header.content_type == AUTH_ENVELOPED_DATA)
    writer = EnvelopeWriter(target, header, sum(map(len, pieces)) if definite else None, announced)
    for piece in pieces:
        writer.write(piece)
    writer.finish(trailer)
    return target.getvalue()


def _envelope(*, authenticated: bool = True, definite: bool = True) -> bytes:
    trailer = _trailer(authenticated=authenticated)
    return _written(_header(authenticated=authenticated), [b"cipher", b"text"], trailer, definite=definite)


def _reader(data: bytes, size: int = 1 << 20, policy: Policy = DEFAULT) -> EnvelopeReader:
    return EnvelopeReader(blocks(data, size), policy)


def _read(data: bytes, size: int = 1 << 20, policy: Policy = DEFAULT) -> tuple[EnvelopeHeader, bytes, EnvelopeTrailer]:
    reader = _reader(data, size, policy)
    ciphertext = b"".join(bytes(piece) for piece in reader.ciphertext())
    return reader.header, ciphertext, reader.trailer()


@given(
    authenticated=st.booleans(),
    definite=st.booleans(),
    attributes=st.booleans(),
    length=st.sampled_from(LENGTHS),
    cut=st.sampled_from((1, 1000, 4096, 65536, 1 << 20)),
    size=st.sampled_from((*SIZES, 4096, 65536)),
)
def test_what_is_written_is_read(
    *, authenticated: bool, definite: bool, attributes: bool, length: int, cut: int, size: int
) -> None:
    """Header, ciphertext and trailer come back as they went in, however they were cut and however they arrive."""
    length = min(length, 4097) if min(cut, size) < 61 else length  # octet by octet, that is enough
    ciphertext = bytes(index % 251 for index in range(length))
    header = _header(authenticated=authenticated)
    trailer = _trailer(authenticated=authenticated, attributes=attributes)
    pieces = [ciphertext[at : at + cut] for at in range(0, length, cut)]
    encoded = _written(header, pieces, trailer, definite=definite)
    assert _read(encoded, size) == (header, ciphertext, trailer)
    reader = _reader(encoded, size)
    assert sum(map(len, reader.ciphertext())) == length == reader.ciphertext_size
    reader.trailer()
    assert reader.constructed != definite
    assert reader.indefinite != definite


@given(st.lists(st.integers(0, 9000), max_size=30), st.sampled_from((61, 5000, 1 << 20)))
def test_small_pieces_are_gathered(lengths: list[int], size: int) -> None:
    """Ciphertext in many small OCTET STRINGs is handed on in larger pieces, none of it lost or moved."""
    pieces = [bytes((index % 256,)) * length for index, length in enumerate(lengths)]
    reader = _reader(_written(_header(), pieces, _trailer(authenticated=True), definite=False), size)
    found = [bytes(piece) for piece in reader.ciphertext()]
    assert b"".join(found) == b"".join(pieces)


def test_pieces_of_one_octet_are_gathered() -> None:
    """A hundred thousand OCTET STRINGs of one octet cost two calls of the cipher."""
    encoded = _written(_header(), [b"x"] * 100_000, _trailer(authenticated=True), definite=False)
    assert [len(piece) for piece in _reader(encoded).ciphertext()] == [65536, 1, 34463]


@KINDS
@pytest.mark.parametrize("definite", [True, False], ids=["DER", "BER"])
def test_every_prefix_is_cut_off(*, authenticated: bool, definite: bool) -> None:
    """Whatever octet an envelope ends at too early, it is not one."""
    encoded = _envelope(authenticated=authenticated, definite=definite)
    assert _read(encoded)[1] == b"ciphertext"
    for end in range(len(encoded)):
        with pytest.raises(MalformedError):
            _read(encoded[:end])


@KINDS
@pytest.mark.parametrize("definite", [True, False], ids=["DER", "BER"])
def test_an_unfinished_envelope_is_none(*, authenticated: bool, definite: bool) -> None:
    """Without the act of finishing, even with all of the ciphertext, nothing readable was written."""
    target = io.BytesIO()
    trailer = _trailer(authenticated=authenticated)
    announced = trailer_size(trailer, authenticated=authenticated)
    writer = EnvelopeWriter(target, _header(authenticated=authenticated), 10 if definite else None, announced)
    writer.write(b"ciphertext")
    del writer
    if not authenticated and definite:
        assert announced == 0  # the ciphertext is the last of it: whoever writes CBC finishes with its last block
    else:
        with pytest.raises(MalformedError):
            _read(target.getvalue())


@pytest.mark.parametrize("pieces", [["cipher", "text", "!"], ["ciphertext!"], ["cipher", "text and more"]])
def test_more_than_was_announced_is_refused(pieces: list[str]) -> None:
    """An octet too many is refused before it is written, so that no length lies."""
    target = io.BytesIO()
    writer = EnvelopeWriter(target, _header(), 10, 18)
    *fitting, last = (piece.encode() for piece in pieces)
    for piece in fitting:
        writer.write(piece)
    with pytest.raises(MalformedError, match="the input grew while it was being read"):
        writer.write(last)
    assert b"!" not in target.getvalue()
    assert b"and" not in target.getvalue()


def test_less_than_was_announced_is_refused() -> None:
    """An envelope whose ciphertext is short cannot be finished."""
    writer = EnvelopeWriter(io.BytesIO(), _header(), 10, 18)
    writer.write(b"cipher")
    with pytest.raises(MalformedError, match="the input shrank while it was being read"):
        writer.finish(_trailer(authenticated=True))


def test_another_trailer_than_announced_is_refused() -> None:
    """A trailer that would make the lengths before it wrong is not written."""
    target = io.BytesIO()
    writer = EnvelopeWriter(target, _header(), 0, 18)
    before = target.getvalue()
    with pytest.raises(MalformedError, match="trailer is not as announced"):
        writer.finish(_trailer(authenticated=True, attributes=True))
    assert target.getvalue() == before


def test_empty_pieces_are_not_written() -> None:
    """Nothing to write makes no empty OCTET STRING."""
    assert _written(_header(), [b"", b"x", b""], _trailer(authenticated=True), definite=False) == _written(
        _header(), [b"x"], _trailer(authenticated=True), definite=False
    )


@KINDS
@pytest.mark.parametrize("definite", [True, False], ids=["DER", "BER"])
@pytest.mark.parametrize("length", [0, 1, 127, 128, 200, 70000])
def test_openssl_reads_what_is_written(*, authenticated: bool, definite: bool, length: int) -> None:
    """OpenSSL prints the envelope, with every octet in its place."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    pieces = [bytes(1000)] * (length // 1000) + [bytes(length % 1000)]
    trailer = _trailer(authenticated=authenticated, attributes=not authenticated)  # OpenSSL 3.0 wants other tags
    encoded = _written(_header(authenticated=authenticated), pieces, trailer, definite=definite)
    command = [openssl, "cms", "-cmsout", "-print", "-inform", "DER"]
    printed = subprocess.run(command, input=encoded, capture_output=True, check=True, timeout=60).stdout.decode()
    assert ("id-smime-ct-authEnvelopedData" if authenticated else "pkcs7-envelopedData") in printed
    assert printed.count("d.ktri") == 2
    assert "aes-256-gcm" in printed if authenticated else "aes-256-cbc" in printed
    command = [openssl, "cms", "-cmsout", "-outform", "DER", "-inform", "DER"]
    rewritten = subprocess.run(command, input=encoded, capture_output=True, check=True, timeout=60).stdout
    if definite:
        assert rewritten == encoded
    assert _read(rewritten)[1:] == (bytes(length), trailer)


# --- what is refused


@pytest.mark.parametrize(
    ("oid", "found"),
    [
        ("1.2.840.113549.1.7.1", "plain data"),
        ("1.2.840.113549.1.7.2", "a signed message (signed-data)"),
        ("1.2.840.113549.1.7.6", "encrypted-data, which has no recipients"),
        ("1.2.840.113549.1.9.16.1.9", "a compressed message (compressed-data)"),
        ("1.2.840.113549.1.7.5", "digested-data"),
        ("1.2.3.4", "a CMS object of type 1.2.3.4"),
    ],
)
def test_other_cms_objects_are_named(oid: str, found: str) -> None:
    """What is CMS but no envelope is named by what it is."""
    with pytest.raises(NotEnvelopeError) as caught:
        _reader(asn1.encode(asn1.SEQUENCE, asn1.object_identifier(oid), b"\xa0\x00"))
    assert caught.value.found == found


@KINDS
def test_an_algorithm_in_the_wrong_envelope_is_refused(*, authenticated: bool) -> None:
    """CBC in AuthEnvelopedData and GCM in EnvelopedData are refused: nobody can exchange one for the other."""
    other = _header(authenticated=not authenticated).content_encryption
    header = _header(authenticated=authenticated)._replace(content_encryption=other)
    reader = _reader(_written(header, [b"x"], _trailer(authenticated=authenticated)))
    name = "AES-256-CBC does not belong in auth-enveloped" if authenticated else "AES-256-GCM does not belong in env"
    with pytest.raises(MalformedError, match=name):
        _ = reader.parameters


def test_an_unknown_algorithm_can_be_looked_at() -> None:
    """An envelope whose algorithm is not spoken is read to its end; only opening it is refused."""
    header = _header()._replace(content_encryption=AlgorithmIdentifier("1.2.3", b"\x05\x00"))
    reader = _reader(_written(header, [b"x"], _trailer(authenticated=True)))
    assert reader.header == header._replace(
        wrapped_keys=tuple(wrapped._replace(key_size=0) for wrapped in header.wrapped_keys)
    )
    with pytest.raises(UnsupportedAlgorithmError):
        _ = reader.parameters
    assert b"".join(reader.ciphertext()) == b"x"
    assert reader.trailer().tag == bytes(range(16))


def test_the_header_is_limited() -> None:
    """A header larger than the policy allows is refused before it is held."""
    encoded = _written(_header(recipients=100), [b"x"], _trailer(authenticated=True))
    assert len(_read(encoded, policy=Policy(max_header_size=len(encoded)))[0].wrapped_keys) == 100
    with pytest.raises(LimitError, match="the size of the envelope's header exceeds the limit of 5,000"):
        _reader(encoded, policy=Policy(max_header_size=5000))


def test_recipients_are_limited() -> None:
    """More recipients than the policy allows are refused."""
    encoded = _written(_header(recipients=11), [b"x"], _trailer(authenticated=True))
    assert len(_read(encoded, policy=Policy(max_recipients=11))[0].wrapped_keys) == 11
    with pytest.raises(LimitError, match="the number of recipients exceeds the limit of 10"):
        _reader(encoded, policy=Policy(max_recipients=10))


@KINDS
@pytest.mark.parametrize("definite", [True, False], ids=["DER", "BER"])
def test_the_trailer_is_limited(*, authenticated: bool, definite: bool) -> None:
    """What follows the content is limited too, and after gigabytes of content no less."""
    attributes = asn1.encode(0xA2 if authenticated else 0xA1, bytes(MAX_TRAILER_SIZE))
    trailer = _trailer(authenticated=authenticated)._replace(unauthenticated_attributes=attributes)
    reader = _reader(_written(_header(authenticated=authenticated), [b"x"], trailer, definite=definite))
    assert b"".join(reader.ciphertext()) == b"x"
    with pytest.raises(LimitError, match="the size of what follows the content"):
        reader.trailer()


@pytest.mark.parametrize("after", [b"\x00", b"\r\n", b"\r\n\r\n\x00\x00"])
def test_padding_after_an_envelope_is_overlooked(after: bytes) -> None:
    """Line endings and zeros that mailers leave behind a binary object are no part of it."""
    assert _read(_envelope() + after)[1] == b"ciphertext"


@pytest.mark.parametrize("after", [b"x", b"\x00x", b"\r\n" * 1000 + b"\x30\x00"])
def test_anything_else_after_an_envelope_is_told(after: bytes) -> None:
    """What follows an envelope is no part of it, and not passed over in silence."""
    envelope = _envelope()
    for size in (7, 1 << 20):
        reader = _reader(envelope + after, size)
        assert b"".join(reader.ciphertext()) == b"ciphertext"
        reader.trailer()
        assert (reader.end, reader.followed) == (len(envelope), True)


def test_originator_information_is_kept() -> None:
    """An envelope's OriginatorInfo comes back as it stands."""
    header = _header(authenticated=False)._replace(version=2, originator_info=b"\xa0\x02\xa0\x00")
    encoded = _written(header, [b"x"], _trailer(authenticated=False))
    assert _read(encoded, 3)[0] == header


def test_an_envelope_without_content_is_refused_with_its_header() -> None:
    """Content that is kept elsewhere (RFC 5652, 6.1) is told before anything is made of the recipients."""
    algorithm = codec.algorithm_identifier(_header(authenticated=False).content_encryption)
    content = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(DATA), algorithm)
    envelope = asn1.encode(asn1.SEQUENCE, asn1.integer(0), b"\x31\x00", content)
    encoded = asn1.encode(asn1.SEQUENCE, asn1.object_identifier(ENVELOPED_DATA), asn1.encode(0xA0, envelope))
    with pytest.raises(MalformedError, match="the envelope holds no encrypted content"):
        _reader(encoded)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (b"\x02\x01\x00", r"the tag 0x02 was expected, not 0x04"),
        (b"\x31", r"the tag 0x31 was expected, not 0x30"),
    ],
)
def test_other_parts_than_expected_are_malformed(written: bytes, problem: str) -> None:
    """A part that is not what must stand there is refused by its tag."""
    encoded = _envelope()
    at = encoded.index(written, 20)
    altered = encoded[:at] + bytes((written[0] ^ (6 if written[0] == 2 else 1),)) + encoded[at + 1 :]
    with pytest.raises(MalformedError, match=problem):
        _reader(altered)
