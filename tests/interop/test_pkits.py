"""NIST's Public Key Interoperability Test Suite, which comes with the vectors of the cryptography library.

``pip install cryptography-vectors`` gives them; without them these tests are skipped. A file's name tells what a chain
is: ``ValidDNnameConstraintsTest1EE``. That of a policy tells nothing here, for policies are not asked for.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from smime_session import CredentialError, TrustAnchors, load_certificates, load_crls
from tests.interop.peers.everyone import report_missing

if TYPE_CHECKING:
    from smime_session.certificates.trust import Verdict

AT: Final = datetime(2020, 1, 1, tzinfo=UTC)
"""A moment at which those that are valid are."""

REFUSED: Final = {
    r"DSA": "an issuer with a DSA key",
    r"DN.*nameConstraints|URInameConstraints": "constraints on names in directories, and on addresses of the web",
    r"PolicyMapping|requireExplicitPolicy|inhibit(AnyPolicy|PolicyMapping)": "critical extensions about policies",
    r"GeneralizedTimenotBefore": "times of this century in the form of those after 2050",
    r"NameChaining|RolloverfromPrintable|UTF8StringCase": "names that are the same but for case, blanks or encoding",
    r"SelfIssued": "authorities that issued themselves another certificate",
    r"indirectCRL|cRLIssuer": "lists that another authority signs",
    r"SeparateCertificateandCRLKeys": "lists that another key of the same authority signs",
    r"distributionPointTest[457]": "lists that are named in relation to their authority",
    r"onlySomeReasons": "lists about some reasons",
    r"deltaCRLTest5": "a certificate that a list of changes took off",
}
"""What is refused although it is valid, by a part of the name."""


def _folder() -> Path:
    found = find_spec("cryptography_vectors")
    if found is None or found.origin is None:
        report_missing("PKITS", ["cryptography-vectors"])
    return Path(found.origin).parent / "x509/PKITS_data"


@cache
def _verdicts() -> dict[str, Verdict]:
    """Check the certificate of each user in the suite."""
    certificates, lists = {}, []
    for path in (_folder() / "certs").glob("*.crt"):
        try:
            (certificates[path.stem],) = load_certificates(path.read_bytes())
        except CredentialError:
            assert "DSAParameter" in path.stem  # a key without the parameters that its issuer has
    for path in (_folder() / "crls").glob("*.crl"):
        try:
            found = load_crls(path)
            assert TrustAnchors(certificates.values(), crls=found)
            lists += found
        except CredentialError:
            continue  # broken on purpose
    anchor = certificates.pop("TrustAnchorRootCertificate")
    issuers = [each for name, each in certificates.items() if not name.endswith("EE")]
    trust = TrustAnchors([anchor], intermediates=issuers, crls=lists)
    users = {name: each for name, each in certificates.items() if name.endswith("EE")}
    return {name: trust.check(each, at=AT) for name, each in users.items()}


def test_what_is_invalid_is_not_trusted() -> None:
    """Not a single one."""
    invalid = {name: verdict for name, verdict in _verdicts().items() if name.startswith("Invalid")}
    assert len(invalid) > 100
    assert [name for name, verdict in invalid.items() if verdict.trusted] == []


def test_what_was_revoked_or_expired_is_said_to_be() -> None:
    """The word fits what is wrong."""
    verdicts = _verdicts()
    for name, word in (
        ("InvalidRevokedCATest2EE", "revoked"),
        ("InvalidRevokedEETest3EE", "revoked"),
        ("InvaliddeltaCRLTest4EE", "revoked"),
        ("InvalidEEnotAfterDateTest6EE", "expired"),
        ("InvalidCAnotAfterDateTest5EE", "expired"),
        ("InvalidMissingCRLTest1EE", "untrusted"),
    ):
        assert verdicts[name].word == word, name


def test_what_is_valid_is_trusted_but_for_what_is_known() -> None:
    """Each kind of chain that is refused all the same is named above, and refused."""
    valid = {name: verdict.trusted for name, verdict in _verdicts().items() if name.startswith("Valid")}
    refused = [name for name, trusted in valid.items() if not trusted]
    assert [name for name in refused if not any(re.search(part, name) for part in REFUSED)] == []
    assert [part for part in REFUSED if not any(re.search(part, name) for name in refused)] == []
    assert sum(valid.values()) > 30
