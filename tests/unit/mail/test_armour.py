"""What stands around a CMS object, kept for another."""

from __future__ import annotations

import binascii
from io import BytesIO

import pytest

from smime_session.mail.armour import Beginning, armour_of
from smime_session.mail.detection import open_message

OBJECT = bytes.fromhex("3080060b2a864886f70d010910011700") + bytes(100)


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"])
@pytest.mark.parametrize("start", [b"", b"From me Thu"])
def test_only_the_field_of_the_transfer_encoding_changes(start: bytes, eol: bytes) -> None:
    """Fields whose text holds that of another stay octet for octet."""
    field = b"Content-Transfer-Encoding: quoted-printable" + eol
    before = (start + eol if start else b"") + b"X-" + field + b"Content-Type: application/pkcs7-mime" + eol
    after = b"Subject: " + field.strip() + eol + eol
    mail = before + field + after + binascii.b2a_qp(OBJECT, istext=False)
    source = Beginning(mail)
    incoming = open_message(source.read_block)
    assert b"".join(iter(incoming.next_block, b"")) == OBJECT
    armour = armour_of(incoming, source.beginning)
    target = BytesIO()
    armour.around(target).finish()
    assert target.getvalue() == before + b"Content-Transfer-Encoding: base64" + eol + after
