"""Encrypting and decrypting for programs with :mod:`asyncio`: each call runs in a thread, and the loop goes on.

The cryptography underneath lets other threads run meanwhile. With aiosmtplib::

    from smime_session import aio

    await aiosmtplib.send(await aio.encrypt(message, certificates), hostname="mail.example.com")
"""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import smime_session

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from email.message import EmailMessage, Message

    from smime_session import Addressed, CertificateSource

    M = TypeVar("M", EmailMessage, Message[Any, Any], bytes)

P = ParamSpec("P")
R = TypeVar("R")

__all__ = ["decrypt", "encrypt", "encrypt_by_address", "sign", "verify"]


def _in_thread(function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return what does the same in a thread, with the same arguments, result and errors."""

    @functools.wraps(function)
    async def run(*arguments: P.args, **options: P.kwargs) -> R:
        return await asyncio.to_thread(function, *arguments, **options)

    return run


async def encrypt_by_address(
    message: M,
    certificates: CertificateSource | Iterable[CertificateSource],
    **options: Any,  # noqa: ANN401  # the same
) -> list[Addressed[M]]:
    """Do as :func:`smime_session.encrypt_by_address` does, with the same options, and return all messages at once."""

    def run() -> list[Addressed[M]]:
        return list(smime_session.encrypt_by_address(message, certificates, **options))

    return await asyncio.to_thread(run)


encrypt = _in_thread(smime_session.encrypt)
decrypt = _in_thread(smime_session.decrypt)
sign = _in_thread(smime_session.sign)
verify = _in_thread(smime_session.verify)
