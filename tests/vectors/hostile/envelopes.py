"""Envelopes that no honest program writes, for Alice's keys, a password and a shared key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from smime_session import PresharedKey, SessionKey
from smime_session.algorithms import (
    AES_256_CBC,
    AES_256_GCM,
    AES_256_WRAP,
    ENVELOPED_DATA,
    RSAES_OAEP_SHA256,
    RSAES_PKCS1_V1_5,
    X25519,
    KeyTransport,
)
from smime_session.certificates.names import issuer_of
from smime_session.cms import asn1, codec
from smime_session.cms.pbkdf2 import Pbkdf2
from smime_session.cms.values import IssuerAndSerialNumber, SubjectKeyIdentifier
from smime_session.profiles import MAX_TRIALS
from smime_session.recipients import kem, rsa
from smime_session.recipients import password as pwri
from smime_session.recipients.kem import KemRecipientInfo
from smime_session.recipients.rsa import KeyTransRecipientInfo
from tests.hostile.forge import KEY, TEXT, Forgery
from tests.support import agreeing
from tests.vectors.hostile import seeds
from tests.vectors.hostile.vector import TOLD, Vector, broken, envelope

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

SHARED: Final = PresharedKey(bytes(range(32)), b"hostile")
PASSWORD: Final = "open sesame"  # noqa: S105  # of the vectors
ONE_FAILURE: Final = "DecryptionError"

_OAEP: Final = "1.2.840.113549.1.1.7"
_OAEP_SHA256: Final = bytes.fromhex(
    "302f a00f 300d 0609 608648016503040201 0500 a11c 301a 0609 2a864886f70d010108 300d 0609 608648016503040201 0500"
)
_EOC: Final = asn1.END_OF_CONTENTS


def alices_name() -> IssuerAndSerialNumber:
    """Return how a recipient info names Alice."""
    return IssuerAndSerialNumber(issuer_of(seeds.alice()), seeds.alice().serial_number)


def transported(encrypted: bytes, algorithm: KeyTransport = RSAES_OAEP_SHA256) -> bytes:
    """Return a recipient info for Alice's RSA key with any octets as its encrypted key."""
    return rsa.encode(KeyTransRecipientInfo(alices_name(), algorithm, encrypted)).encoded


def with_algorithm(identifier: bytes, encrypted: bytes) -> bytes:
    """Return one with any AlgorithmIdentifier."""
    who = asn1.encode(asn1.SEQUENCE, issuer_of(seeds.alice()), asn1.integer(seeds.alice().serial_number))
    return asn1.encode(asn1.SEQUENCE, asn1.integer(0), who, identifier, asn1.encode(asn1.OCTET_STRING, encrypted))


def oaep_identifier(*parameters: bytes) -> bytes:
    """Return the AlgorithmIdentifier of RSAES-OAEP with any parameters."""
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(_OAEP), *parameters)


HONEST: Final = transported(seeds.oaep(KEY))
SHARED_INFO: Final = SHARED.wrap(SessionKey(bytearray(KEY))).encoded


def forged(infos: bytes = HONEST, **parts: Any) -> bytes:  # noqa: ANN401  # parts of a Forgery
    """Return an AuthEnvelopedData."""
    return Forgery(infos, **parts).encoded


def sealed(entity: bytes) -> bytes:
    """Return an envelope for Alice that opens."""
    content = AESGCM(KEY).encrypt(bytes(range(12)), entity, None)
    return forged(ciphertext=content[:-16], trailer=asn1.encode(asn1.OCTET_STRING, content[-16:]))


def cbc(infos: bytes = HONEST, ciphertext: bytes | None = None, **parts: Any) -> bytes:  # noqa: ANN401  # the same
    """Return an EnvelopedData in CBC mode."""
    if ciphertext is None:
        missing = 16 - len(TEXT) % 16
        encryptor = Cipher(algorithms.AES(KEY), modes.CBC(bytes(16))).encryptor()
        ciphertext = encryptor.update(TEXT + bytes((missing,)) * missing)
    vector = asn1.encode(asn1.OCTET_STRING, bytes(16))
    parts = {"algorithm": AES_256_CBC.oid, "parameters": vector, "content_type": ENVELOPED_DATA, "trailer": b""} | parts
    return Forgery(infos, ciphertext=ciphertext, **parts).encoded


def gcm_parameters(nonce: bytes, size: int | None = 16) -> bytes:
    """Return the parameters of AES-GCM."""
    length = b"" if size is None else asn1.integer(size)
    return asn1.encode(asn1.SEQUENCE, asn1.encode(asn1.OCTET_STRING, nonce), length)


