"""RSA key transport: the session key encrypted with the recipient's RSA key (RFC 5652, 6.2.1).

RSAES-OAEP (RFC 3560) and RSAES-PKCS1-v1_5 (RFC 3370, 4.2.1). The latter is the reason that nothing
here tells whether decrypting worked: an answer to that question, repeated a million times, is a
decryption (RFC 3218).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from cryptography.hazmat.primitives import hashes, hmac  # hashlib would load a second OpenSSL
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from smime_session import algorithms
from smime_session.algorithms import KeyTransport
from smime_session.cms import asn1, codec
from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier, WrappedKey
from smime_session.errors import (
    CredentialError,
    LimitError,
    MalformedError,
    MessageError,
    NoMatchError,
    RecipientError,
    UnsupportedAlgorithmError,
)
from smime_session.memory import erase
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE, MAX_RSA_BITS, MIN_RSA_BITS
from smime_session.recipients.naming import OwnNames
from smime_session.session_key import Proof, SessionKey

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from smime_session.algorithms import HashName
    from smime_session.certificates.reader import PlainCertificate
    from smime_session.keys.private_key import PrivateKey
    from smime_session.profiles import Profile
    from smime_session.recipients.registry import Certificate
    from smime_session.recipients.summary import RecipientSummary

TAG: Final = codec.KEY_TRANSPORT_TAG
KEY_USAGE: Final = "key_encipherment"
POST_QUANTUM: Final = False

_MIN_EXPONENT: Final = 3
_HASH_ROLE: Final = "hash function of RSAES-OAEP"
_INSECURE_MIN_RSA_BITS: Final = 1024  # below, a key is a puzzle, whatever the caller says

_HASHES: Final[dict[HashName, Callable[[], hashes.HashAlgorithm]]] = {
    "SHA-1": hashes.SHA1,
    "SHA-224": hashes.SHA224,
    "SHA-256": hashes.SHA256,
    "SHA-384": hashes.SHA384,
    "SHA-512": hashes.SHA512,
}


# --- the recipient info ------------------------------------------------------------------------


class KeyTransRecipientInfo(NamedTuple):
    """A session key encrypted with an RSA key.

    RFC 5652, 6.2.1::

        KeyTransRecipientInfo ::= SEQUENCE {
          version CMSVersion,  -- always set to 0 or 2
          rid RecipientIdentifier,
          keyEncryptionAlgorithm KeyEncryptionAlgorithmIdentifier,
          encryptedKey EncryptedKey }

    Attributes:
        recipient: whose key.
        algorithm: how.
        encrypted_key: the result, as long as the RSA modulus.
    """

    recipient: RecipientIdentifier
    algorithm: KeyTransport
    encrypted_key: bytes


class Fields(NamedTuple):
    """The same as it stands, whatever its algorithm is."""

    recipient: RecipientIdentifier
    algorithm: AlgorithmIdentifier
    encrypted_key: bytes


def encode(info: KeyTransRecipientInfo, key_size: int = 0) -> WrappedKey:
    """Encode a KeyTransRecipientInfo that holds a session key of ``key_size`` bytes."""
    identifier = codec.recipient_identifier(info.recipient)
    before = before_encrypted_key(identifier, info.algorithm, len(info.encrypted_key))
    return WrappedKey(before + info.encrypted_key, version_for(identifier), key_size)


def version_for(identifier: bytes) -> int:
    """Return the version that an encoded RecipientIdentifier asks for: 0 for issuer and serial number, else 2."""
    return 0 if identifier[0] == asn1.SEQUENCE else 2


def before_encrypted_key(identifier: bytes, algorithm: KeyTransport, size: int) -> bytes:
    """Encode what stands before the bytes of an encrypted key, the same in every message to one recipient.

    Args:
        identifier: whose key, an encoded RecipientIdentifier.
        algorithm: how it encrypts.
        size: bytes of encrypted key that will follow.
    """
    version, after = asn1.integer(version_for(identifier)), _between(algorithm, size)
    header = b"\x30" + asn1.length(len(version) + len(identifier) + len(after) + size)
    return b"".join((header, version, identifier, after))


@lru_cache(maxsize=64)
def _between(algorithm: KeyTransport, size: int) -> bytes:
    """Encode what stands between a recipient's identifier and the bytes of the encrypted key."""
    return codec.algorithm_identifier(algorithm_identifier(algorithm)) + b"\x04" + asn1.length(size)


