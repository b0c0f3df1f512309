"""Chains that ``openssl ca`` makes: what we say of them, and what ``openssl verify`` says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from smime_session import TrustAnchors
from tests.interop.peers.everyone import require
from tests.support.openssl_ca import CA, CERTIFIER, USER, Office, Party

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE: Final = Path(__file__).parents[2] / "docs/trust.md"
ONLY_EXAMPLE_ORG: Final = "nameConstraints=critical,permitted;email:example.org"
OTHER: Final = ("basicConstraints=critical,CA:FALSE", "subjectAltName=email:alice@example.com")


class Chain(NamedTuple):
    """A user's certificate, the issuers that came with it, and the roots."""

    user: Party
    others: tuple[Party, ...]
    roots: tuple[Party, ...]


def plain(office: Office) -> Chain:
    """A root, an issuer, a user."""
    root = office.root()
    issuer = office.issue("CA", root, CERTIFIER)
    return Chain(office.issue("Alice", issuer), (issuer,), (root,))


def _below(
    office: Office,
    *more: str,
    root: tuple[str, ...] = CERTIFIER,
    user: tuple[str, ...] = USER,
    subject: str | None = None,
) -> Chain:
    """Return the chain of a user below an issuer that says something more."""
    top = office.root(extensions=root)
    issuer = office.issue("CA", top, (*CERTIFIER, *more))
    return Chain(office.issue("Alice", issuer, user, subject=subject), (issuer,), (top,))


def path_length(office: Office) -> Chain:
    """An issuer that may have no other below it, and has one."""
    root = office.root()
    first = office.issue("First", root, (f"{CA},pathlen:0", *CERTIFIER[1:]))
    second = office.issue("Second", first, CERTIFIER)
    return Chain(office.issue("Alice", second), (first, second), (root,))


def path_length_root(office: Office) -> Chain:
    """A root that may have no issuer below it, and has one."""
    return _below(office, root=(f"{CA},pathlen:0", *CERTIFIER[1:]))


def constrained(office: Office) -> Chain:
    """An issuer for example.org, and an address there."""
    return _below(office, ONLY_EXAMPLE_ORG)


def constrained_other(office: Office) -> Chain:
    """An issuer for example.org, and an address elsewhere."""
    return _below(office, ONLY_EXAMPLE_ORG, user=OTHER)


def constrained_root(office: Office) -> Chain:
    """A root for example.org, and an address elsewhere."""
    return _below(office, root=(*CERTIFIER, ONLY_EXAMPLE_ORG), user=OTHER)


def constrained_subject(office: Office) -> Chain:
    """An issuer for example.org, and an address elsewhere that stands in the subject alone."""
    return _below(office, ONLY_EXAMPLE_ORG, user=USER[:1], subject="/CN=Alice/emailAddress=alice@example.com")


def constrained_beside(office: Office) -> Chain:
    """An issuer for example.org, an address there, and one elsewhere in the subject."""
    return _below(office, ONLY_EXAMPLE_ORG, subject="/CN=Alice/emailAddress=alice@example.com")


def constrained_directory(office: Office) -> Chain:
    """An issuer for some names in a directory, which is critical."""
    return _below(office, "nameConstraints=critical,permitted;dirName:names", "[names]", "CN=Alice")


def cross_signed(office: Office) -> Chain:
    """An issuer whose first certificate expired; its second is another root's."""
    root, second = office.root(), office.root("Second")
    old = office.issue("CA", root, CERTIFIER, days=(-30, -1))
    new = office.issue("CA", second, CERTIFIER, key=old.key_file)
    return Chain(office.issue("Alice", old), (old, new), (root, second))


def expired_issuer(office: Office) -> Chain:
    """An issuer whose only certificate expired."""
    root = office.root()
    old = office.issue("CA", root, CERTIFIER, days=(-30, -1))
    return Chain(office.issue("Alice", old), (old,), (root,))


def expired(office: Office) -> Chain:
    """A user's certificate that expired."""
    root = office.root()
    return Chain(office.issue("Alice", root, days=(-30, -1)), (), (root,))


def sha1(office: Office) -> Chain:
    """An issuer that signs with SHA-1."""
    root = office.root(key=office.key("RSA", "rsa_keygen_bits:2048"))
    return Chain(office.issue("Alice", root, digest="sha1"), (), (root,))