def flipped(octets: bytes, at: int) -> bytes:
    """Return octets with one bit the other way round."""
    at %= len(octets)
    return octets[:at] + bytes((octets[at] ^ 1,)) + octets[at + 1 :]


def _damage() -> Iterator[Vector]:
    """Yield what became of honest messages on the way; tests flip every bit and cut at every octet."""
    honest = Forgery(HONEST)
    whole = honest.encoded
    content = whole.index(honest.ciphertext)
    alices_number = asn1.integer_octets(seeds.alice().serial_number)
    yield Vector(
        "honest.der",
        whole,
        {**dict.fromkeys(("decrypt", "inspect", "rewrap", "session-key"), TOLD), "verify": "NotSignedError"},
    )
    yield envelope("flipped-bit-of-nonce.der", flipped(whole, whole.index(bytes(range(12)))), ONE_FAILURE)
    yield envelope("flipped-bit-of-wrapped-key.der", flipped(whole, whole.index(HONEST) + len(HONEST) - 1), ONE_FAILURE)
    yield envelope("flipped-bit-of-ciphertext.der", flipped(whole, content), ONE_FAILURE)
    yield envelope("flipped-bit-of-tag.der", flipped(whole, -1), ONE_FAILURE)
    yield envelope("flipped-bit-of-identifier.der", flipped(whole, whole.index(alices_number)), "NoMatchError")
    for size in (20, 200, content - 10, content + 5, len(whole) - 1):
        yield broken(f"cut-at-{size:04}.der", whole[:size])
    yield envelope("octets-follow.der", whole + b"more", TOLD)
    yield envelope(
        "octets-follow-inside.der",
        forged(trailer=honest.trailer + b"\x05\0"),
        "MalformedError",
        inspect="MalformedError",
    )


def _algorithms() -> Iterator[Vector]:
    """Yield contents whose algorithm is not that of their type, or whose parameters are not those of it."""
    vector = asn1.encode(asn1.OCTET_STRING, bytes(16))
    modes_ = {"cbc": "42", "ofb": "43", "cfb": "44", "ccm": "47"}
    for mode, last in modes_.items():
        oid = f"2.16.840.1.101.3.4.1.{last}"
        error = "MalformedError" if mode == "cbc" else "UnsupportedAlgorithmError"
        yield envelope(f"authenveloped-{mode}.der", forged(algorithm=oid, parameters=vector), error)
    yield envelope("authenveloped-ctr.der", forged(algorithm="2.16.840.1.101.3.4.1.99"), "UnsupportedAlgorithmError")
    gcm = gcm_parameters(bytes(range(12)))
    yield envelope("enveloped-gcm.der", cbc(algorithm=AES_256_GCM.oid, parameters=gcm), "MalformedError")
    chacha = "1.2.840.113549.1.9.16.3.18"
    nonce = asn1.encode(asn1.OCTET_STRING, bytes(12))
    yield envelope("enveloped-chacha20.der", cbc(algorithm=chacha, parameters=nonce), "MalformedError")
    yield envelope("enveloped-rc4.der", cbc(algorithm="1.2.840.113549.3.4"), "UnsupportedAlgorithmError")
    for size in (*range(12), 17):
        parameters = gcm_parameters(bytes(range(12)), size)
        yield envelope(f"icv-length-{size:02}.der", forged(parameters=parameters), "MalformedError")
    honest = Forgery(HONEST).trailer[2:]
    for size in (0, 12, 15, 17):
        trailer = asn1.encode(asn1.OCTET_STRING, (honest + b"\0")[:size])
        yield envelope(f"mac-of-{size:02}-octets.der", forged(trailer=trailer), "MalformedError")
    for size in (0, 1, 65_536):
        yield envelope(
            f"nonce-of-{size:05}-octets.der",
            forged(parameters=gcm_parameters(bytes(size))),
            "MalformedError",
        )
    for size in (11, 13, 16):
        yield envelope(f"nonce-of-{size:05}-octets.der", forged(parameters=gcm_parameters(bytes(size))), ONE_FAILURE)
    yield from _attributes()


