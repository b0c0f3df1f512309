"""Rewrapping: who reads a message changes, the message does not."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smime_session
from smime_session import (
    COMPAT,
    MODERN,
    PQ,
    DecryptionError,
    Identity,
    MalformedError,
    NoMatchError,
    NotEnvelopeError,
    Password,
    Policy,
    PolicyError,
    PresharedKey,
    Profile,
    Recipient,
    RecipientError,
    decrypt,
    encrypt,
    inspect,
    rewrap,
    rewrap_stream,
)
from smime_session.algorithms import AES_128_CBC, AES_256_CBC, AES_256_GCM, CHACHA20_POLY1305, DES_EDE3_CBC
from smime_session.cms import codec, tlv
from smime_session.cms.envelope import EnvelopeReader
from smime_session.cms.structures import ContentParameters, EnvelopeHeader, EnvelopeTrailer
from smime_session.content import SLACK, sealed_size, sealer
from smime_session.mail.detection import open_message
from smime_session.mail.pem import encode_pem
from smime_session.mail.transfer import encode_base64
from smime_session.recipients import wrap_all
from smime_session.recipients.selection import Roster

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography import x509

    from smime_session.cms.structures import WrappedKey

MAIL: Final = b"From: a@example.org\r\nSubject: hello\r\nX-Odd:  kept \r\n\r\nGood morning\r\n"
KINDS: Final = {"rsa": "rsa3072", "ec": "p256", "other-ec": "p256", "x25519": "x25519", "ml-kem": "mlkem768"}
QUICK: Final = 1000  # iterations of PBKDF2, for tests


@dataclass(frozen=True)
class Reader:
    """Somebody who can be addressed and can read."""

    name: str
    recipient: Recipient | x509.Certificate
    identities: list[Identity] = field(repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate, of those who have one."""
        assert not hasattr(self.recipient, "wrap")
        return self.recipient


def _reader(name: str, kind: str) -> Reader:
    made = smime_session.new_identity(f"{name}@example.org", key_type=kind)
    certificate = smime_session.load_certificates(made.certificate_pem)[0]
    return Reader(name, certificate, smime_session.load_identities(made.private_key_pem + made.certificate_pem))


def _readers() -> dict[str, Reader]:
    people = {name: _reader(name, kind) for name, kind in KINDS.items()}
    password = Password("correct horse", iterations=QUICK)
    shared = PresharedKey(bytes(range(32)), b"ours")
    return {
        **people,
        "password": Reader("password", password, [password]),
        "shared": Reader("shared", shared, [shared]),
    }


READERS: Final = _readers()
RSA, EC, OTHER_EC, X25519, ML_KEM, PASSWORD, SHARED = READERS.values()


@dataclass(frozen=True)
class Sealed:
    """What must not change in a message, and what may."""

    header: EnvelopeHeader
    ciphertext: bytes
    trailer: EnvelopeTrailer
    indefinite: bool
    constructed: bool

    @property
    def unchanging(self) -> tuple[object, ...]:
        """Everything but the recipients and the version."""
        header = self.header
        outside = (header.content_type, header.inner_content_type, header.content_encryption, header.originator_info)
        return (*outside, self.ciphertext, self.trailer)

    @property
    def wrapped(self) -> set[bytes]:
        """The recipient infos."""
        return {wrapped.encoded for wrapped in self.header.wrapped_keys}


def parts_of(message: bytes) -> Sealed:
    """Take a message apart."""
    incoming = open_message(io.BytesIO(message).read)
    reader = EnvelopeReader(incoming.next_block, smime_session.DEFAULT)
    ciphertext = b"".join(bytes(piece) for piece in reader.ciphertext())
    trailer = reader.trailer()
    return Sealed(reader.header, ciphertext, trailer, reader.indefinite, reader.constructed)


def sealed_for(
    *readers: Reader, form: str = "mail", profile: Profile = MODERN, content: bytes = MAIL, pipe: bool = False
) -> bytes:
    """Return a message for some readers, in a form."""
    source, target = (_Pipe if pipe else io.BytesIO)(content), io.BytesIO()
    recipients = [reader.recipient for reader in readers]
    smime_session.encrypt_stream(source, target, recipients, profile=profile, form=form)  # type: ignore[arg-type]
    return target.getvalue()