def rsa1024(office: Office) -> Chain:
    """An issuer with a short key."""
    root = office.root()
    issuer = office.issue("CA", root, CERTIFIER, key=office.key("RSA", "rsa_keygen_bits:1024"))
    return Chain(office.issue("Alice", issuer), (issuer,), (root,))


def rsa_pss(office: Office) -> Chain:
    """An issuer whose key is for RSASSA-PSS alone."""
    root = office.root(key=office.key("RSA-PSS", "rsa_keygen_bits:2048"))
    return Chain(office.issue("Alice", root), (), (root,))


def signed_pss(office: Office) -> Chain:
    """An issuer with a usual RSA key that signs with RSASSA-PSS."""
    root = office.root(key=office.key("RSA", "rsa_keygen_bits:2048"))
    return Chain(office.issue("Alice", root, options=("rsa_padding_mode:pss", "rsa_pss_saltlen:digest")), (), (root,))


def critical_unknown(office: Office) -> Chain:
    """A user's certificate with a critical extension that is not known."""
    root = office.root()
    return Chain(office.issue("Alice", root, (*USER, "1.2.3.4=critical,ASN1:NULL")), (), (root,))


def critical_unknown_issuer(office: Office) -> Chain:
    """An issuer's certificate with a critical extension that is not known."""
    root = office.root()
    issuer = office.issue("CA", root, (*CERTIFIER, "1.2.3.4=critical,ASN1:NULL"))
    return Chain(office.issue("Alice", issuer), (issuer,), (root,))


def critical_policy(office: Office) -> Chain:
    """A user's certificate that says under which policy it was issued, as critical."""
    root = office.root()
    return Chain(office.issue("Alice", root, (*USER, "certificatePolicies=critical,1.2.3.4")), (), (root,))


def issuer_for_servers(office: Office) -> Chain:
    """An issuer of web servers."""
    return _below(office, "extendedKeyUsage=serverAuth")


def issuer_for_mail(office: Office) -> Chain:
    """An issuer for mail."""
    return _below(office, "extendedKeyUsage=emailProtection")


def user_for_servers(office: Office) -> Chain:
    """A certificate of a web server."""
    return _below(office, user=(*USER, "extendedKeyUsage=serverAuth"))


def issuer_that_must_not(office: Office) -> Chain:
    """An issuer whose key usage lacks keyCertSign."""
    root = office.root()
    issuer = office.issue("CA", root, (CA, "keyUsage=digitalSignature"))
    return Chain(office.issue("Alice", issuer), (issuer,), (root,))


def issuer_without_usage(office: Office) -> Chain:
    """A root that does not say what its key is for, as `openssl req -x509` makes one."""
    root = office.root(extensions=(CA,))
    return Chain(office.issue("Alice", root), (), (root,))


def root_without_extensions(office: Office) -> Chain:
    """A root without extensions, of version 1."""
    root = office.root(extensions=())
    return Chain(office.issue("Alice", root), (), (root,))


def user_as_issuer(office: Office) -> Chain:
    """A user who issues a certificate."""
    root = office.root()
    user = office.issue("Mallory", root)
    return Chain(office.issue("Alice", user), (user,), (root,))


def own_issuer(office: Office) -> Chain:
    """A certificate that its own key signed, and that is not trusted."""
    return Chain(office.issue("Alice"), (), (office.root(),))


def own_root(office: Office) -> Chain:
    """A certificate that its own key signed, and that is trusted."""
    user = office.issue("Alice")
    return Chain(user, (), (user,))


def issuer_as_root(office: Office) -> Chain:
    """An issuer that is trusted, and not its root."""
    issuer = office.issue("CA", office.root(), CERTIFIER)
    return Chain(office.issue("Alice", issuer), (), (issuer,))


def circle(office: Office) -> Chain:
    """Two issuers that issued each other, and no root."""
    one, other = office.root("One"), office.root("Other")
    two = (
        office.issue("One", other, CERTIFIER, key=one.key_file),
        office.issue("Other", one, CERTIFIER, key=other.key_file),
    )
    return Chain(office.issue("Alice", one), two, (office.root(),))