def algorithm_identifier(algorithm: KeyTransport) -> AlgorithmIdentifier:
    """Describe how a session key is encrypted for an RSA key, defaults left out as DER wants (RFC 4055, 4.1)."""
    if algorithm.hash is None or algorithm.mgf_hash is None:
        return AlgorithmIdentifier(algorithm.oid, asn1.NULL)
    fields = []
    if algorithm.hash != "SHA-1":
        fields.append(asn1.encode(0xA0, codec.hash_identifier(algorithm.hash)))
    if algorithm.mgf_hash != "SHA-1":
        mgf = AlgorithmIdentifier(algorithms.MGF1_OID, codec.hash_identifier(algorithm.mgf_hash))
        fields.append(asn1.encode(0xA1, codec.algorithm_identifier(mgf)))
    if algorithm.label:
        source = AlgorithmIdentifier(algorithms.P_SPECIFIED_OID, asn1.encode(asn1.OCTET_STRING, algorithm.label))
        fields.append(asn1.encode(0xA2, codec.algorithm_identifier(source)))
    return AlgorithmIdentifier(algorithm.oid, asn1.encode(asn1.SEQUENCE, *fields))


def algorithm_from(identifier: AlgorithmIdentifier) -> KeyTransport:
    """Read how a session key was encrypted for an RSA key; parameters that are wrong are never guessed around.

    Raises:
        UnsupportedAlgorithmError: the algorithm, its hash function or its label source is not spoken here.
        MalformedError: its parameters are not as its RFC has them.
    """
    if identifier.oid == algorithms.RSAES_PKCS1_V1_5_OID:
        if identifier.parameters not in (None, asn1.NULL):  # RFC 3370, 4.2.1: NULL; some leave it out
            raise MalformedError("the parameters of RSAES-PKCS1-v1_5 are malformed")
        return algorithms.RSAES_PKCS1_V1_5
    if identifier.oid != algorithms.RSAES_OAEP_OID:
        raise UnsupportedAlgorithmError("key-encryption algorithm", identifier.oid, algorithms.name_of(identifier.oid))
    for known in algorithms.OAEP:
        if identifier.parameters == algorithm_identifier(known).parameters:
            return known
    if identifier.parameters is None:
        raise MalformedError("the parameters of RSAES-OAEP are absent")
    return _oaep_parameters(identifier.parameters)


def _oaep_parameters(encoded: bytes) -> KeyTransport:
    """Read RSAES-OAEP-params: three fields that are each left out where they have their default (RFC 4055, 4.1)."""
    fields: dict[int, AlgorithmIdentifier] = {}
    for child in asn1.parse(encoded).expect(asn1.SEQUENCE).children():
        wrapped = child.children()
        if child.tag not in (0xA0, 0xA1, 0xA2) or any(tag >= child.tag for tag in fields) or len(wrapped) != 1:
            raise MalformedError("the parameters of RSAES-OAEP are malformed")
        fields[child.tag] = codec.algorithm_identifier_from(wrapped[0])
    hash_name = mgf_name = algorithms.HASHES[algorithms.SHA1_OID]
    label = b""
    if digest := fields.get(0xA0):
        hash_name = codec.hash_from(digest, _HASH_ROLE)
    if mgf := fields.get(0xA1):
        if mgf.oid != algorithms.MGF1_OID:
            raise UnsupportedAlgorithmError("mask generation function of RSAES-OAEP", mgf.oid)
        mgf_name = codec.hash_from(codec.algorithm_identifier_from(asn1.parse(mgf.parameters or b"")), _HASH_ROLE)
    if source := fields.get(0xA2):
        if source.oid != algorithms.P_SPECIFIED_OID:
            raise UnsupportedAlgorithmError("label source of RSAES-OAEP", source.oid)
        label = asn1.parse(source.parameters or b"").octets()
    return KeyTransport(hash_name, mgf_name, label)


