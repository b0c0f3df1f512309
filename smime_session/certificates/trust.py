"""Whom to trust: chains of certificates to roots that the caller names, and what was revoked since.

Nothing is trusted but what the caller names. The chain is built and checked by the cryptography library
(RFC 5280, 6): validity, path length, name constraints, signatures that are still strong, and critical extensions.
What mail asks besides is asked here: that authorities and users may issue, and have, certificates for mail (RFC
8550, 4.4.4), that no address escapes a name constraint, and that nothing was revoked.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

from smime_session.arguments import check_certificate, check_several, moment
from smime_session.certificates.files import read_limited
from smime_session.certificates.load import load_certificates
from smime_session.certificates.names import (
    addresses_of,
    describe,
    extension_of,
    extensions_of,
    issuer_of,
    mailbox_of,
    same_mailbox,
    subject_of,
)
from smime_session.certificates.quiet import quietly
from smime_session.certificates.revocation import Revocation, load_crls
from smime_session.errors import CredentialError
from smime_session.text import excerpt

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from cryptography.x509.verification import Policy

    from smime_session.certificates.revocation import Responder

MAX_CHAIN_DEPTH: Final = 8  # issuers between a certificate and a root: chains of mail have one to three
MAX_OTHERS: Final = 1000  # certificates that came with one, among which its issuers are looked for
MAX_FILE_SIZE: Final = 64 << 20  # octets of a file of roots: those of an operating system have 250,000
_MAX_MOMENTS: Final = 16  # at which a chain is looked for that does not hold at the one that was asked for

Word = Literal["trusted", "untrusted", "expired", "revoked"]


class Verdict(NamedTuple):
    """What is to be thought of a certificate.

    Attributes:
        word: ``trusted``; ``revoked``; ``expired``, if a chain holds but for the validity of a certificate in it, which
            has ended or not begun; or ``untrusted``.
        reason: why, as a sentence that follows on "the certificate".
        chain: the certificate, its issuers and the root; empty if no chain was found.
    """

    word: Word
    reason: str
    chain: tuple[x509.Certificate, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether the word is ``trusted``."""
        return self.word == "trusted"


