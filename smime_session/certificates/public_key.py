"""A public key as it stands in a certificate; the library's object is made of it when it is first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from smime_session.algorithms import (
    CURVES,
    EC_PUBLIC_KEY_OID,
    KEMS,
    RSAES_PKCS1_V1_5_OID,
    RSASSA_PSS_OID,
    X448,
    X25519,
    name_of,
)
from smime_session.certificates.quiet import quietly
from smime_session.cms import asn1
from smime_session.errors import CredentialError, MessageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

RSA: Final = "RSA"
"""The kind of an RSA key, whatever its algorithm keeps it for (RFC 4055, 1.2)."""

_BIT_STRING: Final = 0x03
_KINDS: Final = {
    RSAES_PKCS1_V1_5_OID: RSA,
    RSASSA_PSS_OID: RSA,
    **{curve.oid: curve.name for curve in (X25519, X448)},
    **{kem.oid: kem.name for kem in KEMS.values()},
}
"""Kinds of key by their algorithm's object identifier; of others the library tells."""
_SIGNING: Final = ("DSA", "Ed25519", "Ed448", "MLDSA", "SLHDSA")


class PublicKey:
    """A public key: what it is, its octets, and the library's object for it.

    Two are equal if they are the same key, however each is encoded.

    Args:
        kind: see below.
        bits: see below.
        info: see below.
        octets: see below, if they are at hand.
        loaded: the library's object, if it is at hand.
        canonical: whether ``info`` is what the library would write of the key.

    Attributes:
        kind: ``RSA``, a curve's name (``P-256``, ``X25519``), ``ML-KEM-768``, or another algorithm's name;
            its object identifier if it has none.
        bits: the size of an RSA or DSA key's modulus; 0 for others, whose kind tells.
        info: the SubjectPublicKeyInfo in DER (RFC 5280, 4.1).
    """

    __slots__ = ("_canonical", "_loaded", "_octets", "bits", "info", "kind")

    def __init__(  # noqa: PLR0913  # what is at hand of it
        self,
        kind: str,
        bits: int,
        info: bytes,
        octets: bytes | None = None,
        *,
        loaded: PublicKeyTypes | None = None,
        canonical: bool = False,
    ) -> None:
        self.kind = kind
        self.bits = bits
        self.info = info
        self._octets = octets
        self._loaded = loaded
        self._canonical = info if canonical else None

    @classmethod
    def of(cls, key: PublicKeyTypes) -> PublicKey:
        """Describe one of the library's objects."""
        info = _encoded(key)
        oid, parameters, _ = _parts(info)
        kind = _kind(oid, parameters) or _kind_of(key)
        return cls(kind, _bits(kind, key), info, loaded=key, canonical=True)

    @classmethod
    def from_info(cls, info: bytes) -> PublicKey:
        """Describe an encoded SubjectPublicKeyInfo; whether its key is sound is seen when it is loaded.

        Raises:
            CredentialError: it is none.
        """
        try:
            oid, parameters, octets = _parts(info)
            kind = _kind(oid, parameters)
            if kind == RSA:
                modulus = asn1.parse(octets).expect(asn1.SEQUENCE).children()[0].expect(asn1.INTEGER).contents
                return cls(kind, int.from_bytes(modulus, "big").bit_length(), info)
        except (MessageError, ValueError, IndexError) as error:  # the latter two where something is missing
            raise CredentialError("the public key is broken") from error
        if kind:
            return cls(kind, 0, info)
        try:
            loaded = _load(info)
        except CredentialError:
            return cls(name_of(oid) or oid, 0, info)
        kind = _kind_of(loaded)
        return cls(kind, _bits(kind, loaded), info, loaded=loaded)

    @property
    def name(self) -> str:
        """Kind and size: ``RSA-3072``, ``P-256``, ``ML-KEM-768``."""
        return f"{self.kind}-{self.bits}" if self.bits else self.kind

    @property
    def algorithm(self) -> str:
        """The object identifier of its algorithm, dotted: that of all EC keys is the same."""
        return _parts(self.info)[0]

    @property
    def octets(self) -> bytes:
        """The key itself without its algorithm: an EC key's point, the numbers of an RSA key."""
        if self._octets is None:
            self._octets = _parts(self.info)[2]
        return self._octets

    @property
    def only_signs(self) -> bool:
        """Whether keys of this kind sign and do nothing else."""
        return self.kind.startswith(_SIGNING)

    def loaded(self) -> PublicKeyTypes:
        """Return the library's object: who has the certificates of all colleagues seldom writes to all of them.

        Raises:
            CredentialError: the key is broken, or of a kind that the library does not know.
        """
        if self._loaded is None:
            self._loaded = _load(self.info)
        return self._loaded

    @property
    def is_readable(self) -> bool:
        """Whether it can be loaded."""
        try:
            self.loaded()
        except CredentialError:
            return False
        return True

    @property
    def key_identifier(self) -> bytes:
        """The usual key identifier: SHA-1 of the key's octets (RFC 5280, 4.2.1.2, method 1)."""
        digest = hashes.Hash(hashes.SHA1())  # noqa: S303  # a name, not a proof
        digest.update(_parts(self.canonical)[2])
        return digest.finalize()

    def key_identifiers(self) -> frozenset[bytes]:
        """Return all identifiers that programs make of a key whose certificate states none.

        - SHA-1 of the key's octets, or the last 60 bits of it after the digit 4 (RFC 5280, 4.2.1.2, methods 1 and 2);
        - SHA-1 of the SubjectPublicKeyInfo, as Windows makes it;
        - the first 160 bits of SHA-256, SHA-384 or SHA-512 of the key's octets, and SHA-256 of the SubjectPublicKeyInfo
          (RFC 7093, 2, methods 1 to 4).
        """

        def digest(algorithm: hashes.HashAlgorithm, octets: bytes) -> bytes:
            made = hashes.Hash(algorithm)
            made.update(octets)
            return made.finalize()

        infos = {self.canonical, self.info}  # a certificate's own encoding is what other programs hash
        keys = {_parts(info)[2] for info in infos}
        usual = {digest(hashes.SHA1(), octets) for octets in keys}  # noqa: S303  # names, no proofs
        short = {bytes((0x40 | made[-8] & 0x0F,)) + made[-7:] for made in usual}
        longer = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
        cut = {digest(algorithm, octets)[:20] for algorithm in longer for octets in keys}
        whole = {digest(algorithm, info) for algorithm in (hashes.SHA1(), hashes.SHA256()) for info in infos}  # noqa: S303
        return frozenset(usual | short | cut | whole)

    @property
    def canonical(self) -> bytes:
        """The SubjectPublicKeyInfo as the library writes it: points in full, RSA keys for any use."""
        if self._canonical is None:
            try:
                self._canonical = _encoded(self.loaded())
            except CredentialError:
                self._canonical = self.info
        return self._canonical

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and (self.info == other.info or self.canonical == other.canonical)

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.name}>"


