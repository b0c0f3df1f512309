"""What was revoked, by lists; what a responder says is in ``test_ocsp.py``."""

from __future__ import annotations

import os
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from smime_session import CredentialError, Issuer, TrustAnchors, load_certificates, new_identity
from smime_session.certificates.revocation import MAX_CRL_SIZE, Answer, load_crls
from tests.support.chains import Authority, renamed, root
from tests.support.making import DAY, NOW, key_usage, pem

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

NO_LIST = "may have been revoked: no revocation list of its issuer was given"
OTHER_LIST = (
    "may have been revoked: the revocation list is about other certificates, or of a kind that is not supported"
)
FOREIGN_LIST = "may have been revoked: its issuer did not sign the revocation list, or must not"


class Cast(NamedTuple):
    """A root, an issuer below it, and a user of each."""

    root: Authority
    issuing: Authority
    alice: x509.Certificate
    bob: x509.Certificate

    def verdict(
        self, certificate: x509.Certificate, *crls: x509.CertificateRevocationList, at: datetime = NOW
    ) -> tuple[str, str]:
        """Return word and reason of a verdict with revocation lists."""
        anchors = TrustAnchors([self.root.certificate], intermediates=[self.issuing.certificate], crls=crls)
        return anchors.check(certificate, at=at)[:2]


@pytest.fixture(scope="module")
def cast() -> Cast:
    """Alice's certificate is the root's, Bob's that of an issuer below it."""
    ca = root()
    issuing = ca.below(extensions=[(key_usage("key_cert_sign", "crl_sign"), True)])
    return Cast(ca, issuing, ca.issue(), issuing.issue("bob@example.org"))


def test_a_list_that_does_not_name_it_makes_it_trusted(cast: Cast) -> None:
    """The list of its issuer; that of the issuer's issuer need not be there."""
    assert cast.verdict(cast.alice, cast.root.crl(cast.root.issue()))[0] == "trusted"
    assert cast.verdict(cast.bob, cast.issuing.crl())[0] == "trusted"


def test_what_a_list_names_is_revoked(cast: Cast) -> None:
    """The verdict says since when, whichever of several lists says so."""
    revoked = ("revoked", "was revoked on 2026-02-27")
    assert cast.verdict(cast.alice, cast.root.crl(cast.alice)) == revoked
    assert cast.verdict(cast.alice, cast.root.crl(), cast.root.crl(cast.alice)) == revoked
    assert cast.verdict(cast.alice, cast.root.crl(cast.alice), cast.root.crl()) == revoked


def test_a_list_that_ended_still_revokes(cast: Cast) -> None:
    """But it does not say that something was not revoked."""
    old = cast.root.crl(cast.alice, start=NOW - 9 * DAY, end=NOW - 2 * DAY)
    assert cast.verdict(cast.alice, old)[0] == "revoked"
    other = cast.root.issue()
    assert cast.verdict(other, old) == (
        "untrusted",
        "may have been revoked: the revocation list ended on 2026-02-27",
    )
    assert cast.verdict(other, old, cast.root.crl())[0] == "trusted"


def test_a_list_of_the_future_says_nothing_yet(cast: Cast) -> None:
    """A few minutes are a clock's."""
    future = cast.root.crl(start=NOW + DAY, end=NOW + 9 * DAY)
    assert cast.verdict(cast.alice, future) == (
        "untrusted",
        "may have been revoked: the revocation list begins on 2026-03-02",
    )
    assert cast.verdict(cast.alice, cast.root.crl(start=NOW + DAY / 1440))[0] == "trusted"


def test_without_a_list_of_its_issuer_it_is_untrusted(cast: Cast) -> None:
    """Once lists are given, each certificate must be covered by one."""
    assert cast.verdict(cast.bob, cast.root.crl()) == ("untrusted", NO_LIST)
    assert cast.verdict(cast.alice, cast.issuing.crl()) == ("untrusted", NO_LIST)


def test_an_issuer_that_was_revoked_takes_all_with_it(cast: Cast) -> None:
    """The verdict names the issuer."""
    word, reason = cast.verdict(cast.bob, cast.root.crl(cast.issuing.certificate), cast.issuing.crl())
    assert word == "revoked"
    assert reason.startswith("has an issuer, Issuing CA (serial ")
    assert reason.endswith("), that was revoked on 2026-02-27")


def test_who_did_not_issue_it_does_not_revoke_it(cast: Cast) -> None:
    """An authority of the same name with another key signed the list."""
    assert cast.verdict(cast.alice, cast.root.crl(cast.alice, key=root().key)) == ("untrusted", FOREIGN_LIST)


def test_an_issuer_must_be_allowed_to_sign_lists() -> None:
    """Its key usage lacks cRLSign."""
    ca = root(extensions=[(key_usage("key_cert_sign"), True)])
    verdict = TrustAnchors([ca.certificate], crls=[ca.crl()]).check(ca.issue(), at=NOW)
    assert verdict[:2] == ("untrusted", FOREIGN_LIST)


