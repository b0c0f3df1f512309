"""Senders who agree on a key with one of their own, and name the certificate that holds it (RFC 5652, 6.2.2).

The certificate comes with the recipient's private key, or in the message itself. Either way it lends its
public key to the agreement and is trusted with nothing: a message can hold any certificates, and
whether it opens says nothing about who sent it.
"""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.certificates.certificate import Certificate
from smime_session.cms import asn1
from smime_session.errors import LimitError, MalformedError
from smime_session.profiles import MAX_ORIGINATOR_CERTIFICATE_SIZE, MAX_ORIGINATOR_CERTIFICATES
from smime_session.recipients.curves import NAMED
from smime_session.recipients.naming import OwnNames

if TYPE_CHECKING:
    from collections.abc import Iterable

    from smime_session.certificates.certificate import AnyCertificate
    from smime_session.certificates.public_key import PublicKey
    from smime_session.cms.values import RecipientIdentifier


_ORIGINATOR_INFO: Final = 0xA0
_CERTIFICATES: Final = 0xA0
_REVOCATIONS: Final = 0xA1


class _Sender(NamedTuple):
    names: OwnNames
    public_key: PublicKey


class Senders:
    """The senders whose certificates are at hand; each is read once, when a message first names one.

    Args:
        certificates: those that came with the private key.
        info: the message's encoded OriginatorInfo, or None. It is not read for those whom they name.
    """

    def __init__(self, certificates: Iterable[AnyCertificate], info: bytes | None) -> None:
        self._certificates = certificates
        self._info = info

    def key_of(self, name: RecipientIdentifier) -> PublicKey | None:
        """Return the public key in the certificate that goes by ``name``, or None if it is not at hand.

        Raises:
            MalformedError: the message's OriginatorInfo is broken.
            LimitError: it holds too many certificates, or one that is too large.
        """
        return _key_of(name, self._known) or _key_of(name, self._carried)

    @cached_property
    def _known(self) -> tuple[_Sender, ...]:
        return _senders(self._certificates)

    @cached_property
    def _carried(self) -> tuple[_Sender, ...]:
        return () if self._info is None else _senders(_load(certificates_in(self._info)))


def _key_of(name: RecipientIdentifier, senders: Iterable[_Sender]) -> PublicKey | None:
    return next((sender.public_key for sender in senders if sender.names.include(name)), None)


def _load(certificates: Iterable[bytes]) -> list[Certificate]:
    """Load what can be loaded: a broken certificate names no sender, and hides no other."""
    found = []
    for octets in certificates:
        try:
            found.append(Certificate.load(octets))
        except ValueError:
            continue
    return found


def _senders(certificates: Iterable[AnyCertificate]) -> tuple[_Sender, ...]:
    """Return those who can agree on a key, by the names that their certificates give them."""
    found = []
    for each in certificates:
        certificate = Certificate.of(each)
        public_key = certificate.public_key
        if public_key is not None and public_key.kind in NAMED and public_key.is_readable:
            found.append(_Sender(OwnNames(public_key, certificate), public_key))
    return tuple(found)


def certificates_in(originator_info: bytes) -> list[bytes]:
    """Return the X.509 certificates in an encoded OriginatorInfo (RFC 5652, 6.1), undecoded; other kinds are left out.

    Raises:
        MalformedError: it is none, or broken.
        LimitError: the certificates are too many, or one is too large.
    """
    fields = list(islice(asn1.parse(originator_info).expect(_ORIGINATOR_INFO), 3))
    if [field.tag for field in fields] not in ([], [_CERTIFICATES], [_REVOCATIONS], [_CERTIFICATES, _REVOCATIONS]):
        raise MalformedError("the OriginatorInfo is malformed")
    if not fields or fields[0].tag != _CERTIFICATES:
        return []
    members = list(islice(fields[0], MAX_ORIGINATOR_CERTIFICATES + 1))
    if len(members) > MAX_ORIGINATOR_CERTIFICATES:
        raise LimitError("the number of the originator's certificates", MAX_ORIGINATOR_CERTIFICATES)
    found = [member for member in members if member.tag == asn1.SEQUENCE]
    if any(member.end - member.start > MAX_ORIGINATOR_CERTIFICATE_SIZE for member in found):
        raise LimitError("the size of a certificate of the originator", MAX_ORIGINATOR_CERTIFICATE_SIZE, "bytes")
    return [member.encoded for member in found]