class _Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def opens(message: bytes, reader: Reader) -> bool:
    """Tell whether a reader opens a message."""
    try:
        decrypt(message, reader.identities)
    except (NoMatchError, DecryptionError):
        return False
    return True


# --- adding and removing -----------------------------------------------------------------------


@pytest.mark.parametrize("profile", [MODERN, COMPAT], ids=lambda profile: profile.name)
@pytest.mark.parametrize("opener", READERS.values(), ids=READERS)
def test_every_technique_lets_every_other_in(opener: Reader, profile: Profile) -> None:
    """Whoever reads a message, with any kind of key, can add readers with keys of every other kind."""
    message = sealed_for(opener, profile=replace(profile, encapsulation=True))
    others = [reader for reader in READERS.values() if reader is not opener]
    wider = rewrap(message, opener.identities, add=[reader.recipient for reader in others])
    before, after = parts_of(message), parts_of(wider)
    assert after.unchanging == before.unchanging
    assert before.wrapped < after.wrapped
    assert all(opens(wider, reader) for reader in READERS.values())
    assert decrypt(wider, others[0].identities).message == decrypt(message, opener.identities).message


@pytest.mark.parametrize("leaving", READERS.values(), ids=READERS)
def test_one_of_all_kinds_is_removed_without_a_key(leaving: Reader) -> None:
    """Taking out a reader needs no identity; everybody else still reads, from unchanged recipient infos."""
    message = sealed_for(*READERS.values())
    who = {"password": "password", "shared": b"ours".hex()}.get(leaving.name) or leaving.certificate
    narrower = rewrap(message, remove=[who])
    before, after = parts_of(message), parts_of(narrower)
    assert after.unchanging == before.unchanging
    assert [name for name, reader in READERS.items() if not opens(narrower, reader)] == [leaving.name]
    if leaving not in (EC, OTHER_EC):
        assert after.wrapped < before.wrapped


def test_one_of_those_who_share_a_recipient_info_is_removed() -> None:
    """Of a recipient info for several, what all share and the parts of those who stay are kept octet for octet."""
    message = sealed_for(RSA, EC, OTHER_EC)
    (shared,) = [one for one in parts_of(message).header.wrapped_keys if one.encoded[0] == 0xA1]
    narrower = rewrap(message, remove=[EC.certificate])
    (alone,) = [one for one in parts_of(narrower).header.wrapped_keys if one.encoded[0] == 0xA1]
    *fields, members = tlv.parse(shared.encoded).children()
    *kept, (member,) = (tlv.parse(alone.encoded).children()[:-1], tlv.parse(alone.encoded).children()[-1].children())
    assert [each.encoded for each in kept[0]] == [each.encoded for each in fields]
    assert member.encoded in {each.encoded for each in members}
    assert opens(narrower, OTHER_EC)
    assert not opens(narrower, EC)


def test_somebody_is_replaced() -> None:
    """Naming somebody for removal and somebody else for adding replaces them, even the only one there is."""
    message = sealed_for(RSA)
    replaced = rewrap(message, RSA.identities, add=[EC.recipient], remove=[RSA.certificate])
    assert opens(replaced, EC)
    assert not opens(replaced, RSA)


def test_whoever_is_there_is_not_added_again() -> None:
    """A certificate or shared key that is addressed already stays as it was, however it is named, and is reported."""
    message = sealed_for(RSA, SHARED, profile=replace(MODERN, identifier="key-identifier"))
    target = io.BytesIO()
    done = rewrap_stream(io.BytesIO(message), target, RSA.identities, add=[RSA.recipient, SHARED.recipient])
    assert parts_of(target.getvalue()).wrapped == parts_of(message).wrapped
    assert (done.kept, done.added, len(done.present)) == (2, 0, 2)


def test_whoever_is_named_twice_is_added_once() -> None:
    """The same person as a certificate and as a prepared recipient gets one recipient info."""
    prepared = smime_session.recipient_for(X25519.certificate)
    wider = rewrap(sealed_for(RSA), RSA.identities, add=[X25519.recipient, prepared, X25519.recipient])
    assert len(inspect(wider).recipients) == 2
    assert opens(wider, X25519)


def test_a_key_is_wrapped_anew_when_asked_for() -> None:
    """Removing and adding one person at once gives them a new recipient info."""
    message = sealed_for(RSA, EC)
    again = rewrap(message, EC.identities, add=[RSA.recipient], remove=[RSA.certificate])
    assert opens(again, RSA)
    assert len(parts_of(again).wrapped & parts_of(message).wrapped) == 1