def _scope(
    place: str | None = None, *, users: bool = False, authorities: bool = False, indirect: bool = False
) -> tuple[x509.ExtensionType, bool]:
    names = [x509.UniformResourceIdentifier(place)] if place else None
    scope = x509.IssuingDistributionPoint(
        full_name=names,
        relative_name=None,
        only_contains_user_certs=users,
        only_contains_ca_certs=authorities,
        only_some_reasons=None,
        indirect_crl=indirect,
        only_contains_attribute_certs=False,
    )
    return scope, True


def test_a_list_about_others_says_nothing(cast: Cast) -> None:
    """Lists about users or authorities alone, of another place, of other issuers, or of what has changed."""
    verdict = cast.verdict
    assert verdict(cast.alice, cast.root.crl(extensions=[_scope(users=True)]))[0] == "trusted"
    assert verdict(cast.alice, cast.root.crl(extensions=[_scope(authorities=True)])) == ("untrusted", OTHER_LIST)
    assert verdict(cast.alice, cast.root.crl(extensions=[_scope(indirect=True)])) == ("untrusted", OTHER_LIST)
    assert verdict(cast.alice, cast.root.crl(extensions=[(x509.DeltaCRLIndicator(1), True)])) == (
        "untrusted",
        OTHER_LIST,
    )
    assert verdict(cast.bob, cast.root.crl(extensions=[_scope(users=True)]), cast.issuing.crl())[0] == "trusted"
    indirect = cast.root.crl(cast.issuing.certificate, extensions=[_scope(indirect=True)])
    assert verdict(cast.bob, indirect, cast.issuing.crl())[0] == "trusted"
    authorities = cast.root.crl(cast.issuing.certificate, extensions=[_scope(authorities=True)])
    assert verdict(cast.bob, authorities, cast.issuing.crl())[0] == "revoked"


@pytest.mark.parametrize("extension", [_scope(authorities=True), (x509.DeltaCRLIndicator(1), True)])
def test_whatever_the_issuer_lists_is_revoked(cast: Cast, extension: tuple[x509.ExtensionType, bool]) -> None:
    """Even if the list is about others, or tells only what has changed, and a full one does not have it."""
    assert cast.verdict(cast.alice, cast.root.crl(cast.alice, extensions=[extension]), cast.root.crl())[0] == "revoked"


def test_what_was_taken_off_is_not_revoked(cast: Cast) -> None:
    """By a list of changes; that it was is no word about the time since."""
    builder = x509.CertificateRevocationListBuilder(cast.root.certificate.subject, NOW - DAY, NOW + DAY)
    taken_off = x509.CRLReason(x509.ReasonFlags.remove_from_crl)
    entry = x509.RevokedCertificateBuilder(cast.alice.serial_number, NOW).add_extension(taken_off, critical=False)
    builder = builder.add_revoked_certificate(entry.build()).add_extension(x509.DeltaCRLIndicator(1), critical=True)
    changes = builder.sign(cast.root.key, hashes.SHA256())
    assert cast.verdict(cast.alice, changes) == ("untrusted", OTHER_LIST)
    assert cast.verdict(cast.alice, changes, cast.root.crl())[0] == "trusted"


def test_a_list_of_one_place_is_about_the_certificates_that_name_it(cast: Cast) -> None:
    """Issuers of many certificates divide their lists (RFC 5280, 4.2.1.13 and 5.2.5)."""
    places = [x509.UniformResourceIdentifier(f"http://example.org/{number}.crl") for number in range(2)]
    points = x509.CRLDistributionPoints([x509.DistributionPoint([places[0]], None, None, None)])
    certificate = cast.root.issue(extensions=[(points, False)])
    lists = [cast.root.crl(extensions=[_scope(place.value)]) for place in places]
    assert cast.verdict(certificate, lists[0])[0] == "trusted"
    assert cast.verdict(certificate, lists[1]) == ("untrusted", OTHER_LIST)
    assert cast.verdict(certificate, lists[1], lists[0])[0] == "trusted"
    assert cast.verdict(cast.alice, lists[0]) == ("untrusted", OTHER_LIST)


def test_what_is_revoked_and_expired_is_revoked(cast: Cast) -> None:
    """The worse of the two is said."""
    expired = cast.root.issue(end=NOW - DAY)
    assert cast.verdict(expired, cast.root.crl(expired))[0] == "revoked"
    assert cast.verdict(expired, cast.root.crl())[0] == "expired"