class TrustAnchors:
    """The roots that are trusted, and what is known of revoked certificates.

    Every certificate that is given as a root is one, even if another one issued it, and even if it is a user's, which
    is then trusted for itself.

    Args:
        roots: the certificates that are trusted; at least one.
        intermediates: certificates of issuers that are not trusted for themselves, to build chains with.
        crls: revocation lists. If there are any, or a responder, each certificate that is checked must be known
            not to be revoked; its issuers must be where a list covers them.
        responder: asks the issuer of a certificate whether it was revoked (OCSP); without one, lists alone count.

    Raises:
        CredentialError: there is no root.
        TypeError: an argument is of a kind that is not accepted.
    """

    def __init__(
        self,
        roots: Iterable[x509.Certificate],
        *,
        intermediates: Iterable[x509.Certificate] = (),
        crls: Iterable[x509.CertificateRevocationList] = (),
        responder: Responder | None = None,
    ) -> None:
        check_several(roots, "roots")
        check_several(intermediates, "intermediate certificates")
        self._roots = tuple(dict.fromkeys(roots))
        for certificate in self._roots:
            check_certificate(certificate)
        self._intermediates = _by_subject(intermediates)
        if not self._roots:
            raise CredentialError("no certificate is trusted: there is no root")
        self._revocation = Revocation(crls, responder)
        self._store: Store | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what the library has built of the roots: it is built again."""
        return {**self.__dict__, "_store": None}

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        """The certificates that are trusted."""
        return self._roots

    @classmethod
    def load(
        cls,
        *roots: str | os.PathLike[str],
        crls: Iterable[str | os.PathLike[str]] = (),
        responder: Responder | None = None,
    ) -> TrustAnchors:
        """Load roots from files, and from folders with all that their files hold, and revocation lists from files.

        Raises:
            CredentialError: a file or a whole folder holds none, or what it holds is broken, or too large.
            OSError: a file cannot be read.
        """
        check_several(crls, "files of revocation lists")
        found = [certificate for path in roots for certificate in _roots_in(Path(path))]
        return cls(found, crls=[crl for path in crls for crl in load_crls(path)], responder=responder)

    def check(
        self,
        certificate: x509.Certificate,
        others: Iterable[x509.Certificate] = (),
        at: datetime | None = None,
        *,
        address: str | None = None,
        any_purpose: bool = False,
    ) -> Verdict:
        """Say whether a certificate is to be trusted.

        Whether its key is fit for a use is another question: of its key usage nothing is asked here.

        Args:
            certificate: the certificate of a user.
            others: certificates that came with it, among which its issuers may be.
            at: the moment, with its time zone; now if not given.
            address: the mail address that it must be for; None asks for none.
            any_purpose: whether its extended key usage may lack emailProtection.

        Raises:
            TypeError: an argument is of a kind that is not accepted.
        """
        check_certificate(certificate)
        check_several(others, "other certificates")
        at = moment(at)
        with quietly():
            problem, chain = self._built(certificate, others, at)
            problem = problem or _unfit(chain, address, any_purpose=any_purpose)
        if problem:
            return Verdict("untrusted", problem, chain)
        status = self._revocation.status(chain, at)  # it may wait for a network
        if status:
            return Verdict("revoked" if status.revoked else "untrusted", status.reason, chain)
        with quietly():
            outside = _outside_validity(chain, at)
            return Verdict("expired" if outside else "trusted", outside or _trusted(chain), chain)

    def _built(
        self, certificate: x509.Certificate, others: Iterable[x509.Certificate], at: datetime
    ) -> tuple[str, tuple[x509.Certificate, ...]]:
        """Return a chain that holds now, or but for its validity; or why there is none, and an empty one."""
        candidates = self._candidates(certificate, others)
        problem, chain = self._chain(certificate, candidates, at)
        for other_moment in () if chain else self._moments((certificate, *candidates, *self._roots), at):
            _, chain = self._chain(certificate, candidates, other_moment)
            if chain:
                return "", chain
        return problem, chain

    def _candidates(self, certificate: x509.Certificate, others: Iterable[x509.Certificate]) -> list[x509.Certificate]:
        """Return those of the other certificates that can be issuers of one, by their names."""
        given = _by_subject(islice(others, MAX_OTHERS))
        found: dict[x509.Certificate, None] = {}
        wanted, seen = [issuer_of(certificate)], set[bytes]()
        while wanted:
            name = wanted.pop()
            if name not in seen:
                seen.add(name)
                for issuer in (*self._intermediates.get(name, ()), *given.get(name, ())):
                    found[issuer] = None
                    wanted.append(issuer_of(issuer))
        found.pop(certificate, None)
        return list(found)

    def _chain(
        self, certificate: x509.Certificate, candidates: Sequence[x509.Certificate], at: datetime
    ) -> tuple[str, tuple[x509.Certificate, ...]]:
        """Return a chain that holds at a moment; or why there is none, and an empty one."""
        self._store = self._store or Store(list(self._roots))
        builder = PolicyBuilder().store(self._store).time(at).max_chain_depth(MAX_CHAIN_DEPTH)
        # server names and the purpose of a web client are nothing to mail: its own rules are in these two
        builder = builder.extension_policies(ca_policy=_authorities(), ee_policy=ExtensionPolicy.permit_all())
        try:
            return "", tuple(builder.build_client_verifier().verify(certificate, list(candidates)).chain)
        except VerificationError as error:
            return self._explained(certificate, candidates, str(error)), ()
        except (ValueError, TypeError):  # names or extensions that the library cannot read
            return "has a chain with something in it that cannot be read", ()

    def _explained(self, certificate: x509.Certificate, candidates: Sequence[x509.Certificate], problem: str) -> str:
        issuer = issuer_of(certificate)
        if extensions_of(certificate) is None:
            return "has an extension that cannot be read"
        if not any(subject_of(each) == issuer for each in (*candidates, *self._roots)):
            if issuer == subject_of(certificate):
                return "is its own issuer, and not among the roots that are trusted"
            return "has an issuer that is neither among the roots that are trusted nor among the certificates with it"
        return next((words for part, words in _PROBLEMS if part in problem), "has no chain to a trusted root")

    @staticmethod
    def _moments(certificates: Iterable[x509.Certificate], at: datetime) -> Iterator[datetime]:
        """Yield the moments next to one at which certificates were or will be valid that are not."""
        found: dict[datetime, None] = {}
        for each in certificates:
            if each.not_valid_after_utc < at:
                found[each.not_valid_after_utc] = None
            elif each.not_valid_before_utc > at:
                found[each.not_valid_before_utc] = None
        yield from sorted(found, key=lambda each: abs(each - at))[:_MAX_MOMENTS]


_PROBLEMS: Final = (
    ("X509v3", "has an issuer with a certificate of an old version"),
    ("unaccounted-for critical", "has a chain with a critical extension in it that is not supported"),
    ("path length", "has an issuer that must not have so many others below it"),
    ("unsupported", "has a chain with a kind of name constraint in it that is not supported"),
    ("name constraint", "has an issuer that must not issue for such names"),
    ("RSA key is too weak", "has an issuer with an RSA key under 2048 bits"),
    ("Forbidden public key", "has an issuer with a kind of key that is not supported in chains"),
    ("orbidden signature algorithm", "has a chain with a signature of an algorithm that is too weak or not supported"),
    ("CA:FALSE", "has an issuer that is no certificate authority"),
    ("basicConstraints", "has an issuer that is no certificate authority"),
    ("keyCertSign", "has an issuer that must not issue: its key usage lacks keyCertSign"),
    ("emailProtection", "has an issuer that is not for mail: its extended key usage lacks emailProtection"),
    ("max depth", f"has more than {MAX_CHAIN_DEPTH} issuers, or issuers in a circle"),
    ("check limit", "has too many issuers that could be meant"),
    ("not valid at", "has no chain to a trusted root in which all certificates are valid"),
    ("signature", "has an issuer whose key did not sign it, or another one in its chain"),
)
"""What the library's words say, by a part of them; the first that fits."""


