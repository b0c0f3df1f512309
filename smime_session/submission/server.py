"""A submission server, as settings or options name it: a value, and nothing that is open."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

from smime_session import SubmissionError

if TYPE_CHECKING:
    import os

    from smime_session.submission.secrets import SecretSource

Security = Literal["starttls", "tls", "plaintext"]
"""How the connection is protected: TLS that is asked for (RFC 3207), TLS from the start (RFC 8314), or not."""

_TLS_PORT: Final = 465
_PORT: Final = 587
_ADDRESS: Final = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]+))(?::([0-9]{1,5}))?")
_LAST_PORT: Final = 65535


@dataclass(frozen=True, slots=True)
class Server:
    """A submission server (RFC 6409).

    Attributes:
        host: its name or address; its certificate must be for it.
        port: 587 if not given, and 465 for TLS from the start.
        security: ``starttls``, ``tls``, or ``plaintext``, which is for this machine alone; if not given, ``tls`` on
            port 465 and ``starttls`` otherwise.
        user: whom to log in as; None for no login.
        password: the password, or where it comes from.
        token: an OAuth 2.0 access token for XOAUTH2, or where it comes from, in place of a password.
        ca_file: PEM file with the roots that are trusted; None for those of the system.
        insecure_certificate: do not check the server's certificate at all.
        insecure_name: do not check whose certificate it is.
        timeout: seconds to wait for each answer. RFC 5321, 4.5.3.2 suggests minutes.

    Raises:
        SubmissionError: the values do not go together.
    """

    host: str
    port: int = 0
    security: Security | None = None
    user: str | None = None
    password: str | SecretSource | None = field(default=None, repr=False)
    token: str | SecretSource | None = field(default=None, repr=False)
    ca_file: str | os.PathLike[str] | None = None
    insecure_certificate: bool = False
    insecure_name: bool = False
    timeout: float = 120.0

    def __post_init__(self) -> None:
        if not self.host or re.search(r"[\x00-\x20\x7f]", self.host):
            raise SubmissionError(f"{self.host!r} is not the name of a server")
        if self.security not in (None, *get_args(Security)):
            raise SubmissionError(f"{self.security!r} is not one of {', '.join(get_args(Security))}")
        security = self.security or ("tls" if self.port == _TLS_PORT else "starttls")
        port = self.port or (_TLS_PORT if security == "tls" else _PORT)
        if not 0 < port <= _LAST_PORT:
            raise SubmissionError(f"{port} is not a port")
        if not self.timeout > 0:
            raise SubmissionError(f"{self.timeout} seconds are no time to wait")
        object.__setattr__(self, "security", security)
        object.__setattr__(self, "port", port)
        if security == "plaintext" and not self.is_loopback:
            raise SubmissionError(f"{self.host} is another machine, and plaintext is for this one alone")
        secrets = [each for each in (self.password, self.token) if each is not None]
        if len(secrets) > 1:
            raise SubmissionError("a password and a token exclude each other")
        if secrets and self.user is None:
            raise SubmissionError("a password or a token needs a user")
        if self.user is not None and not secrets:
            raise SubmissionError(f"nothing says what the password of {self.user} is")

    @classmethod
    def parse(cls, address: str) -> tuple[str, int]:
        """Divide ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT`` into host and port; 0 without a port.

        Raises:
            SubmissionError: it is none of these.
        """
        if not (match := _ADDRESS.fullmatch(address)) or int(match[3] or 1) not in range(1, _LAST_PORT + 1):
            raise SubmissionError(f"{address!r} is not HOST:PORT")
        return match[1] or match[2], int(match[3] or 0)

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, by its address or as ``localhost`` (RFC 6761, 6.3)."""
        if self.host.lower().rstrip(".") == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
