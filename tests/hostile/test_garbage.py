"""Megabytes that are nearly a mail: the answer comes soon, in little memory, and it is a refusal."""

from __future__ import annotations

import base64
import binascii
import io
import tracemalloc

import pytest

from smime_session import MessageError, encrypt_stream, inspect
from tests.support.damage import uuencoded
from tests.support.making import certificate

pytestmark = pytest.mark.timeout(60)  # each answers in a second here; what is not linear takes minutes

SIZE = 16 << 20
HEAD = b"From: a\r\nContent-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: base64\r\n"
CR_HEAD = HEAD.replace(b"\r\n", b"\r")
QUOTED_HEAD = HEAD.replace(b"base64", b"quoted-printable") + b"\r\n"


def _beginning() -> bytes:
    """Return how an envelope begins whose content has more octets than follow here."""
    target = io.BytesIO()
    encrypt_stream(io.BytesIO(bytes(2 * SIZE)), target, [certificate(usage="key_encipherment")], form="der")
    return target.getvalue()[:3015]


@pytest.fixture(scope="module")
def beginning() -> bytes:
    """How an envelope begins whose content has more octets than follow here."""
    return _beginning()


@pytest.mark.parametrize(
    ("head", "repeated"),
    [
        (HEAD + b"\r\n", b"=41"),
        (HEAD + b"\r\n", b"="),
        (HEAD + b"\r\n", b"=\n"),
        (HEAD + b"\r\n", b"AB!=%\xff A"),
        (HEAD + b"\r\n", b"> > > "),
        (HEAD + b"\r\n", b"MI"),
        (HEAD + b"\r\n", b"-A=4"),
        (HEAD, b"MIIBAgYJKoZIhvcNAQbDAAAAAAAAAAAAAAAAAAAAAA\n"),
        (HEAD, b"no field\n"),
        (QUOTED_HEAD, b"=4\n"),
        (CR_HEAD + b"\r", b"\r"),
        (CR_HEAD + b"\r", b"\r\r\n"),
        (b"From a 10:00\n" + HEAD + b"\r\n", b"\nFrom x\n"),
        (b"From a 10:00\n" + HEAD + b"\r\n", b"\nFrom " + b"1:" * 90 + b"\n"),
        (b"-----BEGIN CMS-----\n", b"-"),
        (b"-----BEGIN CMS-----\n", b"A-B\n"),
        (b"-----BEGIN CMS-----\n", b"-----END CM\n"),
        (b"1\n", b"To: x\n"),
    ],
)
def test_what_is_nearly_base64_is_refused_soon(beginning: bytes, head: bytes, repeated: bytes) -> None:
    """An envelope begins, and then comes what a lenient reader has to look at."""
    text = binascii.b2a_qp(beginning, istext=False) + b"\n" if head is QUOTED_HEAD else base64.encodebytes(beginning)
    _refused(head + text, repeated)


@pytest.mark.parametrize("repeated", [b"\n", b"M" + b"!" * 60 + b"\n", b"M!!!\n", b"#!!!!\n", b"`\n", b"!"])
def test_what_is_nearly_uuencode_is_refused_soon(beginning: bytes, repeated: bytes) -> None:
    """Lines that say little, much, or nothing."""
    text = uuencoded(beginning).partition(b"\r\n`")[0] + b"\r\n"
    _refused(HEAD + b"\r\n" + text, repeated)


def _refused(start: bytes, repeated: bytes) -> None:
    message = io.BytesIO(start + repeated * (SIZE // len(repeated)))
    tracemalloc.start()
    try:
        with pytest.raises(MessageError):
            inspect(message)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < SIZE
