"""Password: the session key encrypted with a key that is made of a password (RFC 5652, 6.2.4).

PBKDF2 (RFC 8018) makes the key, PWRI-KEK (RFC 3211) encrypts with it: twice in CBC mode, so that
every bit depends on every other, and with a short check value inside. Who sees the message can
try passwords as fast as PBKDF2 lets them; its iterations buy time, a long password buys more.
"""

from __future__ import annotations

import hmac
import os
import unicodedata
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple, NoReturn

from smime_session.algorithms import AES_256_CBC, PASSWORD_CIPHERS, PWRI_KEK_OID, name_of
from smime_session.arguments import wrong_kind
from smime_session.cms import asn1, codec
from smime_session.cms.pbkdf2 import Pbkdf2, pbkdf2_from, pbkdf2_identifier, required_parameters, too_many_iterations
from smime_session.cms.values import AlgorithmIdentifier, WrappedKey
from smime_session.errors import (
    CredentialError,
    LimitError,
    MalformedError,
    MessageError,
    UnsupportedAlgorithmError,
)
from smime_session.keys.passwords import PRF, SALT_SIZE, block_context, decrypt_blocks, derive
from smime_session.profiles import MAX_PBKDF2_ITERATIONS, MIN_PBKDF2_ITERATIONS, PBKDF2_ITERATIONS
from smime_session.recipients.client_rules import KeyRule, always
from smime_session.recipients.kind import Kind, KindIdentity
from smime_session.recipients.summary import RecipientSummary
from smime_session.session_key import Proof, SessionKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from smime_session.algorithms import ContentEncryption
    from smime_session.profiles import Policy

TAG: Final = codec.PASSWORD_TAG
VERSION: Final = 0  # RFC 5652, 6.2.4: always
MAX_WRAPPED_SIZE: Final = 272  # bytes: the count is one byte, so that no key exceeds 255 (RFC 3211, 2.3.1)

_CONTEXT_0_CONSTRUCTED: Final = 0xA0

_HEAD: Final = 4  # bytes before the session key: its size, and the complement of its first three
_MIN_BLOCKS: Final = 2  # RFC 3211, 2.3.1: one alone would be encrypted as itself


# --- the recipient info ------------------------------------------------------------------------


class PasswordRecipientInfo(NamedTuple):
    """A session key encrypted with a password.

    RFC 5652, 6.2.4; RFC 3211::

        PasswordRecipientInfo ::= SEQUENCE {
          version CMSVersion,   -- always set to 0
          keyDerivationAlgorithm [0] KeyDerivationAlgorithmIdentifier OPTIONAL,
          keyEncryptionAlgorithm KeyEncryptionAlgorithmIdentifier,
          encryptedKey EncryptedKey }

    Attributes:
        derivation: how the key-encryption key is made of the password.
        cipher: the block cipher underneath PWRI-KEK; its key is the key-encryption key.
        vector: that cipher's initialisation vector.
        encrypted_key: the result, whole blocks.
    """

    derivation: Pbkdf2
    cipher: ContentEncryption
    vector: bytes
    encrypted_key: bytes


class Fields(NamedTuple):
    """The same as it stands, whatever its algorithms are."""

    derivation: AlgorithmIdentifier
    algorithm: AlgorithmIdentifier
    encrypted_key: bytes


def encode(info: PasswordRecipientInfo, key_size: int = 0) -> WrappedKey:
    """Encode a PasswordRecipientInfo that holds a session key of ``key_size`` bytes."""
    derivation = pbkdf2_identifier(info.derivation)
    cipher = AlgorithmIdentifier(info.cipher.oid, asn1.encode(asn1.OCTET_STRING, info.vector))
    wrap = AlgorithmIdentifier(PWRI_KEK_OID, codec.algorithm_identifier(cipher))
    encoded = asn1.encode(
        TAG,
        asn1.integer(VERSION),
        asn1.encode(_CONTEXT_0_CONSTRUCTED, asn1.parse(derivation).contents),
        codec.algorithm_identifier(wrap),
        asn1.encode(asn1.OCTET_STRING, info.encrypted_key),
    )
    return WrappedKey(encoded, VERSION, key_size)