def _attributes() -> Iterator[Vector]:
    one = bytes.fromhex("3012 0603 2a0304 310b 0409") + b"attribute"
    two = bytes.fromhex("300a 0603 2a0305 3103 0401 78")
    sealed = AESGCM(KEY).encrypt(bytes(range(12)), TEXT, asn1.encode(0x31, one))
    ciphertext, tag = sealed[:-16], asn1.encode(asn1.OCTET_STRING, sealed[-16:])
    yield envelope(
        "attributes-changed.der",
        forged(ciphertext=ciphertext, trailer=asn1.encode(0xA1, flipped(one, -1)) + tag),
        ONE_FAILURE,
    )
    yield envelope(
        "attributes-of-wrong-tag.der",
        forged(ciphertext=ciphertext, trailer=asn1.encode(0xA3, one) + tag),
        "MalformedError",
        inspect="MalformedError",
    )
    unsorted = AESGCM(KEY).encrypt(bytes(range(12)), TEXT, asn1.encode(0x31, two, one))
    yield envelope(
        "attributes-unsorted.der",
        forged(
            ciphertext=unsorted[:-16],
            trailer=asn1.encode(0xA1, one, two) + asn1.encode(asn1.OCTET_STRING, unsorted[-16:]),
        ),
        TOLD,  # the tag covers what stands there, in the order in which it stands
    )


def _transport() -> Iterator[Vector]:
    """Yield what is wrong with keys that RSA transports."""
    old = RSAES_PKCS1_V1_5
    blocks = {
        "bad-padding": b"\0\1" + seeds.octets("bad", 254),
        "no-separator": b"\0\2" + b"\1" * 254,
        "zeros": bytes(256),
    }
    for label, block in blocks.items():
        yield envelope(f"v1_5-{label}.der", forged(transported(seeds.raw(block), old)), ONE_FAILURE)
    for label, key in {"short-key": KEY[:16], "long-key": KEY + b"x", "no-key": b"", "wrong-key": KEY[::-1]}.items():
        yield envelope(f"v1_5-{label}.der", forged(transported(seeds.v1_5(key), old)), ONE_FAILURE)
        yield envelope(f"oaep-{label}.der", forged(transported(seeds.oaep(key))), ONE_FAILURE)
    for size in (0, 1, 7, 255, 257):
        yield envelope(f"wrapped-key-of-{size:03}-octets.der", forged(transported(bytes(size))), ONE_FAILURE)
    guess = transported(seeds.v1_5(KEY[::-1]), old)
    yield envelope("second-transport-chosen.der", forged(transported(seeds.v1_5(KEY), old) + guess), TOLD)
    yield envelope("both-transports-chosen.der", forged(guess + transported(seeds.raw(bytes(256)), old)), ONE_FAILURE)
    stranger = SubjectKeyIdentifier(bytes(20))
    other = rsa.encode(KeyTransRecipientInfo(stranger, RSAES_OAEP_SHA256, seeds.oaep(KEY))).encoded
    yield envelope("identifier-of-another.der", forged(other), "NoMatchError")
    parameters = {
        "absent": (),
        "null": (b"\x05\0",),
        "garbage": (bytes.fromhex("3003020105"),),
        "twice": (b"\x30\0", b"\x30\0"),
        "of-unknown-hash": (bytes.fromhex("3009 a007 3005 0603 2a0304"),),
        "with-label": (asn1.encode(0x30, asn1.parse(_OAEP_SHA256).contents, _label(b"label")),),
    }
    for label, found in parameters.items():
        info = with_algorithm(oaep_identifier(*found), seeds.oaep(KEY))
        error = {"of-unknown-hash": "UnsupportedAlgorithmError", "with-label": ONE_FAILURE}.get(label, "MalformedError")
        yield envelope(f"oaep-parameters-{label}.der", forged(info), error)


def _label(label: bytes) -> bytes:
    source = asn1.object_identifier("1.2.840.113549.1.1.9") + asn1.encode(asn1.OCTET_STRING, label)
    return asn1.encode(0xA2, asn1.encode(asn1.SEQUENCE, source))


def _agreement() -> Iterator[Vector]:
    """Yield what is wrong with keys that are agreed on."""
    person = seeds.alice_on_curve()
    sender = seeds.ec_key("sender")

    def info(**choices: Any) -> bytes:  # noqa: ANN401  # as agreeing has them
        return agreeing.sealed(person, KEY, sender=sender, **choices).encoded

    yield envelope("ecdh-honest.der", forged(info()), TOLD)
    points = {
        "off-the-curve": b"\4" + bytes(31) + b"\1" + bytes(31) + b"\1",
        "at-infinity": b"\0",
        "of-order-zero": b"\4" + bytes(64),
        "too-short": b"\4" + bytes(10),
        "empty": b"",
    }
    for label, point in points.items():
        yield envelope(f"ecdh-point-{label}.der", forged(info(point=point)), "MalformedError")
    yield envelope("ecdh-parameters-absent.der", forged(_resized(info(), _wrap_identifier())), "MalformedError")
    for size in (0, 7, 39, 41):
        yield envelope(
            f"ecdh-wrapped-key-of-{size:02}-octets.der", forged(info(encrypted=bytes(size))), "MalformedError"
        )
    low = {
        "zero": bytes(32),
        "one": b"\1" + bytes(31),
        "of-order-8": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        "minus-one": b"\xec" + b"\xff" * 30 + b"\x7f",
    }
    other = seeds.alice_on_montgomery()
    for label, point in low.items():
        made = agreeing.sealed(
            other, KEY, sender=other.key, point=point, encrypted=bytes(40), algorithm=X25519.agreement
        )
        yield envelope(f"x25519-point-{label}.der", forged(made.encoded), "MalformedError")
    yield envelope("ecdh-wrapped-key-wrong.der", forged(info(encrypted=bytes(40))), ONE_FAILURE)