def test_what_was_done_is_told() -> None:
    """The outcome counts and names who stayed, came and went."""
    target = io.BytesIO()
    message = sealed_for(RSA, EC, SHARED, form="der")
    done = rewrap_stream(io.BytesIO(message), target, RSA.identities, add=[X25519.recipient], remove=[EC.certificate])
    assert (done.kept, done.added, done.present, done.resealed) == (2, 1, (), False)
    assert [f"{EC.certificate.serial_number:#x}" in name for name in done.removed] == [True]
    assert (done.form, done.encoding, done.content_encryption) == ("der", "DER", "AES-256-GCM")


NAMES: Final = sorted(READERS)
STEPS: Final = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "replace", "reseal"]), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    max_size=6,
)


def _selector(name: str) -> str | x509.Certificate:
    return {"password": "password", "shared": b"ours".hex()}.get(name) or READERS[name].certificate


@settings(max_examples=40)
@given(
    steps=STEPS,
    start=st.sets(st.sampled_from(NAMES), min_size=1, max_size=3),
    profile=st.sampled_from([MODERN, COMPAT]),
)
def test_exactly_the_current_readers_open_it(
    steps: list[tuple[str, str, str]], start: set[str], profile: Profile
) -> None:
    """After any sequence of adding, removing, replacing and resealing, exactly the current readers open the message."""
    profile = replace(profile, encapsulation=True)
    message = sealed_for(*(READERS[name] for name in sorted(start)), profile=profile)
    current = set(start)
    for step, one, other in steps:
        identities = READERS[min(current)].identities
        if step == "add" and one not in current:
            message = rewrap(message, identities, add=[READERS[one].recipient], profile=profile)
            current.add(one)
        elif step == "remove" and one in current and len(current) > 1:
            message = rewrap(message, remove=[_selector(one)])
            current.remove(one)
        elif step == "replace" and one in current and other not in current:
            message = rewrap(
                message, identities, add=[READERS[other].recipient], remove=[_selector(one)], profile=profile
            )
            current = current - {one} | {other}
        elif step == "reseal":
            current = {one, other}
            everybody = [READERS[name].recipient for name in sorted(current)]
            message = rewrap(message, identities, add=everybody, reseal=True, profile=profile)
    assert {name for name in NAMES if opens(message, READERS[name])} == current
    assert decrypt(message, READERS[min(current)].identities).message.endswith(b"Good morning\r\n")


# --- what stays --------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [AES_256_GCM, CHACHA20_POLY1305, AES_128_CBC], ids=lambda content: content.name)
@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 1 << 20])
def test_ciphertext_of_any_size_is_copied(content: smime_session.algorithms.ContentEncryption, size: int) -> None:
    """What is sealed stays octet for octet, from nothing to several blocks, from definite and indefinite lengths."""
    profile = replace(MODERN, content=content)
    plaintext = os.urandom(size)
    for pipe in (False, True):
        message = sealed_for(RSA, form="der", profile=profile, content=plaintext, pipe=pipe)
        wider = rewrap(message, RSA.identities, add=[EC.recipient])
        after = parts_of(wider)
        assert after.unchanging == parts_of(message).unchanging
        assert (after.indefinite, after.constructed) == (False, False)
        assert decrypt(wider, EC.identities).message == plaintext