class _Responder:
    """A responder that always gives the same answer, and counts."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[tuple[x509.Certificate, x509.Certificate, datetime]] = []

    def ask(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Answer:
        self.asked.append((certificate, issuer, at))
        return self.answer


@pytest.mark.parametrize(
    ("answer", "with_list", "word"),
    [
        (Answer(known=True), False, "trusted"),
        (Answer(revoked=True, reason="was revoked"), False, "revoked"),
        (Answer(reason="may have been revoked: silence"), False, "untrusted"),
        (Answer(reason="may have been revoked: silence"), True, "trusted"),
        (Answer(revoked=True, reason="was revoked"), True, "revoked"),
    ],
)
def test_a_responder_is_asked_beside_the_lists(cast: Cast, answer: Answer, with_list: bool, word: str) -> None:  # noqa: FBT001
    """Its word that something was revoked counts; where it is silent, a fresh list does."""
    responder = _Responder(answer)
    crls = [cast.root.crl()] if with_list else []
    anchors = TrustAnchors([cast.root.certificate], crls=crls, responder=responder)
    assert anchors.check(cast.alice, at=NOW).word == word
    assert responder.asked == [(cast.alice, cast.root.certificate, NOW)]


def test_others_go_on_while_a_responder_is_asked(cast: Cast) -> None:
    """A network takes its time; certificates are loaded in other threads meanwhile."""
    loaded: list[bool] = []

    class Slow(_Responder):
        def ask(self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime) -> Answer:
            thread = Thread(target=lambda: loaded.append(bool(load_certificates(pem(cast.bob)))))
            thread.start()
            thread.join(10)
            return super().ask(certificate, issuer, at)

    anchors = TrustAnchors([cast.root.certificate], responder=Slow(Answer(known=True)))
    assert anchors.check(cast.alice, at=NOW).trusted
    assert loaded == [True]


def test_the_responder_is_not_asked_what_a_list_says(cast: Cast) -> None:
    """About what is revoked by a list, or has no chain, no question is sent."""
    responder = _Responder(Answer(known=True))
    anchors = TrustAnchors([cast.root.certificate], crls=[cast.root.crl(cast.alice)], responder=responder)
    assert anchors.check(cast.alice, at=NOW).word == "revoked"
    assert anchors.check(root("Other").issue(), at=NOW).word == "untrusted"
    assert responder.asked == []


def test_a_certificate_that_is_trusted_for_itself_has_no_list(cast: Cast) -> None:
    """Its issuer is not known."""
    anchors = TrustAnchors([cast.alice], crls=[cast.root.crl(cast.alice)])
    assert anchors.check(cast.alice, at=NOW).word == "trusted"


def test_lists_come_from_files(cast: Cast, tmp_path: Path) -> None:
    """PEM, one or several, or DER."""
    one, other = cast.root.crl(), cast.issuing.crl()
    (tmp_path / "one.der").write_bytes(one.public_bytes(Encoding.DER))
    (tmp_path / "both.pem").write_bytes(one.public_bytes(Encoding.PEM) + other.public_bytes(Encoding.PEM))
    assert load_crls(tmp_path / "one.der") == [one]
    assert load_crls(str(tmp_path / "both.pem")) == [one, other]
    (tmp_path / "root.pem").write_bytes(pem(cast.root.certificate))
    anchors = TrustAnchors.load(tmp_path / "root.pem", crls=[tmp_path / "both.pem"])
    assert anchors.check(cast.bob, [cast.issuing.certificate], NOW).trusted


def test_a_file_without_lists_is_an_error(cast: Cast, tmp_path: Path) -> None:
    """Another kind of file, a list that is cut off, one that is too large."""
    (tmp_path / "root.pem").write_bytes(pem(cast.root.certificate))
    with pytest.raises(CredentialError, match=r"root\.pem: this is a certificate, not a revocation list"):
        load_crls(tmp_path / "root.pem")
    whole = cast.root.crl().public_bytes(Encoding.PEM)
    (tmp_path / "cut.pem").write_bytes(whole[:200] + whole[300:])
    with pytest.raises(CredentialError, match=r"cut\.pem: .*broken|not a revocation list"):
        load_crls(tmp_path / "cut.pem")
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", MAX_CRL_SIZE + 1)
    with pytest.raises(
        CredentialError, match="large: a file of more than 67,108,864 bytes is too large for revocation"
    ):
        load_crls(tmp_path / "large")


def test_a_name_that_the_library_does_not_read() -> None:
    """A T61String with Latin-1 in it, as old authorities wrote, names the same authority in a list."""
    ca = root("Roott")
    assert isinstance(ca.key, ec.EllipticCurvePrivateKey)
    change = (b"\x0c\x05Roott", b"\x14\x05R\xe4\xf6\xfct", ca.key)
    old, user = (x509.load_der_x509_certificate(renamed(each, *change)) for each in (ca.certificate, ca.issue()))
    for revoked, word in (((), "trusted"), ((user,), "revoked")):
        crl = x509.load_der_x509_crl(renamed(ca.crl(*revoked), *change))
        assert TrustAnchors([old], crls=[crl]).check(user, at=NOW).word == word
    assert TrustAnchors([old], crls=[root("Other").crl()]).check(user, at=NOW)[:2] == ("untrusted", NO_LIST)
    with pytest.raises(CredentialError, match="the name of the issuer cannot be read"):
        new_identity("bob@example.org", key_type="p256", issuer=Issuer(ca.key, old), at=NOW)
