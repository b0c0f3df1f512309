"""RSA key transport: the session key encrypted with the recipient's RSA key (RFC 5652, 6.2.1).

RSAES-OAEP (RFC 3560) and RSAES-PKCS1-v1_5 (RFC 3370, 4.2.1). The latter is the reason that nothing
here tells whether decrypting worked: an answer to that question, repeated a million times, is a
decryption (RFC 3218).
"""

from __future__ import annotations

from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, cast

from cryptography.hazmat.primitives import hashes, hmac  # hashlib would load a second OpenSSL
from cryptography.hazmat.primitives.asymmetric import rsa

from smime_session import algorithms
from smime_session.algorithms import RSAES_OAEP_OID, RSAES_PKCS1_V1_5_OID, KeyTransport, name_of
from smime_session.cms import asn1, codec
from smime_session.cms.key_transport import algorithm_from, algorithm_identifier, announced_transport
from smime_session.cms.values import AlgorithmIdentifier, RecipientIdentifier, WrappedKey
from smime_session.errors import LimitError, MalformedError, MessageError, RecipientError
from smime_session.keys.rsa_padding import encryption_padding
from smime_session.memory import erase
from smime_session.profiles import MAX_ENCRYPTED_KEY_SIZE, MAX_RSA_BITS, MIN_RSA_BITS
from smime_session.recipients.kind import KeyIdentity, KeyKind, KeyRecipient, KeyType, content_read, summary
from smime_session.session_key import Proof, SessionKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smime_session.certificates.certificate import AnyCertificate
    from smime_session.certificates.public_key import PublicKey
    from smime_session.keys.private_key import PrivateKey
    from smime_session.profiles import Profile
    from smime_session.recipients.client_rules import KeyRule, KeyTraits
    from smime_session.recipients.kind import Capabilities
    from smime_session.recipients.summary import RecipientSummary

TAG: Final = codec.KEY_TRANSPORT_TAG

_MAX_USUAL: Final = 512  # bytes before an encrypted key; real ones are under 200
_MIN_EXPONENT: Final = 3
_INSECURE_MIN_RSA_BITS: Final = 1024  # below, a key is a puzzle, whatever the caller says
_USUAL_EXPONENT: Final = bytes.fromhex("0203010001")  # 65537, which stands at the end of a public key


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
    """Encode what stands before the ``size`` bytes of an encrypted key, the same in every message to one recipient.

    Args:
        identifier: whose key, an encoded RecipientIdentifier.
        algorithm: how it encrypts.
        size: bytes of encrypted key that will follow.
    """
    version, after = asn1.integer(version_for(identifier)), _between(algorithm, size)
    header = b"\x30" + asn1.length(len(version) + len(identifier) + len(after) + size)
    return b"".join((header, version, identifier, after))


@cache  # for the certificates of a whole company, 20 us each
def _between(algorithm: KeyTransport, size: int) -> bytes:
    """Encode what stands between a recipient's identifier and the bytes of the encrypted key."""
    return codec.algorithm_identifier(algorithm_identifier(algorithm)) + b"\x04" + asn1.length(size)


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
    version, recipient, algorithm, encrypted_key = children
    version.expect(asn1.INTEGER)
    return Fields(
        codec.recipient_identifier_from(recipient), codec.algorithm_identifier_from(algorithm), encrypted_key.octets()
    )


def interpret(found: Fields) -> KeyTransRecipientInfo:
    """Give the fields of a KeyTransRecipientInfo their meaning.

    Raises:
        MalformedError: the parameters of its algorithm are broken.
        UnsupportedAlgorithmError: its algorithm is not supported.
        LimitError: its encrypted key is larger than any RSA key makes it.
    """
    if len(found.encrypted_key) > MAX_ENCRYPTED_KEY_SIZE:
        raise LimitError("the size of an encrypted key", MAX_ENCRYPTED_KEY_SIZE, "bytes")
    return KeyTransRecipientInfo(found.recipient, algorithm_from(found.algorithm), found.encrypted_key)


# --- who writes, and who reads -----------------------------------------------------------------