@pytest.mark.parametrize("eol", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("form", ["mail", "der", "pem", "base64"])
def test_the_form_stays(form: str, eol: bytes) -> None:
    """A mail, DER, PEM or base64 stays what it was, with its line endings."""
    der = sealed_for(RSA, EC, form="der")
    if form == "mail":
        message = sealed_for(RSA, EC, content=MAIL.replace(b"\r\n", eol))
    elif form == "pem":
        message = encode_pem([der], label="PKCS7", eol=eol)
    else:
        message = encode_base64([der], eol=eol) if form == "base64" else der
    narrower = rewrap(message, remove=[EC.certificate])
    assert decrypt(narrower, RSA.identities).form == form
    assert inspect(narrower).recipients[0].summary.technique == "key transport"
    if form != "der":
        assert narrower.count(eol) == narrower.count(b"\n")
        assert narrower.count(b"\r") == (narrower.count(b"\n") if eol == b"\r\n" else 0)
        widths = {len(line) for line in narrower.partition(eol + eol)[2].splitlines()}
        assert form != "mail" or max(widths) == 76
    if form == "pem":
        assert narrower.startswith(b"-----BEGIN PKCS7-----" + eol)
        assert narrower.endswith(b"-----END PKCS7-----" + eol)


def test_the_head_of_a_mail_stays() -> None:
    """The fields of a mail are kept octet for octet: odd spacing, order, folding, and the line of a mail store."""
    head, _, body = sealed_for(RSA, EC).partition(b"\r\n\r\n")
    head = (
        b"From a@example.org Mon Jan  1 00:00:00 2024\r\nRECEIVED: \t by\r\n\tsomebody\r\n"
        + head
        + b"\r\nBcc: x\r\n\r\n"
    )
    narrower = rewrap(head + body, remove=[EC.certificate])
    assert narrower.startswith(head)
    assert opens(narrower, RSA)


@pytest.mark.parametrize("encoding", ["binary", "8bit", "7bit", "quoted-printable"])
def test_the_transfer_encoding_stays(encoding: str) -> None:
    """A body that is binary stays so, text stays text; quoted-printable becomes base64 and says so."""
    head = b"Subject: x\nContent-Type: application/pkcs7-mime; name=smime.p7m\n"
    text = sealed_for(RSA, EC).partition(b"\r\n\r\n")[2].replace(b"\r\n", b"\n")
    body = sealed_for(RSA, EC, form="der") if encoding == "binary" else text
    if encoding == "quoted-printable":
        body = text.replace(b"=", b"=3D")
    message = head + b"Content-Transfer-Encoding: " + encoding.encode() + b"\n\n" + body
    narrower = rewrap(message, remove=[EC.certificate])
    kept = b"base64" if encoding == "quoted-printable" else encoding.encode()
    assert narrower.startswith(head + b"Content-Transfer-Encoding: " + kept + b"\n\n")
    after = narrower.partition(b"\n\n")[2]
    assert (after[:1] == b"\x30") == (encoding == "binary")
    assert opens(narrower, RSA)


def test_a_message_object_stays_one() -> None:
    """A mail of the standard library comes back as one."""
    original = message_from_bytes(MAIL, policy=policy.default)
    message = encrypt(original, [RSA.recipient, EC.recipient])
    narrower = rewrap(message, remove=[EC.certificate])
    assert type(narrower) is type(message)
    assert narrower["X-Odd"].strip() == "kept"
    assert decrypt(narrower, RSA.identities).message.get_content().strip() == "Good morning"


def _attributes(tag: int, *values: bytes) -> bytes:
    oid = tlv.object_identifier("1.2.840.113549.1.9.25.3")
    members = [
        tlv.encode(tlv.SEQUENCE, oid, tlv.encode(tlv.SET, tlv.encode(tlv.OCTET_STRING, each))) for each in values
    ]
    return tlv.encode(tag, *sorted(members))


def _with_attributes(
    *recipients: Recipient, authenticated: bool, originator: bytes | None = None, definite: bool = True
) -> bytes:
    """Make an envelope with attributes of both kinds, and perhaps originator information."""
    algorithm = AES_256_GCM if authenticated else AES_256_CBC
    parameters = ContentParameters(algorithm, os.urandom(algorithm.nonce_size), algorithm.tag_size)
    covered = _attributes(tlv.SET, b"covered", b"too") if authenticated else b""
    with smime_session.SessionKey.generate(32) as key:
        wrapped = wrap_all(recipients, key)
        stream = sealer(parameters, key, covered)
        buffer = memoryview(bytearray(len(MAIL) + SLACK))
        size = stream.update_into(MAIL, buffer)
        last, tag = stream.finish()
    ciphertext = bytes(buffer[:size]) + last
    assert len(ciphertext) == sealed_size(algorithm, len(MAIL))
    content_type = (
        smime_session.algorithms.AUTH_ENVELOPED_DATA if authenticated else smime_session.algorithms.ENVELOPED_DATA
    )
    encryption = codec.content_encryption(parameters)
    header = EnvelopeHeader(content_type, 0, wrapped, smime_session.algorithms.DATA, encryption, originator)
    trailer = EnvelopeTrailer(tag, covered, _attributes(0xA2 if authenticated else 0xA1, b"uncovered"))
    end = codec.envelope_end(trailer, authenticated=authenticated, indefinite=not definite)
    if definite:
        return codec.envelope_start(header, len(ciphertext), len(end)) + ciphertext + end
    return codec.envelope_start(header, None, 0) + tlv.encode(tlv.OCTET_STRING, ciphertext) + end


def _prepared(*readers: Reader) -> list[Recipient]:
    return [
        reader.recipient if hasattr(reader.recipient, "wrap") else smime_session.recipient_for(reader.certificate)
        for reader in readers
    ]


@pytest.mark.parametrize("definite", [True, False])
@pytest.mark.parametrize("authenticated", [True, False])
def test_attributes_stay(authenticated: bool, definite: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """Attributes survive, those that the tag covers and those that it does not."""
    message = _with_attributes(*_prepared(RSA), authenticated=authenticated, definite=definite)
    wider = rewrap(message, RSA.identities, add=[EC.recipient])
    assert parts_of(wider).unchanging == parts_of(message).unchanging
    assert parts_of(wider).trailer.unauthenticated_attributes
    assert decrypt(wider, EC.identities).message == MAIL


# --- versions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("originator", "readers", "version"),
    [
        (b"", [RSA], 2),
        (b"", [RSA, EC], 2),
        (b"", [RSA, PASSWORD], 3),
        (b"", [RSA, ML_KEM], 3),
        (tlv.encode(0xA0, tlv.encode(0xA0, tlv.encode(0x30))), [RSA], 2),
        (tlv.encode(0xA0, tlv.encode(0xA0, tlv.encode(0xA2))), [RSA], 3),
        (tlv.encode(0xA0, tlv.encode(0xA0, tlv.encode(0xA3))), [RSA, PASSWORD], 4),
        (tlv.encode(0xA0, tlv.encode(0xA1, tlv.encode(0xA1))), [RSA], 4),
    ],
)
def test_the_version_is_computed(originator: bytes, readers: list[Reader], version: int) -> None:
    """The version follows the recipients that are left, the originator's certificates and the attributes."""
    message = _with_attributes(*_prepared(RSA, EC), authenticated=False, originator=originator or None)
    add = [reader.recipient for reader in readers]
    changed = rewrap(message, EC.identities, add=add, remove=[] if EC in readers else [EC.certificate])
    assert parts_of(changed).header.version == version


@pytest.mark.parametrize(("remove", "version"), [((), 3), (("password",), 2), (("password", EC.certificate), 0)])
def test_the_version_falls_again(remove: Sequence[str | x509.Certificate], version: int) -> None:
    """Without attributes and originator the version is that of the recipients who are left."""
    message = sealed_for(RSA, EC, PASSWORD, profile=COMPAT)
    changed = rewrap(message, RSA.identities, add=[RSA.recipient], remove=remove)
    assert parts_of(changed).header.version == version


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["issuer-serial", "key-identifier"])
@pytest.mark.parametrize("how", ["certificate", "certificates", "address", "number"])
def test_who_is_found(name: str, how: str) -> None:
    """A recipient is found by certificate, address, and serial number or key identifier, whichever the message has."""
    message = sealed_for(RSA, EC, profile=replace(MODERN, identifier=name))  # type: ignore[arg-type]
    certificate = EC.certificate
    summary = next(each.summary for each in inspect(message).recipients if each.summary.technique == "key agreement")
    selectors: dict[str, str | x509.Certificate | tuple[x509.Certificate, ...]] = {
        "certificate": certificate,
        "certificates": (OTHER_EC.certificate, certificate),
        "address": "EC@example.org",
        "number": summary.serial_number or summary.key_identifier or "",
    }
    narrower = rewrap(message, remove=[selectors[how]], certificates=[RSA.certificate, certificate])
    assert (opens(narrower, RSA), opens(narrower, EC)) == (True, False)


