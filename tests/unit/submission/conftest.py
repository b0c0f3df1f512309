"""Authorities for servers that speak TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.mail_server import make_authorities

if TYPE_CHECKING:
    from tests.support.mail_server import Authorities


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> Authorities:
    """A root that is trusted, and what it issues."""
    return make_authorities(tmp_path_factory.mktemp("tls"))