class KeyTransportRecipient(KeyRecipient):
    """An RSA key that session keys are encrypted for; what is the same for each message is encoded once.

    Args:
        public_key: the RSA key.
        identifier: how the envelope names its owner.
        algorithm: how to encrypt.
        reads: the content-encryption algorithms that its owner is known to read.
    """

    THREADS: ClassVar = 2
    """Threads with which wrapping for many becomes faster; that costs a third more of processor time."""

    __slots__ = ("_padding", "_prefix", "_public_key", "_version")

    def __init__(
        self,
        public_key: PublicKey,
        identifier: RecipientIdentifier,
        algorithm: KeyTransport,
        reads: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(identifier, reads)
        encoded = codec.recipient_identifier(identifier)
        self._public_key = public_key
        self._prefix = before_encrypted_key(encoded, algorithm, (public_key.bits + 7) // 8)
        self._version = version_for(encoded)
        self._padding = encryption_padding(algorithm)

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` with the RSA key.

        Raises:
            RecipientError: the RSA key is broken, or too small for the algorithm.
        """
        public_key = cast("rsa.RSAPublicKey", self._public_key.loaded())
        try:
            encrypted = public_key.encrypt(key.octets, self._padding)
        except ValueError as error:
            info = WrappedKey(self._prefix + bytes((self._public_key.bits + 7) // 8), self._version, 0)
            refusal = f"{self} has an RSA key that {decode(info).algorithm.name} cannot use: it is broken or too small"
            raise RecipientError((refusal,)) from error
        return WrappedKey(self._prefix + encrypted, self._version, len(key))


class KeyTransportIdentity(KeyIdentity[KeyTransRecipientInfo]):
    """An RSA private key; a bare one tries every recipient info whose encrypted key has its size."""

    def __init__(self, private_key: PrivateKey, certificate: AnyCertificate | None = None) -> None:
        super().__init__(private_key, certificate)
        self._size = (private_key.public_key.bits + 7) // 8
        self._rejection: hmac.HMAC | None = None  # a key that is locked is not asked for it before it is to decrypt

    def _info(self, wrapped: WrappedKey) -> KeyTransRecipientInfo | None:
        if wrapped.encoded[0] != TAG or not self._names.may_stand_in(wrapped.encoded):
            return None
        before, encrypted_key = wrapped.encoded[: -self._size], wrapped.encoded[-self._size :]
        if len(before) <= _MAX_USUAL and (usual := _usual(before, self._size)):
            return KeyTransRecipientInfo(*usual, encrypted_key) if self._names.include(usual[0]) else None
        found = fields(wrapped)
        if not self._names.include(found.recipient):
            return None
        if self._bare and len(found.encrypted_key) != self._size and not self._names.name(found.recipient):
            return None  # whatever its algorithm is: others may have one that is not supported
        return interpret(found)

    def _open(self, info: KeyTransRecipientInfo, size: int) -> SessionKey:
        """Decrypt, or make a decoy; it has nothing of what the library's own implicit rejection answers with."""
        if self._rejection is None:
            self._rejection = _rejection(self._private_key)
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


@lru_cache(maxsize=64)  # what a sender's program writes for a recipient; reading it twice is 4 % of a mail of 10 KB
def _usual(before: bytes, size: int) -> tuple[RecipientIdentifier, KeyTransport] | None:
    """Read what stands before an encrypted key of ``size`` bytes; None if it is not that, or cannot be used."""
    if not before.endswith(b"\x04" + asn1.length(size)):  # something stands after the key, as in BER
        return None
    try:
        found = decode(WrappedKey(before + bytes(size), 0, 0))
    except MessageError:
        return None
    return (found.recipient, found.algorithm) if len(found.encrypted_key) == size else None


def _rejection(private_key: PrivateKey) -> hmac.HMAC:
    """Return what makes decoys: the same ones wherever and whenever this private key is loaded."""
    secret = private_key.decoy_secret()
    try:
        return hmac.HMAC(secret, hashes.SHA512())
    finally:
        erase(secret)


# --- the kind ----------------------------------------------------------------------------------


class KeyTransportKind(KeyKind):
    """RSA key transport."""

    KEY_USAGE: ClassVar = "key_encipherment"

    def unfit(self, public_key: PublicKey, profile: Profile) -> str | None:
        """Say why ``profile`` must not use this RSA key, or None if it may (RFC 8551, 4.2)."""
        bits = public_key.bits
        least = _INSECURE_MIN_RSA_BITS if profile.insecure_key_size else MIN_RSA_BITS
        if bits < least:
            return f"has an RSA key of {bits} bits, under {least}"
        if bits > MAX_RSA_BITS:
            return f"has an RSA key of {bits} bits, over {MAX_RSA_BITS}"
        return None if _is_sound(public_key) else "has a broken RSA key"

    def recipient(
        self,
        public_key: PublicKey,
        identifier: RecipientIdentifier,
        profile: Profile,
        capabilities: Capabilities = (),
    ) -> KeyTransportRecipient:
        """Make an RSA recipient."""
        algorithm = profile.rsa or announced_transport(capabilities)
        return KeyTransportRecipient(public_key, identifier, algorithm, content_read(capabilities))

    def identity(
        self, private_key: PrivateKey, certificate: AnyCertificate | None, _others: Sequence[AnyCertificate] = ()
    ) -> KeyTransportIdentity:
        """Make an identity from an RSA private key."""
        return KeyTransportIdentity(private_key, certificate)

    def identifier(self, part: WrappedKey) -> RecipientIdentifier:
        """Return whose key it is."""
        return fields(part).recipient

    def summarize(self, wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
        """Describe a KeyTransRecipientInfo."""
        found = fields(wrapped)
        oid = found.algorithm.oid
        name, problem, parameters = name_of(oid) or oid, None, {}
        try:
            algorithm = algorithm_from(found.algorithm)
        except MessageError as error:
            problem = str(error)
        else:
            name = algorithm.name
            if algorithm.hash is not None:
                parameters = {"hash": algorithm.hash, "mgf": f"MGF1 with {algorithm.mgf_hash}"}
            if algorithm.label:
                parameters["label"] = algorithm.label.hex()
        return (
            summary(
                found.recipient,
                algorithm=name,
                algorithm_oid=oid,
                parameters=parameters,
                encrypted_key_size=len(found.encrypted_key),
                problem=problem,
            ),
        )

    def client_rules(self) -> Mapping[str, Sequence[KeyRule]]:
        """Return what mail programs open."""
        from smime_session.recipients.client_rules import KeyRule  # only messages that are inspected need it

        demanded = "S/MIME demands RSAES-PKCS1-v1_5 of its readers"
        pkcs1 = KeyRule(_is_pkcs1, "yes", demanded)
        by_serial = KeyRule(_is_pkcs1_by_serial, "yes", demanded)
        oaep = KeyRule(_is_oaep, "yes", "it opens RSAES-OAEP")
        return {
            "classic Outlook": (by_serial,),
            "new Outlook and Outlook on the web": (pkcs1,),
            "Apple Mail": (by_serial,),
            "Thunderbird": (pkcs1, oaep),
            "Gmail": (by_serial,),
            "Mutt and NeoMutt with OpenSSL": (pkcs1, oaep),
            "gpgsm": (pkcs1, KeyRule(_is_oaep, "no", "it does not know RSAES-OAEP")),
            "OpenSSL": (pkcs1, oaep),
        }

    def key_types(self) -> Mapping[str, KeyType]:
        """Return RSA keys of the usual sizes."""
        usage = frozenset({"digital_signature", "key_encipherment"})
        oaep = tuple(map(algorithm_identifier, algorithms.OAEP))
        return {
            f"rsa{bits}": KeyType(partial(rsa.generate_private_key, 65537, bits), usage, signs=True, capabilities=oaep)
            for bits in (2048, 3072, 4096)
        }


def _is_sound(public_key: PublicKey) -> bool:
    """Tell whether the numbers of an RSA key are odd, as they must be, without loading most keys."""
    if public_key.info.endswith(_USUAL_EXPONENT):
        return bool(public_key.info[-len(_USUAL_EXPONENT) - 1] % 2)
    numbers = cast("rsa.RSAPublicKey", public_key.loaded()).public_numbers()
    return bool(numbers.n % 2 and numbers.e % 2) and numbers.e >= _MIN_EXPONENT


def _is_pkcs1(key: KeyTraits) -> bool:
    return key.oid == RSAES_PKCS1_V1_5_OID


def _is_pkcs1_by_serial(key: KeyTraits) -> bool:
    return _is_pkcs1(key) and not key.by_key_identifier


def _is_oaep(key: KeyTraits) -> bool:
    return key.oid == RSAES_OAEP_OID


KIND: Final = KeyTransportKind()
