"""A kind of recipient of the tests' own, for keys of Ed25519; it protects nothing, since it encrypts with a public key.

This file and its row in the registry are all that the library and the command know of it.
"""

from __future__ import annotations

from hashlib import sha256
from hmac import digest
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from smime_session.algorithms import AES_256_WRAP
from smime_session.cms import asn1, codec
from smime_session.cms.values import RecipientIdentifier, WrappedKey
from smime_session.errors import LimitError, MalformedError
from smime_session.recipients.client_rules import KeyRule
from smime_session.recipients.key_wrap import check_size, unwrap
from smime_session.recipients.kind import KeyIdentity, KeyKind, KeyType
from smime_session.recipients.registry import Row, row_of
from smime_session.recipients.summary import RecipientSummary, identifier_fields
from smime_session.session_key import Proof, SessionKey

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smime_session.certificates.certificate import AnyCertificate
    from smime_session.certificates.public_key import PublicKey
    from smime_session.keys.private_key import PrivateKey
    from smime_session.profiles import Policy, Profile
    from smime_session.recipients.kind import Capabilities

OID: Final = "1.3.6.1.4.1.99999.1"
ROW: Final = Row("toy wrap", "tests.support.toy", codec.OTHER_TAG, OID, keys=("Ed25519",))
MOST: Final = 3  # recipient infos in one message


class ToyRecipientInfo(NamedTuple):
    """A session key encrypted with a hash of a public key.

    Its place in an OtherRecipientInfo::

        ToyRecipientInfo ::= SEQUENCE OF SEQUENCE { rid RecipientIdentifier, encryptedKey OCTET STRING }

    Attributes:
        recipient: whose key.
        encrypted_key: the result.
    """

    recipient: RecipientIdentifier
    encrypted_key: bytes


def encode(infos: Sequence[ToyRecipientInfo], key_size: int) -> WrappedKey:
    """Encode what some recipients get."""
    members = [
        asn1.encode(
            asn1.SEQUENCE,
            codec.recipient_identifier(info.recipient),
            asn1.encode(asn1.OCTET_STRING, info.encrypted_key),
        )
        for info in infos
    ]
    value = asn1.encode(asn1.SEQUENCE, *members)
    return WrappedKey(asn1.encode(codec.OTHER_TAG, asn1.object_identifier(OID), value), 0, key_size)


def decode(wrapped: WrappedKey) -> list[ToyRecipientInfo]:
    """Decode what some recipients get."""
    _, value = codec.other_recipient_info(wrapped.encoded)
    pairs = [member.expect(asn1.SEQUENCE).children() for member in value.expect(asn1.SEQUENCE)]
    if not all(len(pair) == 2 for pair in pairs):
        raise MalformedError("a ToyRecipientInfo is malformed")
    return [ToyRecipientInfo(codec.recipient_identifier_from(name), key.octets()) for name, key in pairs]


def _key_encryption_key(public_key: PublicKey) -> bytearray:
    return bytearray(sha256(public_key.octets).digest())


class ToyRecipient:
    """A public key that session keys are encrypted with."""

    group = "toy"

    def __init__(self, public_key: PublicKey, identifier: RecipientIdentifier) -> None:
        self.public_key = public_key
        self.identifier = identifier

    def wrap(self, key: SessionKey) -> WrappedKey:
        """Encrypt ``key``."""
        return self.wrap_together((self,), key)

    @staticmethod
    def wrap_together(recipients: Sequence[ToyRecipient], key: SessionKey) -> WrappedKey:
        """Encrypt ``key`` for each of the recipients."""
        infos = [
            ToyRecipientInfo(each.identifier, aes_key_wrap(_key_encryption_key(each.public_key), key.material))
            for each in recipients
        ]
        return encode(infos, len(key))


class ToyIdentity(KeyIdentity[ToyRecipientInfo]):
    """A private key, of which nothing but the public one is needed."""

    def _infos(self, wrapped: Sequence[WrappedKey]) -> Iterator[tuple[WrappedKey, ToyRecipientInfo]]:
        toys = [candidate for candidate in wrapped if row_of(candidate) == ROW]
        for part in (part for candidate in toys for part in KIND.split(candidate)):
            (info,) = decode(part)
            if self._names.include(info.recipient):
                check_size(info.encrypted_key, AES_256_WRAP)
                yield part, info

    def _open(self, info: ToyRecipientInfo, size: int) -> SessionKey:
        key = _key_encryption_key(self._private_key.public_key)
        opened = unwrap(AES_256_WRAP, key, info.encrypted_key, size)
        return opened or SessionKey(bytearray(digest(key, info.encrypted_key, "sha512")[:size]), proof=Proof.REFUTED)


class ToyKind(KeyKind):
    """The toy wrap."""

    KEY_USAGE: ClassVar = "key_encipherment"

    def unfit(self, public_key: PublicKey, profile: Profile) -> str | None:
        """Refuse profile compat, as ML-KEM does."""
        return None if profile.encapsulation else f"has a toy key ({public_key.kind})"

    def recipient(
        self,
        public_key: PublicKey,
        identifier: RecipientIdentifier,
        _profile: Profile,
        _capabilities: Capabilities = (),
    ) -> ToyRecipient:
        """Make a recipient."""
        return ToyRecipient(public_key, identifier)

    def identity(
        self, private_key: PrivateKey, certificate: AnyCertificate | None, _others: Sequence[AnyCertificate] = ()
    ) -> ToyIdentity:
        """Make an identity."""
        return ToyIdentity(private_key, certificate)

    def identifier(self, part: WrappedKey) -> RecipientIdentifier | None:
        """Return whose key it is."""
        infos = decode(part)
        return infos[0].recipient if len(infos) == 1 else None

    def split(self, wrapped: WrappedKey) -> Iterator[WrappedKey]:
        """Make a recipient info for each recipient."""
        return (encode([info], wrapped.key_size) for info in decode(wrapped))

    def join(self, parts: Sequence[WrappedKey]) -> WrappedKey:
        """Make one recipient info of them again."""
        return encode([info for part in parts for info in decode(part)], parts[0].key_size)

    def check_limits(self, wrapped: Sequence[WrappedKey], policy: Policy) -> None:
        """Check that they are few."""
        del policy
        if len(wrapped) > MOST:
            raise LimitError("the number of toys", MOST)

    def summarize(self, wrapped: WrappedKey) -> list[RecipientSummary]:
        """Describe each recipient."""
        return [
            RecipientSummary(
                algorithm="hash and wrap",
                algorithm_oid=OID,
                encrypted_key_size=len(info.encrypted_key),
                **identifier_fields(info.recipient),
            )
            for info in decode(wrapped)
        ]

    def client_rules(self) -> dict[str, tuple[KeyRule, ...]]:
        """Say that one program plays along."""
        return {"OpenSSL": (KeyRule(lambda key: not key.by_key_identifier, "yes", "it plays with toys"),)}

    def key_types(self) -> dict[str, KeyType]:
        """Return the one type of key."""
        return {"toy": KeyType(Ed25519PrivateKey.generate, frozenset({"key_encipherment"}), signs=False)}


KIND: Final = ToyKind()