def decode(wrapped: WrappedKey, limit: int = MAX_PBKDF2_ITERATIONS) -> PasswordRecipientInfo:
    """Decode a PasswordRecipientInfo.

    Args:
        wrapped: the recipient info.
        limit: iterations of PBKDF2 to accept.

    Raises:
        MalformedError: it is none, or broken.
        UnsupportedAlgorithmError: one of its algorithms is not supported.
        LimitError: it asks for more work.
    """
    return interpret(fields(wrapped), limit)


def fields(wrapped: WrappedKey) -> Fields:
    """Return a PasswordRecipientInfo's fields as they stand, whatever they are.

    Raises:
        MalformedError: it is none, or broken, or its key is not made of a password.
    """
    children = asn1.parse(wrapped.encoded, asn1.FEW_INNER_VALUES).expect(TAG).children()
    if len(children) == 3:  # noqa: PLR2004  # RFC 3211, 1.2.1: the key comes from a smart card or the like
        raise MalformedError("a PasswordRecipientInfo does not say how its key is made of a password")
    if len(children) != 4:  # noqa: PLR2004  # version, derivation, algorithm, encrypted key
        raise MalformedError("a PasswordRecipientInfo is malformed")
    version, implicit, algorithm, encrypted_key = children
    version.expect(asn1.INTEGER)
    derivation = asn1.encode(asn1.SEQUENCE, implicit.expect(_CONTEXT_0_CONSTRUCTED).contents)
    return Fields(
        codec.algorithm_identifier_from(asn1.parse(derivation)),
        codec.algorithm_identifier_from(algorithm),
        encrypted_key.octets(),
    )


def interpret(found: Fields, limit: int = MAX_PBKDF2_ITERATIONS) -> PasswordRecipientInfo:
    """Give the fields of a PasswordRecipientInfo their meaning.

    Raises:
        MalformedError: they are broken.
        UnsupportedAlgorithmError: one of its algorithms is not supported.
        LimitError: it asks for more than ``limit`` iterations of PBKDF2.
    """
    cipher, vector = _cipher_from(found.algorithm)
    size = len(found.encrypted_key)
    if not 2 * cipher.block_size <= size <= MAX_WRAPPED_SIZE or size % cipher.block_size:
        raise MalformedError(f"PWRI-KEK with {cipher.name} makes no encrypted key of {size} bytes")
    derivation = pbkdf2_from(found.derivation, cipher.key_size, cipher.name, limit)
    return PasswordRecipientInfo(derivation, cipher, vector, found.encrypted_key)


def _cipher_from(identifier: AlgorithmIdentifier) -> tuple[ContentEncryption, bytes]:
    """Return the block cipher underneath PWRI-KEK and its initialisation vector (RFC 3211, 2.2)."""
    if identifier.oid != PWRI_KEK_OID:
        raise UnsupportedAlgorithmError("key-encryption algorithm", identifier.oid, name_of(identifier.oid))
    inner = codec.algorithm_identifier_from(asn1.parse(required_parameters(identifier, "PWRI-KEK")))
    cipher = PASSWORD_CIPHERS.get(inner.oid)
    if cipher is None:
        raise UnsupportedAlgorithmError("cipher of PWRI-KEK", inner.oid, name_of(inner.oid))
    vector = asn1.parse(required_parameters(inner, cipher.name)).octets()
    if len(vector) != cipher.nonce_size:
        raise MalformedError(f"the initialisation vector of {cipher.name} has {len(vector)} bytes")
    return cipher, vector


# --- who writes, and who reads -----------------------------------------------------------------