def _wrap_identifier() -> bytes:
    return asn1.encode(asn1.SEQUENCE, asn1.object_identifier(AES_256_WRAP.oid))


def _resized(encoded: bytes, left_out: bytes) -> bytes:
    """Return a value without some octets in it, with lengths that are right again."""
    element = asn1.parse(encoded)
    if encoded == left_out:
        return b""
    if not element.constructed or left_out not in encoded:
        return encoded
    return asn1.encode(encoded[0], *[_resized(each.encoded, left_out) for each in element.children()])


def _encapsulation() -> Iterator[Vector]:
    """Yield what is wrong with ML-KEM."""
    person = seeds.alice_after_quantum()
    wrapping = HKDF(hashes.SHA256(), 32, None, b"").derive(b"any")

    def info(**choices: Any) -> bytes:  # noqa: ANN401  # as KemRecipientInfo has them
        honest = KemRecipientInfo(
            person.by_key, person.mechanism, seeds.octets("kem", 1088), "SHA-256", AES_256_WRAP, wrapping + bytes(8)
        )
        return kem.encode(honest._replace(**choices)).encoded

    yield envelope("kem-ciphertext-of-another.der", forged(info()), ONE_FAILURE)
    for size in (0, 1087, 1089, 1568):
        yield envelope(
            f"kem-ciphertext-of-{size:04}-octets.der", forged(info(ciphertext=bytes(size))), "MalformedError"
        )
    kek_length = asn1.integer(AES_256_WRAP.key_size)
    for size in (16, 33, 65_536):
        changed = _exchanged(info(), kek_length, asn1.integer(size))
        yield envelope(f"kem-kek-length-{size}.der", forged(changed), "MalformedError")
    for size in (0, 7, 39):
        yield envelope(
            f"kem-wrapped-key-of-{size:02}-octets.der", forged(info(encrypted_key=bytes(size))), "MalformedError"
        )


def _exchanged(encoded: bytes, old: bytes, new: bytes) -> bytes:
    """Return a value with another one in place of one in it."""
    if encoded == old:
        return new
    element = asn1.parse(encoded)
    if not element.constructed or old not in encoded:
        return encoded
    return asn1.encode(encoded[0], *[_exchanged(each.encoded, old, new) for each in element.children()])