def issuers_in(certificates: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """Return those of many certificates that say that they are an authority's, to build chains with."""
    return [
        each for each in certificates if (found := extension_of(each, x509.BasicConstraints)) is not None and found.ca
    ]


def _by_subject(certificates: Iterable[x509.Certificate]) -> dict[bytes, list[x509.Certificate]]:
    found: dict[bytes, list[x509.Certificate]] = {}
    for certificate in certificates:
        check_certificate(certificate)
        found.setdefault(subject_of(certificate), []).append(certificate)
    return found


def _authorities() -> ExtensionPolicy:
    """Return what is asked of the extensions of issuers.

    That a root says what its key is for is not asked (RFC 5280, 6.1.4), for programs that make one seldom write it.
    """
    policy = ExtensionPolicy.permit_all()
    policy = policy.require_present(x509.BasicConstraints, Criticality.AGNOSTIC, _is_authority)
    policy = policy.may_be_present(x509.KeyUsage, Criticality.AGNOSTIC, _may_issue)
    return policy.may_be_present(x509.ExtendedKeyUsage, Criticality.AGNOSTIC, _issues_for_mail)


def _is_authority(_: Policy, __: x509.Certificate, constraints: x509.BasicConstraints) -> None:
    if not constraints.ca:
        raise ValueError("CA:FALSE")


def _may_issue(_: Policy, __: x509.Certificate, usage: x509.KeyUsage | None) -> None:
    if usage is not None and not usage.key_cert_sign:
        raise ValueError("no keyCertSign")


def _issues_for_mail(_: Policy, __: x509.Certificate, purposes: x509.ExtendedKeyUsage | None) -> None:
    if not _for_mail(purposes):
        raise ValueError("no emailProtection")


def _for_mail(purposes: x509.ExtendedKeyUsage | None) -> bool:
    mail = {ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    return purposes is None or not mail.isdisjoint(purposes)


def _unfit(chain: Sequence[x509.Certificate], address: str | None, *, any_purpose: bool) -> str:
    """Return why the certificate at the beginning of a chain is not for mail, or an address; empty if it is."""
    certificate, *issuers = chain
    if not any_purpose and not _for_mail(extension_of(certificate, x509.ExtendedKeyUsage)):
        return "is not for mail: its extended key usage lacks emailProtection"
    addresses = addresses_of(certificate)
    if any(extension_of(issuer, x509.NameConstraints) for issuer in issuers):
        # the library holds constraints against these names alone (RFC 5280, 4.2.1.10; RFC 9598, 6)
        names = extension_of(certificate, x509.SubjectAlternativeName) or ()
        held = {mailbox_of(name.value) for name in names if isinstance(name, x509.RFC822Name)}
        if any(mailbox_of(each) not in held for each in addresses):
            return "has an address that its issuer's name constraints cannot be held against"
    if address is not None and not any(same_mailbox(address, each) for each in addresses):
        return f"is not for {excerpt(address)}"
    return ""


def _outside_validity(chain: Sequence[x509.Certificate], at: datetime) -> str | None:
    for certificate in chain:
        whose = "" if certificate is chain[0] else f"has an issuer, {describe(certificate)}, that "
        if at > certificate.not_valid_after_utc:
            return f"{whose}expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
        if at < certificate.not_valid_before_utc:
            return f"{whose}is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    return None


def _trusted(chain: Sequence[x509.Certificate]) -> str:
    if len(chain) == 1:
        return "is itself among the roots that are trusted"
    return f"has a chain to the trusted root {describe(chain[-1])}"


def _roots_in(path: Path) -> list[x509.Certificate]:
    """Load the certificates in a file, or in all files of a folder that hold some.

    Raises:
        CredentialError: there is none, or what there is is broken.
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return _certificates_in(path)
    found: list[x509.Certificate] = []
    for file in sorted(path.iterdir()):
        if file.is_file() and not file.name.startswith("."):
            try:
                found += _certificates_in(file)
            except CredentialError:  # another kind of file: it makes nothing trusted
                continue
    if not found:
        raise CredentialError(f"{path}: the folder holds no certificate")
    return found


def _certificates_in(path: Path) -> list[x509.Certificate]:
    data = read_limited(path, MAX_FILE_SIZE, "roots")
    try:
        return load_certificates(data)
    except CredentialError as error:
        raise CredentialError(f"{path}: {error}") from error