class Password(KindIdentity[PasswordRecipientInfo]):
    """A password that both sides know: a recipient, and an identity of every message that has a password.

    Each message gets a salt of its own, and so a key of its own, which takes a tenth of a second.

    Args:
        password: text is brought into one form (NFC) and encoded as UTF-8, so that it is the same
            whatever it was typed on; bytes are taken as they are.
        iterations: of PBKDF2 in messages that are written. Fewer than the default are for passwords
            that are as random as a key.

    Raises:
        CredentialError: the password is empty or no text, or the iterations are too few or too many.
        TypeError: it is neither text nor bytes.
    """

    __slots__ = ("_iterations", "_limit", "_octets")

    def __init__(self, password: str | bytes | bytearray, *, iterations: int = PBKDF2_ITERATIONS) -> None:
        if not isinstance(password, str | bytes | bytearray):  # bytearray() makes zeros of a number
            raise wrong_kind("a password is text or bytes", password)
        self._octets = bytearray(_encoded(password) if isinstance(password, str) else password)
        self._iterations = iterations
        self._limit = MAX_PBKDF2_ITERATIONS  # for one message that is read
        if not self._octets:
            raise CredentialError("the password is empty")
        if not MIN_PBKDF2_ITERATIONS <= iterations <= MAX_PBKDF2_ITERATIONS:
            least, most = f"{MIN_PBKDF2_ITERATIONS:,}", f"{MAX_PBKDF2_ITERATIONS:,}"
            raise CredentialError(f"PBKDF2 takes {least} to {most} iterations here, not {iterations:,}")

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` with the password."""
        cipher = AES_256_CBC
        derivation = Pbkdf2(os.urandom(SALT_SIZE), self._iterations, PRF)
        vector = os.urandom(cipher.nonce_size)
        with derive(self._octets, derivation, cipher.key_size) as kek:
            encrypted = encrypt_key(key, kek, cipher, vector)
        return encode(PasswordRecipientInfo(derivation, cipher, vector, encrypted), len(key))

    def _infos(self, wrapped: Sequence[WrappedKey]) -> list[tuple[WrappedKey, PasswordRecipientInfo]]:
        """Decode whatever is encrypted with a password; which one, no recipient info says.

        Raises:
            MessageError: none of them can be used.
            LimitError: trying all of them is more work than any honest message is.
        """
        found, problems = _decoded(wrapped, self._limit)
        if problems and not found:
            raise problems[0]
        return found

    def with_policy(self, policy: Policy) -> Password:
        """Return the same password, for messages that may take more or less work."""
        same = object.__new__(type(self))
        same._octets, same._iterations = self._octets, self._iterations
        same._limit = policy.max_password_iterations
        return same

    def iterations_for(self, wrapped: WrappedKey) -> int:
        """Return how many iterations of PBKDF2 it takes to try the password on a recipient info of :meth:`matching`."""
        return decode(wrapped, self._limit).derivation.iterations

    def _open(self, info: PasswordRecipientInfo, size: int) -> SessionKey:
        with derive(self._octets, info.derivation, info.cipher.key_size) as kek:
            return decrypt_key(info, kek, size)

    def __str__(self) -> str:
        return "a password"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a password can be neither pickled nor copied")


def _encoded(password: str) -> bytes:
    try:
        return unicodedata.normalize("NFC", password).encode()
    except UnicodeEncodeError:
        raise CredentialError("the password is not valid text: it has half of a surrogate pair") from None


def _decoded(
    wrapped: Sequence[WrappedKey], limit: int
) -> tuple[list[tuple[WrappedKey, PasswordRecipientInfo]], list[MessageError]]:
    """Decode every recipient info with a password; return those that can be used, and what is wrong with others."""
    found: list[tuple[WrappedKey, PasswordRecipientInfo]] = []
    problems: list[MessageError] = []
    for candidate in wrapped:
        if candidate.encoded[0] == TAG:
            try:
                found.append((candidate, decode(candidate, limit)))
            except LimitError:
                problems.append(too_many_iterations(limit))
            except MessageError as error:
                problems.append(error)
    if sum(info.derivation.iterations for _, info in found) > limit:
        raise too_many_iterations(limit)
    return found, problems


def encrypt_key(key: SessionKey, kek: SessionKey, cipher: ContentEncryption, vector: bytes) -> bytes:
    """Encrypt a session key with PWRI-KEK (RFC 3211, 2.3.1)."""
    size = _HEAD + len(key)
    padding = max(-size % cipher.block_size, _MIN_BLOCKS * cipher.block_size - size)
    context = block_context(kek, cipher, vector, decrypt=False)
    with SessionKey(bytearray(os.urandom(size + padding))) as plain:
        plain.material[0] = len(key)
        plain.material[1:_HEAD] = _complement(key.material)
        plain.material[_HEAD:size] = key.material
        return context.update(context.update(plain.material))  # the second pass goes on where the first one ended


def decrypt_key(info: PasswordRecipientInfo, kek: SessionKey, size: int) -> SessionKey:
    """Decrypt a session key of ``size`` bytes with PWRI-KEK (RFC 3211, 2.3.2).

    If the key-encryption key does not fit, the answer is a decoy of that size, the same one each
    time, as a real key would be.
    """
    block = info.cipher.block_size
    before, last = info.encrypted_key[-2 * block : -block], info.encrypted_key[-block:]
    decoy = hmac.digest(kek.material, info.encrypted_key, "sha512")[:size]
    with (
        SessionKey(decrypt_blocks(kek, info.cipher, before, last)) as end,
        SessionKey(decrypt_blocks(kek, info.cipher, end.material, info.encrypted_key[:-block])) as start,
        SessionKey(start.material + end.material) as first_pass,
        SessionKey(decrypt_blocks(kek, info.cipher, info.vector, first_pass.material)) as opened,
    ):
        expected = bytes((size,)) + _complement(opened.material[_HEAD : 2 * _HEAD])
        fits = hmac.compare_digest(opened.material[:_HEAD], expected) and len(opened) >= _HEAD + size
        material = opened.material[_HEAD : _HEAD + size] if fits else bytearray(decoy)
        return SessionKey(material, proof=Proof.CHECKED if fits else Proof.REFUTED)


def _complement(key: bytearray) -> bytes:
    """Return the check value of a session key, which its first bytes make."""
    return bytes(octet ^ 0xFF for octet in key[: _HEAD - 1])


# --- the kind ----------------------------------------------------------------------------------


class PasswordKind(Kind):
    """Passwords that both sides know; no recipient info says which one it is for."""

    ANONYMOUS: ClassVar = True

    def legacy_algorithm(self, wrapped: WrappedKey) -> str | None:
        """Return the name of the cipher underneath PWRI-KEK if it is only read with ``insecure_legacy``."""
        cipher, _ = _cipher_from(fields(wrapped).algorithm)
        return cipher.name if cipher.legacy else None

    def check_limits(self, wrapped: Sequence[WrappedKey], policy: Policy) -> None:
        """Check that one password can be tried on all of ``wrapped``."""
        if len(wrapped) > policy.max_trials:
            raise LimitError("the number of passwords", policy.max_trials, option="max_trials")
        _decoded(wrapped, policy.max_password_iterations)

    def summarize(self, wrapped: WrappedKey) -> tuple[RecipientSummary, ...]:
        """Describe a PasswordRecipientInfo."""
        found = fields(wrapped)
        oid = found.algorithm.oid
        name, problem, parameters = name_of(oid) or oid, None, {}
        try:
            info = interpret(found)
        except MessageError as error:
            problem = str(error)
        else:
            name = f"PWRI-KEK with {info.cipher.name}"
            parameters = {
                "derivation": "PBKDF2",
                "prf": f"HMAC-{info.derivation.prf}",
                "iterations": str(info.derivation.iterations),
                "wrap": info.cipher.name,
            }
        return (
            RecipientSummary(
                algorithm=name,
                algorithm_oid=oid,
                parameters=parameters,
                encrypted_key_size=len(found.encrypted_key),
                problem=problem,
                post_quantum=True,
            ),
        )

    def client_rules(self) -> Mapping[str, Sequence[KeyRule]]:
        """Return what mail programs open."""
        opens = KeyRule(always, "yes", "it opens messages for passwords")
        none = KeyRule(always, "no", "it has no way to be given a message's password")
        return {"Mutt and NeoMutt with OpenSSL": (none,), "gpgsm": (opens,), "OpenSSL": (opens,)}


KIND: Final = PasswordKind()