def _secrets() -> Iterator[Vector]:
    """Yield what is wrong with passwords and shared keys."""

    def info(size: int = 48, iterations: int = 1000, **choices: Any) -> bytes:  # noqa: ANN401  # as its fields
        made = pwri.PasswordRecipientInfo(
            Pbkdf2(bytes(16), iterations, "SHA-256"), AES_256_CBC, bytes(16), seeds.octets("pwri", size)
        )
        return pwri.encode(made._replace(**choices)).encoded

    yield envelope("password-wrong.der", forged(info()), ONE_FAILURE)
    for size in (0, 8, 16, 47, 288):
        yield envelope(f"password-key-of-{size:03}-octets.der", forged(info(size)), "MalformedError")
    derivation = asn1.encode(0xA0, asn1.parse(_derivation(info())).contents)
    yield envelope("password-derivation-absent.der", forged(_resized(info(), derivation)), "MalformedError")
    for size in (0, 1025):
        salted = info(derivation=Pbkdf2(bytes(size), 1000, "SHA-256"))
        yield envelope(
            f"password-salt-of-{size:04}-octets.der", forged(salted), ONE_FAILURE if size == 0 else "MalformedError"
        )
    for size in (0, 15, 17):
        yield envelope(f"password-vector-of-{size:02}-octets.der", forged(info(vector=bytes(size))), "MalformedError")
    own = asn1.encode(asn1.OCTET_STRING, b"hostile")
    names = {"line-breaks": b"a\r\nBcc: eve@example.org\0\x1b[2J", "nothing": b"", "5000-octets": bytes(5000)}
    for label, name in names.items():
        other = _exchanged(SHARED_INFO, own, asn1.encode(asn1.OCTET_STRING, name))
        yield envelope(f"shared-key-named-{label}.der", forged(other), "NoMatchError")
    for exponent in (31, 63):
        yield envelope(f"password-iterations-2-{exponent}.der", forged(info(iterations=1 << exponent)), "LimitError")
    for size in (0, 7, 39):
        short = _exchanged(
            SHARED_INFO, asn1.parse(SHARED_INFO).children()[-1].encoded, asn1.encode(asn1.OCTET_STRING, bytes(size))
        )
        yield envelope(f"shared-key-wraps-{size:02}-octets.der", forged(short), "MalformedError")
    derived = "1.2.840.113549.1.9.16.3.31"
    inner = asn1.encode(asn1.SEQUENCE, asn1.object_identifier("1.2.840.113549.3.4"))
    for label, parameters in {
        "rc4": inner,
        "itself": asn1.encode(asn1.SEQUENCE, asn1.object_identifier(derived), inner),
        "nothing": b"",
    }.items():
        message = forged(algorithm=derived, parameters=parameters)
        error = "MalformedError" if label == "nothing" else "UnsupportedAlgorithmError"
        yield envelope(f"derived-key-for-{label}.der", message, error)

    forbidden = asn1.encode(
        asn1.SEQUENCE, asn1.object_identifier("1.2.840.113549.3.7"), asn1.encode(asn1.OCTET_STRING, bytes(8))
    )
    yield envelope("derived-key-for-triple-des.der", cbc(algorithm=derived, parameters=forbidden), "PolicyError")


def _derivation(info: bytes) -> bytes:
    return asn1.parse(info).children()[1].encoded


def _structures() -> Iterator[Vector]:
    """Yield encodings that are none."""
    kind = asn1.object_identifier("1.2.840.113549.1.9.16.1.23")
    start = b"\x30\x80" + kind + b"\xa0\x80\x30\x80\x02\x01\0"
    for bits in (32, 63, 64):
        size = (1 << bits) - 1
        yield broken(f"length-2-{bits}.der", b"\x30" + asn1.length(size) + kind)
        yield broken(f"recipients-length-2-{bits}.der", start + b"\x31" + asn1.length(size), "LimitError")
    yield broken("never-closed.der", start + b"\x31\x80" + HONEST)
    yield broken("nested-20000.der", b"\x30\x80" * 20_000 + _EOC * 20_000, "NotEnvelopeError")
    deep = b"\x24\x80" * 500 + b"\4\1x" + _EOC * 500
    yield envelope(
        "strings-in-strings.der", forged(ciphertext=deep, sealed_tag=0xA0), "LimitError", inspect="LimitError"
    )
    yield envelope("no-recipients.der", forged(b""), "NoMatchError")
    yield envelope("empty-recipient.der", forged(b"\x30\0"), "NoMatchError")
    yield envelope("recipient-twice.der", forged(HONEST * 2), TOLD)
    yield envelope("recipient-too-often.der", forged(HONEST * (MAX_TRIALS + 1)), "LimitError")
    twice = b"\x02\x01\0" + asn1.encode(asn1.SET, HONEST)
    yield broken("recipients-set-twice.der", forged(version=twice))
    yield envelope("version-missing.der", forged(version=b""), "MalformedError", inspect="MalformedError")
    yield envelope("cbc-honest.der", cbc(), TOLD)
    yield envelope("cbc-bad-padding.der", cbc(ciphertext=bytes(48)), ONE_FAILURE)
    yield envelope("cbc-not-whole-blocks.der", cbc(ciphertext=bytes(33)), ONE_FAILURE)
    rude = b"\r\n\0\x1b[2J"
    name = asn1.encode(0x30, asn1.encode(0x31, asn1.encode(0x30, bytes.fromhex("0603550403"), asn1.encode(0x0C, rude))))
    who = codec.recipient_identifier(IssuerAndSerialNumber(name, 1))
    info = asn1.encode(0x30, asn1.integer(0), who, oaep_identifier(_OAEP_SHA256), asn1.encode(4, seeds.oaep(KEY)))
    yield envelope("issuer-with-line-breaks.der", forged(info), "NoMatchError")


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    for some in (_damage, _algorithms, _transport, _agreement, _encapsulation, _secrets, _structures):
        yield from some()