def test_a_number_may_be_written_either_way() -> None:
    """A serial number is taken decimal or hexadecimal, a key identifier with colons or after 0x too."""
    message = sealed_for(RSA, SHARED)
    for who in (str(RSA.certificate.serial_number), f"{RSA.certificate.serial_number:#X}"):
        assert not opens(rewrap(message, remove=[who]), RSA)
    for who in ("6f:75:72:73", "0x6f757273", "6F757273"):
        assert not opens(rewrap(message, remove=[who]), SHARED)


@pytest.mark.parametrize("who", ["0x1", "12345", "abcd", "nobody", "password", "", "0x", "-1", "1" * 300])
def test_a_name_that_matches_nobody_is_refused(who: str) -> None:
    """The error names who was looked for and lists who is there."""
    with pytest.raises(
        RecipientError, match="is none of the recipients: the message is addressed to serial 0x"
    ) as caught:
        rewrap(sealed_for(RSA), remove=[who])
    assert str(caught.value).startswith(who)


def test_every_wrong_name_is_told() -> None:
    """Several names that match nobody are refused together."""
    with pytest.raises(RecipientError) as caught:
        rewrap(sealed_for(RSA), remove=["0x1", EC.certificate, "ec@example.org", ()])
    assert len(caught.value.refused) == 4
    assert "ec@example.org is in no certificate that was given" in str(caught.value)


