"""The sealed content: one call and streams agree, whatever the sizes; what was altered does not open."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.decrepit.ciphers.algorithms import RC2, TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st

from smime_session import content
from smime_session.algorithms import (
    AES_256_CBC,
    AES_256_GCM,
    CEK_HKDF_SHA256_OID,
    CHACHA20_POLY1305,
    CONTENT_ENCRYPTION,
    ContentEncryption,
)
from smime_session.cms import content_algorithm
from smime_session.cms.values import AlgorithmIdentifier, ContentParameters
from smime_session.content import SLACK, open_whole, opener, seal, sealed_size, sealer
from smime_session.errors import DecryptionError, LimitError
from smime_session.session_key import SessionKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.ciphers import BlockCipherAlgorithm

ALGORITHMS = tuple(CONTENT_ENCRYPTION.values())
GCM = tuple(algorithm for algorithm in ALGORITHMS if algorithm.mode == "gcm")
CBC = tuple(algorithm for algorithm in ALGORITHMS if algorithm.mode == "cbc")
AEAD = (*GCM, CHACHA20_POLY1305)
SIZES = (0, 1, 15, 16, 17, 32, 4095, 4096, 4097, 8192, 65535, 65536, 65537)
EVERY_ALGORITHM = pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)


def _key(algorithm: ContentEncryption) -> SessionKey:
    return SessionKey(bytearray(range(algorithm.key_size)))


def _parameters(algorithm: ContentEncryption, nonce: bytes = b"") -> ContentParameters:
    return ContentParameters(algorithm, nonce or bytes(range(algorithm.nonce_size)), algorithm.tag_size)


def _chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def _sealed_in_chunks(algorithm: ContentEncryption, plaintext: bytes, size: int) -> tuple[bytes, bytes]:
    stream = sealer(_parameters(algorithm), _key(algorithm))
    ciphertext = b""
    for chunk in _chunks(plaintext, size):
        buffer = memoryview(bytearray(len(chunk) + SLACK))
        ciphertext += buffer[: stream.update_into(chunk, buffer)]
    last, tag = stream.finish()
    return ciphertext + last, tag


def _opened(
    parameters: ContentParameters, ciphertext: bytes, tag: bytes, size: int = 1 << 20, attributes: bytes = b""
) -> bytes:
    stream = opener(parameters, _key(parameters.algorithm), attributes)
    plaintext = b""
    for chunk in _chunks(ciphertext, size):
        buffer = memoryview(bytearray(len(chunk) + SLACK))
        plaintext += buffer[: stream.update_into(chunk, buffer)]
    return plaintext + stream.finish(tag)


@EVERY_ALGORITHM
@pytest.mark.parametrize("size", SIZES)
def test_sealing_is_what_the_cipher_says(algorithm: ContentEncryption, size: int) -> None:
    """Sealing in one call gives the octets of the plain cipher, of the announced size."""
    plaintext = bytes(index % 251 for index in range(size))
    parameters, key = _parameters(algorithm), _key(algorithm)
    ciphertext, tag = seal(parameters, key, plaintext)
    if algorithm.authenticated:
        cipher = ChaCha20Poly1305(key.material) if algorithm is CHACHA20_POLY1305 else AESGCM(key.material)
        assert bytes(ciphertext) + tag == cipher.encrypt(parameters.nonce, plaintext, None)
    else:
        padder = PKCS7(algorithm.block_size * 8).padder()
        block_ciphers: dict[str, Callable[[bytes], BlockCipherAlgorithm]]
        block_ciphers = {"AES": algorithms.AES, "TripleDES": TripleDES, "RC2": RC2}
        block_cipher = block_ciphers[algorithm.cipher](bytes(key.material))
        encryptor = Cipher(block_cipher, modes.CBC(parameters.nonce)).encryptor()
        assert ciphertext == encryptor.update(padder.update(plaintext) + padder.finalize()) + encryptor.finalize()
    assert len(ciphertext) == sealed_size(algorithm, size)
    assert len(tag) == algorithm.tag_size


@given(
    st.sampled_from(ALGORITHMS),
    st.binary(max_size=200) | st.sampled_from(SIZES).map(bytes),
    st.sampled_from((1, 15, 16, 17, 48, 1000, 1 << 17)),
    st.sampled_from((1, 15, 16, 17, 48, 1000, 1 << 17)),
)
def test_chunks_do_not_matter(algorithm: ContentEncryption, plaintext: bytes, sealing: int, opening: int) -> None:
    """Content sealed and opened in pieces of any size is the same as in one call."""
    if min(sealing, opening) < 15:
        plaintext = plaintext[:4097]  # octet by octet, that is enough
    ciphertext, tag = _sealed_in_chunks(algorithm, plaintext, sealing)
    whole = seal(_parameters(algorithm), _key(algorithm), plaintext)
    assert (ciphertext, tag) == (bytes(whole[0]), bytes(whole[1]))
    assert _opened(_parameters(algorithm), ciphertext, tag, opening) == plaintext


@given(st.sampled_from(AEAD), st.binary(max_size=60), st.data())
def test_altered_authenticated_content_does_not_open(
    algorithm: ContentEncryption, plaintext: bytes, data: st.DataObject
) -> None:
    """One flipped bit of ciphertext or tag is noticed."""
    sealed = bytearray(b"".join(seal(_parameters(algorithm), _key(algorithm), plaintext)))
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DecryptionError):
        _opened(_parameters(algorithm), bytes(sealed[:-16]), bytes(sealed[-16:]))


@pytest.mark.parametrize("algorithm", AEAD, ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("size", [0, 1, 4, 11, 17, 32])
def test_tags_of_a_wrong_size_do_not_open(algorithm: ContentEncryption, size: int) -> None:
    """A tag that was cut or lengthened is no tag, and nothing but DecryptionError says so."""
    ciphertext, tag = seal(_parameters(algorithm), _key(algorithm), b"text")
    with pytest.raises(DecryptionError):
        _opened(_parameters(algorithm), bytes(ciphertext), (bytes(tag) * 2)[:size])


@pytest.mark.parametrize("size", [12, 13, 14, 15, 16])
def test_shorter_tags_that_the_standard_allows_open(size: int) -> None:
    """A tag of 12 to 16 octets is one (RFC 5084, 3.2)."""
    ciphertext, tag = seal(_parameters(GCM[0]), _key(GCM[0]), b"text")
    parameters = ContentParameters(GCM[0], _parameters(GCM[0]).nonce, size)
    assert _opened(parameters, bytes(ciphertext), bytes(tag[:size])) == b"text"


@pytest.mark.parametrize("size", [1, 15, 16, 17, 32])
@pytest.mark.parametrize("algorithm", [GCM[0], CHACHA20_POLY1305], ids=lambda algorithm: algorithm.name)
def test_attributes_are_covered_by_the_tag(algorithm: ContentEncryption, size: int) -> None:
    """Content whose tag covers attributes opens with these attributes and no others."""
    parameters, key = _parameters(algorithm), _key(algorithm)
    cipher = ChaCha20Poly1305(key.material) if algorithm is CHACHA20_POLY1305 else AESGCM(key.material)
    sealed = cipher.encrypt(parameters.nonce, b"text", b"1" * size)
    assert _opened(parameters, sealed[:-16], sealed[-16:], attributes=b"1" * size) == b"text"
    for attributes in (b"", b"1" * (size - 1) + b"2", b"1" * size + b"\x00"):
        with pytest.raises(DecryptionError):
            _opened(parameters, sealed[:-16], sealed[-16:], attributes=attributes)


@pytest.mark.parametrize("algorithm", CBC, ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("ciphertext", [b"", b"x", bytes(15), bytes(17)])
def test_ciphertext_that_is_not_whole_blocks_does_not_open(algorithm: ContentEncryption, ciphertext: bytes) -> None:
    """CBC takes one block at least and nothing but whole blocks."""
    with pytest.raises(DecryptionError):
        _opened(_parameters(algorithm), ciphertext, b"")


@pytest.mark.parametrize("algorithm", CBC, ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("more", [1, 7, 15])
def test_octets_after_the_last_whole_block_are_not_overlooked(algorithm: ContentEncryption, more: int) -> None:
    """However sound the padding before them is."""
    ciphertext, _ = seal(_parameters(algorithm), _key(algorithm), b"text")
    for extra in (bytes(min(more, algorithm.block_size - 1)), bytes(ciphertext)[: algorithm.block_size - 1]):
        with pytest.raises(DecryptionError):
            _opened(_parameters(algorithm), bytes(ciphertext) + extra, b"")


@pytest.mark.parametrize("padding", [b"\x00" * 16, b"\x11" * 16, b"\x02\x03\x03", b"\x01\x02", b"\xff"])
def test_bad_padding_does_not_open(padding: bytes) -> None:
    """CBC's padding is checked whole, and its failure is the one failure of all."""
    algorithm = CBC[0]
    parameters = _parameters(algorithm)
    encryptor = Cipher(algorithms.AES(_key(algorithm).material), modes.CBC(parameters.nonce)).encryptor()
    ciphertext = encryptor.update((bytes(32) + padding)[-32:])
    with pytest.raises(DecryptionError) as caught:
        _opened(parameters, ciphertext, b"")
    assert str(caught.value) == str(DecryptionError())
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("size", [8, 11, 12, 13, 16, 128])
def test_nonces_of_other_sizes_open(size: int) -> None:
    """GCM's nonce may have other sizes than the recommended one (RFC 5084, 3.2)."""
    parameters = _parameters(GCM[0], bytes(range(1, size + 1)))
    sealed = AESGCM(_key(GCM[0]).material).encrypt(parameters.nonce, b"text", None)
    assert _opened(parameters, sealed[:-16], sealed[-16:]) == b"text"