def _parts(info: bytes) -> tuple[str, asn1.Element | None, bytes]:
    """Return the algorithm's object identifier, its parameters and the key's octets of a SubjectPublicKeyInfo.

    Raises:
        MessageError: it is malformed.
        ValueError: something is missing.
    """
    algorithm, key = asn1.parse(info).expect(asn1.SEQUENCE).children()[:2]
    oid, *parameters = algorithm.expect(asn1.SEQUENCE).children()
    return oid.object_identifier(), parameters[0] if parameters else None, key.expect(_BIT_STRING).contents[1:]


def _kind(oid: str, parameters: asn1.Element | None) -> str | None:
    if oid != EC_PUBLIC_KEY_OID:
        return _KINDS.get(oid)
    named = parameters is not None and parameters.tag == asn1.OBJECT_IDENTIFIER
    curve = CURVES.get(parameters.object_identifier()) if parameters is not None and named else None
    return curve.name if curve else None


def _bits(kind: str, key: PublicKeyTypes) -> int:
    size: int = getattr(key, "key_size", 0) if kind in (RSA, "DSA") else 0
    return size


def _kind_of(key: PublicKeyTypes) -> str:
    """Name a kind that has no name here as the library does."""
    curve = getattr(key, "curve", None)
    return curve.name if curve else type(key).__name__.removesuffix("PublicKey")


@quietly()
def _load(info: bytes) -> PublicKeyTypes:
    try:
        return load_der_public_key(info)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CredentialError("the public key is broken, or of a kind that is not supported") from error


def _encoded(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