def test_one_serial_number_of_two_issuers_is_refused() -> None:
    """A serial number that two issuers have given names neither of them."""

    class Named:
        def __init__(self, issuer: str) -> None:
            name = tlv.encode(0x0C, issuer.encode())
            pair = tlv.encode(tlv.SEQUENCE, tlv.object_identifier("2.5.4.3"), name)
            self._issuer = tlv.encode(tlv.SEQUENCE, tlv.encode(tlv.SET, pair))

        def wrap(self, key: smime_session.SessionKey) -> WrappedKey:
            del key
            named = smime_session.cms.structures.IssuerAndSerialNumber(self._issuer, 5)
            info = smime_session.cms.structures.KeyTransRecipientInfo(
                named, smime_session.algorithms.RSAES_OAEP_SHA256, bytes(256)
            )
            return smime_session.cms.key_trans.encode(info)

    message = rewrap(sealed_for(RSA), RSA.identities, add=[Named("One"), Named("Two"), Named("One")])
    assert len(inspect(message).recipients) == 3
    with pytest.raises(RecipientError, match="5 names several recipients: serial 0x5 of CN=One; serial 0x5 of CN=Two"):
        rewrap(message, remove=["5"])


def test_nobody_left_is_refused() -> None:
    """The last recipient stays, unless somebody comes instead."""
    with pytest.raises(RecipientError, match="nobody would be left to read the message without serial"):
        rewrap(sealed_for(RSA, EC), remove=[RSA.certificate, EC.certificate])


def test_nothing_to_do_is_refused() -> None:
    """Neither adding nor removing anybody is a mistake."""
    with pytest.raises(RecipientError, match="nobody to add and nobody to remove"):
        rewrap(sealed_for(RSA), RSA.identities)


# --- proof -------------------------------------------------------------------------------------


def test_adding_needs_somebody_who_reads() -> None:
    """Without an identity that the message is addressed to nobody is added."""
    for identities in ((), EC.identities):
        with pytest.raises(NoMatchError):
            rewrap(sealed_for(RSA), identities, add=[X25519.recipient])