@pytest.mark.parametrize(("mode", "limit"), [("gcm", 2**36 - 32), ("poly1305", 2**38 - 64)])
def test_too_much_content_under_one_nonce_is_refused(mode: str, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit of a cipher is kept before the octet that would break it (NIST SP 800-38D, 5.2.1.1; RFC 8439, 2.8)."""
    assert content._MAX_CONTENT[mode] == limit
    monkeypatch.setitem(content._MAX_CONTENT, mode, 100)
    algorithm = next(algorithm for algorithm in AEAD if algorithm.mode == mode)
    for make in (sealer, opener):
        stream = make(_parameters(algorithm), _key(algorithm))
        buffer = memoryview(bytearray(200))
        stream.update_into(bytes(100), buffer)
        with pytest.raises(LimitError):
            stream.update_into(b"x", buffer)


@pytest.mark.parametrize("algorithm", AEAD, ids=lambda algorithm: algorithm.name)
def test_a_derived_key_is_bound_to_its_information(algorithm: ContentEncryption) -> None:
    """With derivation the content's key is HKDF's answer, and other information gives another key (RFC 9709, 2)."""
    parameters = _parameters(algorithm)._replace(derivation_info=b"an AlgorithmIdentifier")
    material = bytes(_key(algorithm).material)
    salt = b"The Cryptographic Message Syntax"
    derived = HKDF(SHA256(), algorithm.key_size, salt, b"an AlgorithmIdentifier").derive(material)
    ciphertext, tag = map(bytes, seal(parameters, _key(algorithm), b"text"))
    plain = seal(_parameters(algorithm), SessionKey(bytearray(derived)), b"text")
    assert (ciphertext, tag) == (bytes(plain[0]), bytes(plain[1]))
    assert _opened(parameters, ciphertext, tag) == b"text"
    for other in (b"", b"another one"):
        with pytest.raises(DecryptionError):
            _opened(parameters._replace(derivation_info=other), ciphertext, tag)


@pytest.mark.parametrize("size", [0, 1, 5, 16, 24, 33, 100])
@pytest.mark.parametrize("derivation_info", [b"", b"an AlgorithmIdentifier"])
def test_a_key_of_another_size_does_not_open(size: int, derivation_info: bytes) -> None:
    """A key saved of another message fails as any wrong key does, whatever its size, and gives out nothing."""
    for algorithm in (AES_256_CBC, AES_256_GCM, CHACHA20_POLY1305):  # all of them take 32 octets
        assert algorithm.key_size == 32
        parameters = _parameters(algorithm)._replace(derivation_info=derivation_info)
        stream = opener(parameters, SessionKey(bytearray(size)))
        buffer = memoryview(bytearray(100))
        assert stream.update_into(bytes(48), buffer) == 0
        with pytest.raises(DecryptionError):
            stream.finish(bytes(algorithm.tag_size))
    assert buffer == bytes(100)


@EVERY_ALGORITHM
def test_the_key_that_was_given_stays(algorithm: ContentEncryption) -> None:
    """Sealing and opening leave the session key to its owner, who wipes it; wiping stops no stream."""
    key = _key(algorithm)
    stream = sealer(_parameters(algorithm), key)
    assert key == _key(algorithm)
    key.wipe()
    buffer = memoryview(bytearray(100))
    ciphertext = bytes(buffer[: stream.update_into(b"text", buffer)])
    last, tag = stream.finish()
    assert (ciphertext + last, tag) == tuple(map(bytes, seal(_parameters(algorithm), _key(algorithm), b"text")))


@pytest.mark.parametrize(
    ("identifier", "derived"),
    [
        ("301b0609608648016503040106300e040c5c79058ba2f43447639d29e2", "2124ffb29fac4e0fbbc7d5d87492bff3"),
        ("301d06096086480165030401020410651f722ffd512c52fe072e507d72b377", "9cd102c52f1e19ece8729b35bfeceb50"),
    ],
    ids=["AES-128-GCM", "AES-128-CBC"],
)
def test_the_derived_key_is_that_of_the_standard(identifier: str, derived: str) -> None:
    """The content key that RFC 9709, B.1 and B.2 print comes out, from the identifier as a message carries it."""
    outer = AlgorithmIdentifier(CEK_HKDF_SHA256_OID, bytes.fromhex(identifier))
    parameters = content_algorithm.parameters_from(outer)
    key = SessionKey(bytearray.fromhex("c702e7d0a9e064b09ba55245fb733cf3"))
    assert content._content_key(parameters, key).material == bytes.fromhex(derived)
    assert content_algorithm.encode(parameters) == outer


@EVERY_ALGORITHM
@pytest.mark.parametrize("size", SIZES)
def test_what_is_in_memory_opens_in_one_call(algorithm: ContentEncryption, size: int) -> None:
    """What was sealed comes back whole, and nothing does with another tag, key or size of key."""
    content_octets = bytes(size % 251 for size in range(size))
    ciphertext, tag = seal(_parameters(algorithm), _key(algorithm), content_octets)
    parameters = _parameters(algorithm)
    assert open_whole(parameters, _key(algorithm), ciphertext, bytes(tag)) == content_octets
    with pytest.raises(DecryptionError):
        open_whole(parameters, SessionKey(bytearray(algorithm.key_size + 1)), ciphertext, bytes(tag))
    if tag:
        for wrong in (bytes(16), b""):
            with pytest.raises(DecryptionError):
                open_whole(parameters, _key(algorithm), ciphertext, wrong)
        with pytest.raises(DecryptionError):
            open_whole(parameters, SessionKey(bytearray(algorithm.key_size)), ciphertext, bytes(tag))


@pytest.mark.parametrize("algorithm", AEAD, ids=lambda algorithm: algorithm.name)
@pytest.mark.parametrize("attributes", [b"", b"\x31\x00"])
def test_one_call_covers_attributes_too(algorithm: ContentEncryption, attributes: bytes) -> None:
    """The tag fits the attributes that it was made with, and no others."""
    stream = sealer(_parameters(algorithm), _key(algorithm), attributes)
    buffer = memoryview(bytearray(100 + SLACK))
    ciphertext = bytes(buffer[: stream.update_into(bytes(100), buffer)])
    last, tag = stream.finish()
    assert open_whole(_parameters(algorithm), _key(algorithm), ciphertext + last, tag, attributes) == bytes(100)
    with pytest.raises(DecryptionError):
        open_whole(_parameters(algorithm), _key(algorithm), ciphertext + last, tag, attributes + b"x")


@pytest.mark.parametrize("size", [12, 13, 15, 16])
def test_a_shorter_tag_opens_in_one_call(size: int) -> None:
    """A tag of GCM that was cut as RFC 5084 allows is compared as far as it goes."""
    ciphertext, tag = seal(_parameters(AES_256_GCM), _key(AES_256_GCM), b"content")
    parameters = ContentParameters(AES_256_GCM, bytes(range(12)), size)
    assert open_whole(parameters, _key(AES_256_GCM), ciphertext, bytes(tag[:size])) == b"content"