def hundred(office: Office) -> Chain:
    """A hundred issuers in a row."""
    row = [office.root()]
    for number in range(100):
        row.append(office.issue(f"CA {number}", row[-1], CERTIFIER, key=row[0].key_file))
    return Chain(office.issue("Alice", row[-1]), tuple(row[1:]), (row[0],))


def same_name(office: Office) -> Chain:
    """Two issuers of one name with keys of their own; the first is not the right one."""
    root = office.root()
    wrong, right = (office.issue("CA", root, CERTIFIER) for _ in range(2))
    return Chain(office.issue("Alice", right), (wrong, right), (root,))


def same_name_root(office: Office) -> Chain:
    """A root of the same name as the right one, and another key."""
    return Chain(office.issue("Alice", office.root()), (), (office.root(),))


def _signed_by(office: Office, key: Path, digest: str = "sha256") -> Chain:
    root = office.issue("Root", None, CERTIFIER, key=key, digest=digest)
    return Chain(office.issue("Alice", root, digest=digest), (), (root,))


def ed25519(office: Office) -> Chain:
    """A root with a key on Ed25519."""
    return _signed_by(office, office.key("ED25519"), "null")


def ed448(office: Office) -> Chain:
    """A root with a key on Ed448."""
    return _signed_by(office, office.key("ED448"), "null")


def brainpool(office: Office) -> Chain:
    """A root with a key on a curve of the ECC Brainpool."""
    return _signed_by(office, office.key("EC", "ec_paramgen_curve:brainpoolP256r1"))


CASES: Final[dict[Callable[[Office], Chain], tuple[str, bool]]] = {
    plain: ("trusted", True),
    path_length_root: ("untrusted", False),
    constrained_root: ("untrusted", False),
    path_length: ("untrusted", False),
    constrained: ("trusted", True),
    constrained_other: ("untrusted", False),
    constrained_subject: ("untrusted", False),
    constrained_beside: ("untrusted", False),
    constrained_directory: ("untrusted", True),
    cross_signed: ("trusted", True),
    expired_issuer: ("expired", False),
    expired: ("expired", False),
    sha1: ("untrusted", False),
    rsa1024: ("untrusted", False),
    signed_pss: ("trusted", True),
    rsa_pss: ("untrusted", True),
    critical_unknown: ("untrusted", False),
    critical_unknown_issuer: ("untrusted", False),
    critical_policy: ("untrusted", True),
    issuer_for_servers: ("untrusted", False),
    issuer_for_mail: ("trusted", True),
    user_for_servers: ("untrusted", False),
    issuer_that_must_not: ("untrusted", False),
    issuer_without_usage: ("trusted", True),
    root_without_extensions: ("untrusted", True),
    user_as_issuer: ("untrusted", False),
    own_issuer: ("untrusted", False),
    own_root: ("trusted", True),
    issuer_as_root: ("trusted", False),
    circle: ("untrusted", False),
    hundred: ("untrusted", True),
    same_name: ("trusted", True),
    same_name_root: ("untrusted", False),
    ed25519: ("untrusted", True),
    ed448: ("untrusted", True),
    brainpool: ("untrusted", True),
}
"""What we say of a chain, and whether OpenSSL accepts it at its usual level of security."""


def test_the_page_about_trust_says_so() -> None:
    """Its table has a row for each chain, with what we say and what OpenSSL says."""
    rows = dict(re.findall(r"^\| (.+?) \| (\w+ \| \w+) \|", PAGE.read_text(), re.MULTILINE))
    for case, (word, accepted) in CASES.items():
        assert case.__doc__
        assert rows[case.__doc__.removesuffix(".")] == f"{word} | {'accepts' if accepted else 'refuses'}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_chain(case: Callable[[Office], Chain], tmp_path: Path) -> None:
    """Each gets the verdict of ``docs/trust.md``, beside that of OpenSSL."""
    require("openssl")
    office = Office(tmp_path)
    chain = case(office)
    anchors = TrustAnchors([each.certificate for each in chain.roots])
    verdict = anchors.check(chain.user.certificate, [each.certificate for each in chain.others])
    words, accepted = CASES[case]
    assert verdict.word == words
    assert office.verifies(chain.user, chain.others, chain.roots, "-auth_level", "2") is accepted