@pytest.mark.parametrize("reseal", [False, True])
def test_an_altered_message_is_not_passed_on(reseal: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """A session key that does not open the whole content is wrapped for nobody, and nothing is written."""
    message = bytearray(sealed_for(RSA, form="der", content=os.urandom(200_000)))
    message[-20] ^= 1
    target = io.BytesIO()
    with pytest.raises(DecryptionError):
        rewrap_stream(io.BytesIO(message), target, RSA.identities, add=[EC.recipient], reseal=reseal)
    assert target.getvalue() == b""


def test_another_session_key_is_not_passed_on() -> None:
    """A session key that belongs to another message is refused."""
    with smime_session.SessionKey.generate(32) as key, pytest.raises(DecryptionError):
        rewrap(sealed_for(RSA), [key], add=[EC.recipient])


def test_a_session_key_serves_as_an_identity() -> None:
    """Whoever holds the session key can add readers without any private key."""
    message = sealed_for(RSA)
    with RSA.identities[0].unwrap(parts_of(message).header.wrapped_keys) as key:
        assert opens(rewrap(message, [key], add=[EC.recipient]), EC)


def test_a_message_that_is_cut_off_is_not_rewrapped() -> None:
    """Removing needs no key, but a whole message."""
    message = sealed_for(RSA, EC, form="der")
    for size in (len(message) - 1, len(message) // 2):
        with pytest.raises(MalformedError):
            rewrap(message[:size], remove=[EC.certificate])
    with pytest.raises(NotEnvelopeError):
        rewrap(MAIL, remove=[EC.certificate])


def test_weak_content_is_passed_on_when_asked_for() -> None:
    """Nobody is added to a message that is sealed with a broken cipher, without permission; removing is free."""
    message = _weak(RSA, SHARED)
    with pytest.raises(PolicyError, match="weak"):
        rewrap(message, RSA.identities, add=[EC.recipient])
    policy_ = Policy(insecure_legacy=True)
    wider = rewrap(message, RSA.identities, add=[EC.recipient], policy=policy_)
    assert decrypt(wider, EC.identities, policy=policy_).message == MAIL
    assert len(inspect(rewrap(message, remove=[RSA.certificate])).recipients) == 1


def _weak(*readers: Reader) -> bytes:
    parameters = ContentParameters(DES_EDE3_CBC, os.urandom(8), 0)
    with smime_session.SessionKey.generate(24) as key:
        wrapped = wrap_all(_prepared(*readers), key)
        stream = sealer(parameters, key)
        buffer = memoryview(bytearray(len(MAIL) + SLACK))
        size = stream.update_into(MAIL, buffer)
        ciphertext = bytes(buffer[:size]) + stream.finish()[0]
    encryption = codec.content_encryption(parameters)
    header = EnvelopeHeader(
        smime_session.algorithms.ENVELOPED_DATA, 2, wrapped, smime_session.algorithms.DATA, encryption
    )
    return codec.envelope_start(header, len(ciphertext), 0) + ciphertext


def test_a_post_quantum_profile_admits_nobody_else() -> None:
    """With profile pq a newcomer without ML-KEM is refused: a certificate, a prepared recipient, a shared key."""
    message = sealed_for(ML_KEM, profile=PQ)
    for newcomer in (EC.recipient, *_prepared(EC), SHARED.recipient):
        with pytest.raises(RecipientError, match=r"has no (post-quantum|ML-KEM) key .*, which profile pq requires"):
            rewrap(message, ML_KEM.identities, add=[newcomer], profile=PQ)


# --- streams -----------------------------------------------------------------------------------


def test_a_pipe_is_rewrapped() -> None:
    """A source that cannot seek is read once and checked all the same."""
    message, target = sealed_for(RSA, content=MAIL + bytes(2 << 20)), io.BytesIO()
    rewrap_stream(_Pipe(message), target, RSA.identities, add=[EC.recipient])
    assert decrypt(target.getvalue(), EC.identities).message == decrypt(message, RSA.identities).message


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    """What is copied is what was checked."""
    path = tmp_path / "message"
    path.write_bytes(sealed_for(RSA, EC, form="der", content=os.urandom(300_000)))

    class Changing(io.FileIO):
        def seek(self, offset: int, whence: int = 0, /) -> int:
            if offset == 0:
                with path.open("r+b") as file:
                    file.seek(200_000)
                    file.write(b"changed")
            return super().seek(offset, whence)

    with Changing(path) as source, pytest.raises(MalformedError):
        rewrap_stream(source, io.BytesIO(), remove=[EC.certificate])


def test_memory_stays_flat() -> None:
    """Rewrapping and resealing hold no more of a large message than of a small one."""
    import tracemalloc

    message = sealed_for(RSA, form="der", content=bytes(64 << 20))
    for reseal in (False, True):
        tracemalloc.start()
        done = rewrap_stream(io.BytesIO(message), _Nowhere(), RSA.identities, add=[EC.recipient], reseal=reseal)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert done.added == 1
        assert peak < len(message) + (8 << 20)  # BytesIO may copy the message once


class _Nowhere(io.BytesIO):
    def write(self, data: Any, /) -> int:  # noqa: ANN401  # whatever has octets
        return len(data)


# --- resealing ---------------------------------------------------------------------------------


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize("new", [MODERN, COMPAT, PQ], ids=lambda profile: profile.name)
@pytest.mark.parametrize("old", [MODERN, COMPAT], ids=lambda profile: profile.name)
@pytest.mark.parametrize("size", [0, 15, 16, 17, 65_536, 2 << 20])
def test_a_resealed_message_has_a_new_key(old: Profile, new: Profile, size: int, transactional: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """The content is sealed with another key, for exactly those who are named, in any size, from and to any cipher."""
    content = os.urandom(size)
    message, target = sealed_for(RSA, EC, form="der", profile=old, content=content), io.BytesIO()
    keep = ML_KEM if new is PQ else EC
    done = rewrap_stream(
        io.BytesIO(message),
        target,
        RSA.identities,
        add=[keep.recipient],
        reseal=True,
        profile=new,
        transactional=transactional,
    )
    before, after = parts_of(message), parts_of(target.getvalue())
    assert decrypt(target.getvalue(), keep.identities).message == content
    assert not opens(target.getvalue(), RSA)
    assert before.header.content_encryption != after.header.content_encryption
    assert not before.wrapped & after.wrapped
    assert done.resealed
    assert done.content_encryption == new.content.name
    assert (done.kept, done.added) == ((0, 1) if new is PQ else (1, 0))
    one_cipher = old.content.block_size == new.content.block_size
    assert done.encoding == ("BER" if transactional and not one_cipher else "DER")
    assert after.indefinite == (done.encoding == "BER")


def test_resealing_names_who_is_left_out() -> None:
    """Whoever is not among those for whom a message is resealed is reported."""
    source, target = io.BytesIO(sealed_for(RSA, EC, PASSWORD, SHARED)), io.BytesIO()
    add = [PASSWORD.recipient, EC.recipient]
    done = rewrap_stream(source, target, RSA.identities, add=add, remove=[RSA.certificate], reseal=True)
    assert (done.kept, done.added, len(done.removed)) == (2, 0, 2)
    assert any("6f757273" in name for name in done.removed)


def test_a_resealed_mail_says_what_it_is() -> None:
    """A mail that changes from one kind of envelope to the other says so, and keeps its other fields."""
    message = sealed_for(RSA, profile=COMPAT)
    assert b"smime-type=enveloped-data" in message
    resealed = rewrap(message, RSA.identities, add=[RSA.recipient], reseal=True)
    assert b"smime-type=authEnveloped-data" in resealed
    assert resealed.startswith(b"From: a@example.org\r\nSubject: hello\r\nX-Odd:  kept \r\n")
    assert decrypt(resealed, RSA.identities).message == decrypt(message, RSA.identities).message


@pytest.mark.parametrize("transactional", [False, True])
@pytest.mark.parametrize("authenticated", [True, False])
def test_resealing_keeps_attributes(authenticated: bool, transactional: bool) -> None:  # noqa: FBT001  # parameters
    """Attributes stay, and those that the old tag covered are covered by the new one."""
    message, target = _with_attributes(*_prepared(RSA), authenticated=authenticated), io.BytesIO()
    target.write(b"before")
    rewrap_stream(
        io.BytesIO(message), target, RSA.identities, add=[EC.recipient], reseal=True, transactional=transactional
    )
    assert target.getvalue().startswith(b"before")
    resealed = target.getvalue()[6:]
    old, new = parts_of(message).trailer, parts_of(resealed).trailer
    assert new.authenticated_attributes == old.authenticated_attributes
    assert new.unauthenticated_attributes[1:] == old.unauthenticated_attributes[1:]
    assert new.unauthenticated_attributes[0] == 0xA2
    assert decrypt(resealed, EC.identities).message == MAIL


def test_authenticated_attributes_are_not_given_up() -> None:
    """Resealing without authentication a message that has authenticated attributes is refused."""
    message = _with_attributes(*_prepared(RSA), authenticated=True)
    with pytest.raises(smime_session.MessageError, match="AES-256-CBC cannot protect"):
        rewrap(message, RSA.identities, add=[EC.recipient], reseal=True, profile=COMPAT)


def test_resealing_for_nobody_is_refused() -> None:
    """Resealing needs to be told for whom."""
    with pytest.raises(RecipientError, match="no recipient"):
        rewrap(sealed_for(RSA), RSA.identities, reseal=True)


def test_roster_of_a_broken_recipient_info_has_no_name() -> None:
    """What cannot be read is somebody without a name, who stays."""
    broken = smime_session.cms.structures.WrappedKey(b"\x30\x03\x02\x01\x00", 0, 32)
    roster = Roster([broken])
    assert [member.identifier for member in roster.members] == [None]
    assert roster.without([]) == (broken,)


def test_many_recipients() -> None:
    """Each of two thousand recipients is found by its name."""
    keys = [PresharedKey(bytes(32), f"key {number}".encode()) for number in range(2000)]
    message = rewrap(sealed_for(RSA), RSA.identities, add=keys)
    narrower = rewrap(message, remove=[b"key 1234".hex()])
    assert len(inspect(narrower).recipients) == 2000
