"""What targets are given in good faith: the vectors of the tests, and messages and files made on the spot."""

from __future__ import annotations

import base64
import binascii
import io
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)

from smime_session import COMPAT, MODERN, Password, PresharedKey, SessionKey, encrypt, encrypt_stream
from smime_session.algorithms import AES_256_CBC
from smime_session.mail.pem import PemWriter
from tests.support import locking
from tests.support.damage import uuencoded
from tests.vectors.hostile import envelopes, mails, seeds

if TYPE_CHECKING:
    from smime_session import Profile

VECTORS: Final = Path(__file__).parents[1] / "vectors"
LARGEST: Final = 3 << 10  # octets of a seed: small ones are changed where it matters, and run fast
SHARED: Final = PresharedKey(bytes(32), b"ours")
PASSPHRASE: Final = b"open sesame"
PASSWORD: Final = Password(PASSPHRASE, iterations=1000)

LETTER: Final = (
    b"From: =?utf-8?q?J=C3=B6rg?= <a@example.org>\r\nTo: Bob <b@example.org>\r\nBcc: c@example.org\r\n"
    b"Subject: Lunch\r\n at noon\r\nDate: Sat, 20 Feb 2021 10:13:02 -0500\r\nKeywords: urgent\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8; hp=clear\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"K=C3=A4se und=\r\n Brot\r\n"
)
PARTS: Final = (
    b'From: a@example.org\nSubject: parts\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="a b"\n\n'
    b"before\n--a b\nContent-Type: multipart/alternative; boundary=c\n\n--c\n\nplain\n--c\n"
    b"Content-Type: text/html; charset=utf-8; hp-legacy-display=1\n\n"
    b'<html><body><div class="header-protection-legacy-display"><pre>Subject: x</pre></div><p>y</p></body></html>\n'
    b"--c--\n--a b\nContent-Type: message/rfc822\n\nSubject: inner\nContent-Type: multipart/mixed; boundary=d\n\n"
    b"--d\nContent-Transfer-Encoding: base64\n\nSGVsbG8=\n--d--\n--a b--\nafter\n"
)
HTML: Final = LETTER.replace(b"text/plain", b"text/html").replace(b"Brot", b"<body>Brot</body>")


def vectors(pattern: str) -> list[bytes]:
    """Return the small ones of the committed vectors."""
    found = sorted(VECTORS.glob(pattern))
    return [path.read_bytes() for path in found if path.stat().st_size <= LARGEST]


@cache
def envelopes_made() -> tuple[bytes, ...]:
    """Return envelopes in DER and BER, with every kind of recipient that needs no certificate."""
    profiles: tuple[Profile, ...] = (MODERN, COMPAT)
    found = []
    for profile in profiles:
        target = io.BytesIO()
        encrypt_stream(io.BytesIO(LETTER), target, [SHARED, PASSWORD], profile=profile, form="der")
        found.append(target.getvalue())
    return (*found, envelopes.forged())


@cache
def encrypted_mails() -> tuple[bytes, ...]:
    """Return encrypted mails, with fields hidden and not."""
    made = [encrypt(each, [SHARED], headers="hcp_shy") for each in (LETTER, HTML, PARTS)]
    return (*made, encrypt(LETTER, [SHARED, PASSWORD], headers="none"))


@cache
def arrived() -> tuple[bytes, ...]:
    """Return one envelope in each form that it can arrive in."""
    octets = envelopes.forged()
    text = base64.encodebytes(octets)
    pem = io.BytesIO()
    writer = PemWriter(pem)
    writer.write(octets)
    writer.finish()
    head = b"From: a@example.org\nContent-Type: application/pkcs7-mime; name=smime.p7m\nContent-Transfer-Encoding: "
    return (
        *(octets, text, pem.getvalue(), uuencoded(octets), binascii.b2a_qp(text), b"\xef\xbb\xbf\r\n" + text),
        *(head + b"base64\n\n" + text, head + b"binary\n\n" + octets, head + b"x-uuencode\n\n" + uuencoded(octets)),
        head + b"quoted-printable\n\n" + binascii.b2a_qp(text),
        head + b"base64\n\n> " + text.replace(b"\n", b"\n> "),
        b"From a Thu Jan  1 00:00:00 1970\n" + head + b"7bit\n\n" + pem.getvalue(),
        (head + b"base64\n\n" + text).replace(b"\n", b"\r"),
    )


def signed_mails() -> list[bytes]:
    """Return signed mails, clear and opaque."""
    return vectors("hostile/mails/signed-*.eml")


@cache
def certificate_files() -> tuple[bytes, ...]:
    """Return certificates in every form."""
    people = [seeds.alice(), seeds.alice_on_curve().certificate]
    der = [each.public_bytes(Encoding.DER) for each in people]
    pem = [each.public_bytes(Encoding.PEM) for each in people]
    bags = [pkcs7.serialize_certificates(people, encoding) for encoding in (Encoding.DER, Encoding.PEM)]
    return (*der, b"".join(pem), *bags, *vectors("hostile/credentials/*.c*"))


@cache
def key_files() -> tuple[bytes, ...]:
    """Return private keys in every form, locked with :data:`PASSPHRASE` and not."""
    key, kem = seeds.ec_key(), seeds.kem_key()
    lock = BestAvailableEncryption(PASSPHRASE)
    quick = PrivateFormat.PKCS12.encryption_builder().kdf_rounds(1000).build(PASSPHRASE)
    info = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    bag = pkcs12.serialize_key_and_certificates(b"a", key, seeds.alice_on_curve().certificate, [seeds.alice()], quick)
    return (
        info,
        kem.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, lock),
        seeds.rsa_key().private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption()),
        *(
            locking.locked(info, PASSPHRASE),
            locking.pem_block("ENCRYPTED PRIVATE KEY", locking.locked(info, PASSPHRASE)),
        ),
        locking.locked(info, PASSPHRASE, AES_256_CBC, scrypt=True),
        bag,
        *vectors("hostile/credentials/*.key"),
    )


def password_infos() -> list[bytes]:
    """Return recipient infos for a password."""
    found = []
    for size in (16, 24, 32):
        with SessionKey.generate(size) as key:
            found.append(PASSWORD.wrap(key).encoded)
    return found


def mails_made() -> list[bytes]:
    """Return mails that nobody encrypted."""
    return [LETTER, PARTS, HTML, LETTER.replace(b"\r\n", b"\n"), b"\n\n", b"Subject: a\n", mails.HEAD + mails.SIGNED]
