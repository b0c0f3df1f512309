"""Keys of three people, and authorities for servers that speak TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from smime_session import CertificateStore, load_certificates, new_identity
from tests.support.correspondents import Correspondents
from tests.support.mail_server import make_authorities

if TYPE_CHECKING:
    from tests.support.mail_server import Authorities


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    """A root that is trusted, and what it issues."""
    return make_authorities(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Correspondents:
    """Bob, Carol and Dave, with a store of their certificates."""
    made = {name: new_identity(f"{name}@example.org", key_type="p256") for name in ("bob", "carol", "dave")}
    store = CertificateStore(tmp_path_factory.mktemp("store"))
    store.add(certificate for each in made.values() for certificate in load_certificates(each.certificate_pem))
    return Correspondents(store, {name: each.private_key_pem + each.certificate_pem for name, each in made.items()})