def decode(wrapped: WrappedKey) -> KeyTransRecipientInfo:
    """Decode a KeyTransRecipientInfo.

    Raises:
        MalformedError: it is none, or broken.
        UnsupportedAlgorithmError: its algorithm is not supported.
        LimitError: its encrypted key is larger than any RSA key makes it.
    """
    return interpret(fields(wrapped))


def fields(wrapped: WrappedKey) -> Fields:
    """Return a KeyTransRecipientInfo's fields as they stand.

    Raises:
        MalformedError: it is none, or broken.
    """
    children = asn1.parse(wrapped.encoded, asn1.FEW_INNER_VALUES).expect(TAG).children()
    if len(children) != 4:  # noqa: PLR2004  # version, recipient, algorithm, encrypted key
        raise MalformedError("a KeyTransRecipientInfo is malformed")
    _, recipient, algorithm, encrypted_key = children
    return Fields(
        codec.recipient_identifier_from(recipient),
        codec.algorithm_identifier_from(algorithm),
        encrypted_key.octets(),
    )


def interpret(found: Fields) -> KeyTransRecipientInfo:
    """Give the fields of a KeyTransRecipientInfo their meaning.

    Raises:
        MalformedError: the parameters of its algorithm are broken.
        UnsupportedAlgorithmError: its algorithm is not supported.
        LimitError: its encrypted key is larger than any RSA key makes it.
    """
    if len(found.encrypted_key) > MAX_ENCRYPTED_KEY_SIZE:
        raise LimitError("the size of an encrypted key", MAX_ENCRYPTED_KEY_SIZE, "octets")
    return KeyTransRecipientInfo(found.recipient, algorithm_from(found.algorithm), found.encrypted_key)


# --- the kind ----------------------------------------------------------------------------------


def accepts(public_key: object) -> bool:
    """Tell whether this is an RSA key."""
    return isinstance(public_key, rsa.RSAPublicKey)


def unfit(public_key: object, profile: Profile) -> str | None:
    """Say why ``profile`` must not use this RSA key, or None if it may (RFC 8551, 4.2)."""
    numbers = _rsa(public_key).public_numbers()
    bits = numbers.n.bit_length()
    least = _INSECURE_MIN_RSA_BITS if profile.insecure_key_size else MIN_RSA_BITS
    if bits < least:
        return f"has an RSA key of {bits} bits, under {least}"
    if bits > MAX_RSA_BITS:
        return f"has an RSA key of {bits} bits, over {MAX_RSA_BITS}"
    if not numbers.n % 2 or not numbers.e % 2 or numbers.e < _MIN_EXPONENT:
        return "has a broken RSA key"
    return None


def recipient(public_key: object, identifier: RecipientIdentifier, profile: Profile) -> KeyTransportRecipient:
    """Prepare an RSA recipient."""
    return KeyTransportRecipient(_rsa(public_key), identifier, profile.rsa)


def recipient_of(certificate: PlainCertificate, profile: Profile) -> KeyTransportRecipient | None:
    """Prepare an RSA recipient from octets, or return None if its key is unfit; the size is always a usual one."""
    modulus = certificate.material
    return KeyTransportRecipient(modulus, certificate.identifier, profile.rsa) if modulus[-1] % 2 else None


def identity(
    private_key: PrivateKey, certificate: Certificate | None, _others: Sequence[Certificate] = ()
) -> KeyTransportIdentity:
    """Make an identity from an RSA private key.

    Raises:
        CredentialError: it is none.
    """
    return KeyTransportIdentity(private_key, certificate)


