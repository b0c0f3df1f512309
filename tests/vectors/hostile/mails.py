"""Mails whose parts, header fields or signatures say other things than they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from smime_session import Signer
from smime_session.algorithms import ENVELOPED_DATA
from smime_session.cms.signed import MAX_SIGNERS
from smime_session.keys.software import private_key
from tests.hostile.forge import TEXT
from tests.support.layers import multipart, part_of
from tests.support.signing import clear_mail, opaque_mail, signed_object, signer_info
from tests.vectors.hostile import seeds
from tests.vectors.hostile.envelopes import sealed
from tests.vectors.hostile.vector import TOLD, Vector

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

HEAD: Final = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Friday\r\nMIME-Version: 1.0\r\n"
INSIDE: Final = {"verify": "NotSignedError", "rewrap": "NotEnvelopeError", "session_key": "NotEnvelopeError"}
"""What becomes of mails with encrypted parts."""
LIMITED: Final = {
    **dict.fromkeys(("decrypt", "inspect", "verify"), "LimitError"),
    **dict.fromkeys(("rewrap", "session_key"), "NotEnvelopeError"),
}
"""What becomes of mails with too many parts."""
SIGNED: Final = b"Content-Type: text/plain\r\n\r\nAt eight\r\n"
OTHER: Final = b"Content-Type: text/plain\r\n\r\nAt nine, pay here\r\n"


def whole(entity: bytes, head: bytes = HEAD) -> bytes:
    """Return a mail that is an entity."""
    return head + entity


def part(entity: bytes) -> bytes:
    """Return an entity that holds another one, encrypted for Alice."""
    return part_of(sealed(entity), "authenveloped-data")


def read(name: str, octets: bytes, **expected: str) -> Vector:
    """Return a vector by what each operation makes of it: what is not given is told."""
    operations = ("decrypt", "inspect", "verify", "rewrap", "session_key")
    return Vector(name, octets, {each.replace("_", "-"): expected.get(each, TOLD) for each in operations})


def unread(name: str, octets: bytes, verify: str) -> Vector:
    """Return a vector of a mail that is not encrypted."""
    return read(
        name,
        octets,
        verify=verify,
        **dict.fromkeys(("decrypt", "inspect", "rewrap", "session_key"), "NotEnvelopeError"),
    )


def _boundaries() -> Iterator[Vector]:
    """Yield multiparts whose boundaries lie."""
    same = multipart(multipart(part(TEXT), OTHER, boundary=b"same"), boundary=b"same")
    yield read("same-boundary-inside.eml", whole(same), **INSIDE)
    endless = multipart(OTHER, part(TEXT)).partition(b"--mixed--")[0]
    yield read("multipart-without-end.eml", whole(endless), **INSIDE)
    cut = endless.rstrip()[:-40]
    yield read("multipart-cut-off.eml", whole(cut), decrypt="MalformedError", inspect="MalformedError", **INSIDE)
    yield unread(
        "multipart-without-boundary.eml", whole(multipart(OTHER).replace(b"; boundary=mixed", b"")), "NotSignedError"
    )
    inside = b"Content-Type: text/plain\r\n\r\n--outer--\r\n--outer\r\n" + OTHER
    yield read(
        "boundary-breaks-out.eml",
        whole(multipart(part(inside), boundary=b"outer")),
        decrypt="NotEnvelopeError",
        **INSIDE,
    )
    deep = part(TEXT)
    for level in range(40):
        deep = multipart(deep, boundary=b"level%d" % level)
    yield read("multipart-40-deep.eml", whole(deep), **LIMITED)
    many = multipart(*[OTHER] * 1_001)
    yield read("multipart-of-1001.eml", whole(many), **LIMITED)
    nested = part(TEXT)
    for _ in range(12):
        nested = part(nested)
    yield read("encrypted-13-times.eml", whole(nested), verify="NotSignedError")


def _fields() -> Iterator[Vector]:
    """Yield header fields that lie (RFC 9788)."""
    kind = b'Content-Type: text/plain; hp="cipher"\r\n'
    inner = HEAD.replace(b"Friday", b"Hidden") + kind
    end = b"\r\nAt eight\r\n"

    def mail(head: bytes, outer: bytes = HEAD.replace(b"Friday", b"[...]")) -> bytes:
        return outer + part(head + end)

    honest = b"HP-Outer: From: alice@example.org\r\nHP-Outer: To: bob@example.org\r\nHP-Outer: Subject: [...]\r\n"
    for name, fields in {
        "honest": honest,
        "lies": honest.replace(b"[...]", b"Monday"),
        "names-another-sender": honest.replace(b"alice@", b"mallory@"),
        "broken": b"HP-Outer: nothing\r\nHP-Outer:\r\nHP-Outer: : x\r\n",
        "with-line-breaks": honest.replace(b"[...]", b"a\r\n\tBcc: eve@example.org"),
        "thousand-times": b"HP-Outer: Subject: x\r\n" * 1000,
    }.items():
        yield read(f"hp-outer-{name}.eml", mail(inner + fields), verify="NotSignedError")
    rude = b"Subject: =?utf-8?q?Friday=0D=0ABcc:_eve@example.org?=\r\n"
    yield read(
        "hidden-subject-with-line-breaks.eml",
        mail(inner.replace(b"Subject: Hidden\r\n", rude) + honest),
        verify="NotSignedError",
    )
    bare = b"Subject: Friday\rBcc: eve@example.org\r\n"
    yield read(
        "hidden-subject-with-bare-cr.eml",
        mail(inner.replace(b"Subject: Hidden\r\n", bare) + honest),
        verify="NotSignedError",
    )
    zero = b"Subject: Fri\0day\r\n"
    yield read(
        "hidden-subject-with-nul.eml",
        mail(inner.replace(b"Subject: Hidden\r\n", zero) + honest),
        verify="NotSignedError",
    )
    yield read(
        "inner-from-of-another.eml", mail(inner.replace(b"alice@", b"mallory@") + honest), verify="NotSignedError"
    )


def _signatures() -> Iterator[Vector]:
    """Yield signed mails in which something else is shown than was signed, or signed by none."""
    alice = Signer(private_key=private_key(seeds.rsa_key()), certificate=seeds.alice())
    good = signer_info(alice, SIGNED)
    certificates = [seeds.alice()]
    clear = clear_mail(SIGNED, signed_object(None, [good], certificates), b"")
    yield unread("signed-honest.eml", HEAD + clear, TOLD)
    yield unread("signed-beside-unsigned.eml", whole(multipart(clear, OTHER)), "refused")
    yield unread("unsigned-beside-signed.eml", whole(multipart(OTHER, clear, kind=b"multipart/alternative")), "refused")
    related = multipart(OTHER, clear, kind=b"multipart/related", boundary=b"related")
    yield unread("signed-nested-out-of-sight.eml", whole(multipart(related, boundary=b"outside")), "refused")
    yield unread(
        "signed-as-attachment.eml",
        whole(multipart(OTHER, b"Content-Type: message/rfc822\r\n\r\n" + HEAD + clear)),
        "refused",
    )
    yield unread("signed-part-exchanged.eml", HEAD + clear.replace(b"At eight", b"At nine."), "refused")
    third = clear.replace(b"--b--", b"--b\n" + OTHER.replace(b"\r\n", b"\n") + b"\n--b--")
    yield unread("signed-with-third-part.eml", HEAD + third, "refused")
    changed: dict[str, dict[str, Any]] = {
        "content-type": {"content_type": ENVELOPED_DATA},
        "digest": {"message_digest": bytes(32)},
        "short-digest": {"message_digest": bytes(31)},
    }
    for name, changes in changed.items():
        info = signer_info(alice, SIGNED, changes=changes)
        yield unread(
            f"signed-attributes-name-another-{name}.eml",
            HEAD + clear_mail(SIGNED, signed_object(None, [info], certificates), b""),
            "refused",
        )
    none = signed_object(SIGNED, [], certificates)
    yield unread("signed-by-none.eml", opaque_mail(none, HEAD), "NotSignedError")
    yield unread(
        "signed-by-none-beside.eml",
        HEAD + clear_mail(SIGNED, signed_object(None, [], certificates), b""),
        "NotSignedError",
    )
    yield unread("signed-nothing.eml", opaque_mail(signed_object(None, [good], certificates), HEAD), "refused")
    yield unread(
        "signed-too-often.eml",
        opaque_mail(signed_object(SIGNED, [good] * (MAX_SIGNERS + 1), certificates), HEAD),
        "LimitError",
    )
    stranger = seeds.certificate(seeds.rsa_key("mallory").public_key(), "Alice")
    yield unread(
        "signed-certificate-exchanged.eml",
        HEAD + clear_mail(SIGNED, signed_object(None, [good], [stranger]), b""),
        "refused",
    )
    bits = seeds.octets("signature", 256)
    yield unread(
        "signature-random.eml",
        HEAD + clear_mail(SIGNED, signed_object(None, [good._replace(signature=bits)], certificates), b""),
        "refused",
    )


def vectors() -> Iterator[Vector]:
    """Yield all of them."""
    for some in (_boundaries, _fields, _signatures):
        yield from some()