def summarize(wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
    """Describe a KeyTransRecipientInfo.

    Raises:
        MalformedError: it is broken.
    """
    from smime_session.recipients.summary import RecipientSummary, identifier_fields

    recipient, identifier, encrypted_key = fields(wrapped)
    name, problem, parameters = algorithms.name_of(identifier.oid) or identifier.oid, None, {}
    try:
        algorithm = algorithm_from(identifier)
    except MessageError as error:
        problem = str(error)
    else:
        name = algorithm.name
        if algorithm.hash is not None:
            parameters = {"hash": algorithm.hash, "mgf": f"MGF1 with {algorithm.mgf_hash}"}
        if algorithm.label:
            parameters["label"] = algorithm.label.hex()
    return (
        RecipientSummary(
            technique="key transport",
            algorithm=name,
            algorithm_oid=identifier.oid,
            parameters=parameters,
            encrypted_key_size=len(encrypted_key),
            problem=problem,
            **identifier_fields(recipient),
        ),
    )


def legacy_algorithm(_wrapped: WrappedKey) -> None:
    """Nothing that is read here is left to ``insecure_legacy``."""


def _rsa(public_key: object) -> rsa.RSAPublicKey:
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise CredentialError("the public key is not an RSA key")
    return public_key


@lru_cache(maxsize=16)
def _padding(algorithm: KeyTransport) -> padding.AsymmetricPadding:
    if algorithm.hash is None or algorithm.mgf_hash is None:
        return padding.PKCS1v15()
    mgf = padding.MGF1(_HASHES[algorithm.mgf_hash]())
    return padding.OAEP(mgf, _HASHES[algorithm.hash](), algorithm.label or None)


class KeyTransportRecipient:
    """An RSA key that session keys are encrypted for; what is the same for each message is encoded once.

    Args:
        public_key: the RSA key; or, from a plain certificate, its modulus: the key is then made when it is
            first used, because who has the certificates of all colleagues seldom writes to all of them.
        identifier: how the envelope names its owner, perhaps encoded already.
        algorithm: how to encrypt.
    """

    THREADS: ClassVar = 2
    """Threads with which wrapping for many becomes faster; that costs a third more of processor time."""

    __slots__ = ("_padding", "_prefix", "_public_key", "_size", "_version")

    def __init__(
        self, public_key: rsa.RSAPublicKey | bytes, identifier: RecipientIdentifier | bytes, algorithm: KeyTransport
    ) -> None:
        encoded = identifier if isinstance(identifier, bytes) else codec.recipient_identifier(identifier)
        self._public_key = public_key
        self._size = len(public_key) if isinstance(public_key, bytes) else (public_key.key_size + 7) // 8
        self._prefix = before_encrypted_key(encoded, algorithm, self._size)
        self._version = version_for(encoded)
        self._padding = _padding(algorithm)

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` with the RSA key.

        Raises:
            RecipientError: the RSA key is broken, or too small for the algorithm.
        """
        try:
            encrypted = self._loaded_key().encrypt(key.octets, self._padding)
        except ValueError as error:
            raise RecipientError((self._refusal(),)) from error
        return WrappedKey(self._prefix + encrypted, self._version, len(key))

    def _loaded_key(self) -> rsa.RSAPublicKey:
        if isinstance(self._public_key, bytes):
            from smime_session.certificates.reader import EXPONENT  # loaded by whoever has the octets

            modulus = int.from_bytes(self._public_key, "big")
            self._public_key = rsa.RSAPublicNumbers(EXPONENT, modulus).public_key()
        return self._public_key

    def _refusal(self) -> str:
        (summary,) = summarize(WrappedKey(self._prefix + bytes(self._size), self._version, 0))
        return f"{summary.name} has an RSA key that {summary.algorithm} cannot use: it is broken or too small"


class KeyTransportIdentity:
    """An RSA private key, with or without the certificate that names its owner.

    With a certificate it answers to that certificate's issuer and serial number and to its key
    identifier. A bare key tries every recipient info whose encrypted key has its size.

    Args:
        private_key: the RSA key.
        certificate: its certificate, or None.

    Raises:
        CredentialError: the private key is no RSA key.
    """

    def __init__(self, private_key: PrivateKey, certificate: Certificate | None = None) -> None:
        if private_key.public_key.kind != "RSA":
            raise CredentialError("the private key is not an RSA key")
        self._private_key = private_key
        self._size = (private_key.public_key.bits + 7) // 8
        self._rejection = _rejection(private_key)
        self._names = OwnNames(private_key.public_key.loaded(), certificate)
        self._bare = certificate is None

    @property
    def names(self) -> OwnNames:
        """The names it goes by."""
        return self._names

    def matching(self, wrapped: Sequence[WrappedKey]) -> list[WrappedKey]:
        """Return those of ``wrapped`` that are addressed to this identity, judged by public fields alone.

        Raises:
            MessageError: one that may be is broken, or its algorithm is not spoken here.
        """
        return [candidate for candidate in wrapped if self._info(candidate)]

    def unwrap(self, wrapped: Sequence[WrappedKey]) -> SessionKey:
        """Return the session key from the first that is addressed to this identity, or a decoy (RFC 3218).

        Raises:
            NoMatchError: none of them is.
            MessageError: one that may be is broken, or its algorithm is not spoken here.
        """
        for candidate in wrapped:
            if info := self._info(candidate):
                return self._open(info, candidate.key_size)
        raise NoMatchError(identities=[str(self)])

    def _info(self, wrapped: WrappedKey) -> KeyTransRecipientInfo | None:
        """Decode a recipient info if it is for this identity."""
        if wrapped.encoded[0] != TAG or not self._names.may_stand_in(wrapped.encoded):
            return None
        found = fields(wrapped)
        if not self._names.include(found.recipient) or (self._bare and len(found.encrypted_key) != self._size):
            return None  # whatever its algorithm is: others may have one that is not supported
        return interpret(found)

    def _open(self, info: KeyTransRecipientInfo, size: int) -> SessionKey:
        """Decrypt, or make a decoy of the right size, so that what follows is the same either way.

        A decoy depends on the private key and the encrypted key alone: it stays the same when a message
        is sent twice, as a real key would. It has nothing of what the library's own implicit rejection
        answers a bad v1.5 padding with.
        """
        rejection = self._rejection.copy()
        rejection.update(info.encrypted_key)
        decoy = rejection.finalize()[:size]
        opened = self._private_key.decrypt(info.encrypted_key, info.algorithm) or b""
        fits = len(opened) == size
        key = SessionKey(bytearray(opened if fits else decoy), proof=self._proof(info, fits=fits))
        erase(opened)
        return key

    def _proof(self, info: KeyTransRecipientInfo, *, fits: bool) -> Proof:
        """Say what tells that a session key is the right one.

        RSAES-OAEP checks what it opens. With RSAES-PKCS1-v1_5 a decoy must pass for whatever the other keys of this
        recipient info pass for, or success would tell what nothing may tell; there only the name counts.
        """
        if info.algorithm.hash is not None:
            return Proof.CHECKED if fits else Proof.REFUTED
        return Proof.NAMED if self._names.name(info.recipient) else Proof.NONE

    def __str__(self) -> str:
        return self._names.describe(f"RSA-{self._private_key.public_key.bits} private key")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


def _rejection(private_key: PrivateKey) -> hmac.HMAC:
    """Return what makes decoys: the same ones wherever and whenever this private key is loaded."""
    secret = private_key.decoy_secret()
    try:
        return hmac.HMAC(secret, hashes.SHA512())
    finally:
        erase(secret)
