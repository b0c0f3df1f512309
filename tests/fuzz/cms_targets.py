"""Targets that read ASN.1: values, envelopes, signed objects, recipient infos, whole messages."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from smime_session import (
    DEFAULT,
    Identity,
    Policy,
    PresharedKey,
    SmimeError,
    TrustAnchors,
    decrypt,
    decrypt_stream,
    export_session_key,
    inspect,
    load_session_key,
    rewrap,
    verify,
    verify_stream,
)
from smime_session.algorithms import SignatureAlgorithm
from smime_session.cms import asn1, capabilities, codec, content_algorithm, signature_algorithm, signed_attributes
from smime_session.cms.envelope import EnvelopeReader, EnvelopeWriter, trailer_size
from smime_session.cms.pbkdf2 import pbkdf2_from
from smime_session.cms.signed import SignedReader, detached
from smime_session.cms.stream import Stream
from smime_session.cms.values import AlgorithmIdentifier, IssuerAndSerialNumber, SubjectKeyIdentifier, WrappedKey
from smime_session.recipients import password, registry
from smime_session.session_key import SessionKey
from tests.fuzz import seeds
from tests.fuzz.harness import Target
from tests.vectors.hostile import envelopes as envelopes_of_vectors
from tests.vectors.hostile import seeds as made

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from smime_session.cms.values import EnvelopeHeader, EnvelopeTrailer

QUICK: Final = Policy(max_password_iterations=2000)
_NEW: Final = PresharedKey(bytes(range(32)), b"new")
_KEK: Final = bytes(range(32))
_NO_TRUST: Final = TrustAnchors([made.alice_on_curve().certificate])
_LIMIT: Final = 1 << 20
_SMALL: Final = 300  # octets


def blocks_of(data: bytes, size: int) -> Callable[[], bytes]:
    """Return what gives ``data`` in blocks of ``size``, and then nothing."""
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    return iter([*blocks, b"", b"", b""]).__next__ if len(blocks) < 2 else _endless(blocks)


def _endless(blocks: list[bytes]) -> Callable[[], bytes]:
    left = iter(blocks)
    return lambda: next(left, b"")


def least(data: bytes) -> int:
    """Return a size of blocks that makes many of them, and not too many."""
    return 1 if len(data) <= _SMALL else 61


def outcome(read: Callable[[], Any]) -> Any:  # noqa: ANN401  # whatever it is
    """Return what reading gives, or the class and the words of its error."""
    try:
        return read()
    except SmimeError as error:
        return type(error).__name__, str(error)


def _walk(element: asn1.Element, left: list[int]) -> None:
    left[0] -= 1
    if not element.constructed:
        if element.tag == asn1.INTEGER:
            number = outcome(element.integer)
            if isinstance(number, int):
                assert asn1.integer_from(asn1.integer_octets(number)) == number
        if element.tag == asn1.OBJECT_IDENTIFIER:
            dotted = outcome(element.object_identifier)
            if isinstance(dotted, str):
                assert asn1.parse(asn1.object_identifier.__wrapped__(dotted)).object_identifier() == dotted
        return
    element.count(8)
    outcome(element.octets)
    for child in element:
        if left[0] <= 0:
            return
        _walk(child, left)


def values(data: bytes) -> None:
    """ASN.1 in memory: what is read and written in DER is the same, and a stream gives the same value."""
    element = asn1.parse(data)
    assert (element.encoded, element.start, element.end) == (data, 0, len(data))
    outcome(lambda: _walk(element, [200]))
    definite = element.definite()
    again = asn1.parse(definite)
    assert again.encoded == again.definite() == definite
    for size in (least(data), 7):
        streamed = Stream(blocks_of(data, size)).element(_LIMIT, "the value")
        assert streamed.definite() == definite


def _entered(stream: Stream, depth: int) -> Iterator[tuple[int, int | None]]:
    while (tag := stream.peek()) is not None:
        yield tag, stream.definite_size(tag)
        if tag & asn1.CONSTRUCTED and depth:
            stream.enter(tag)
            yield from _entered(stream, depth - 1)
            stream.leave()
        else:
            stream.element(_LIMIT, "a value")


def streams(data: bytes) -> None:
    """ASN.1 from a stream: wherever the borders of blocks fall, the values are the same."""

    def read(size: int) -> list[tuple[int, int | None]]:
        return list(_entered(Stream(blocks_of(data, size)), 6))

    found = outcome(lambda: read(_LIMIT))
    assert outcome(lambda: read(least(data))) == outcome(lambda: read(5)) == found


def _opened(data: bytes, size: int) -> tuple[EnvelopeHeader, bytes, EnvelopeTrailer, bool]:
    reader = EnvelopeReader(blocks_of(data, size), DEFAULT)
    ciphertext = b"".join(bytes(piece) for piece in reader.ciphertext())
    return reader.header, ciphertext, reader.trailer(), reader.authenticated


def _sorted(header: EnvelopeHeader, *more: object) -> tuple[object, ...]:
    """Return an envelope with its recipient infos in the order of DER, in which they are written."""
    return header._replace(wrapped_keys=tuple(sorted(header.wrapped_keys))), *more


def envelopes(data: bytes) -> None:
    """Envelopes: the same in blocks of any size, and the same when it is written again, in both encodings."""
    whole = outcome(lambda: _opened(data, 1 << 20))
    assert outcome(lambda: _opened(data, 3)) == whole
    if len(whole) == 2:
        return
    header, ciphertext, trailer, authenticated = whole
    for wrapped in header.wrapped_keys[:20]:
        registry.summarize(wrapped)
        registry.identifier_of(wrapped)
        registry.legacy_algorithm(wrapped)
        parts = registry.each(wrapped)
        if len(parts) > 1:
            assert registry.each(registry.together(parts)) == parts
    outcome(lambda: registry.check_limits(header.wrapped_keys, DEFAULT))
    for size in (len(ciphertext), None):
        target = io.BytesIO()
        writer = EnvelopeWriter(target, header, size, trailer_size(trailer, authenticated=authenticated))
        writer.write(ciphertext)
        writer.finish(trailer)
        assert _sorted(*_opened(target.getvalue(), 1 << 20)) == _sorted(*whole)


def _verified(data: bytes, size: int) -> tuple[object, ...]:
    reader = SignedReader(blocks_of(data, size))
    content = b"".join(bytes(piece) for piece in reader.content())
    return reader.digests, reader.content_type, content, reader.trailer()


def signed(data: bytes) -> None:
    """SignedData: the same in blocks of any size, and its certificates and signatures when they are written again."""
    whole = outcome(lambda: _verified(data, 1 << 20))
    in_blocks = outcome(lambda: _verified(data, 3))
    assert in_blocks == whole or in_blocks[0] == whole[0]  # an error may have been seen at another place
    reader = SignedReader(blocks_of(data, 1 << 20))
    for _ in reader.content():
        pass
    trailer = reader.trailer()
    if not reader.digests or not all(each.attributes for each in trailer.signers):
        return  # objects without signed attributes are read, and not written
    octets = detached(reader.digests[0], trailer, content_type=reader.content_type)
    again = SignedReader(blocks_of(octets, 1 << 20))
    found = again.trailer()
    assert (again.digests, again.content_type) == (reader.digests[:1], reader.content_type)
    assert sorted(found.signers, key=repr) == sorted(trailer.signers, key=repr)
    assert sorted(found.certificates) == sorted(trailer.certificates)


def passwords(data: bytes) -> None:
    """Recipient infos for a password (PWRI): the same when one is written again; any key that unwraps is a key."""
    wrapped = WrappedKey(asn1.parse(data).encoded, 0, 32)
    registry.summarize(wrapped)
    info = password.decode(wrapped, QUICK.max_password_iterations)
    assert password.decode(password.encode(info, 32)) == info
    with SessionKey.adopt(_KEK[: info.cipher.key_size]) as kek:
        for size in (16, 32):
            assert len(password.decrypt_key(info, kek, size)) == size


READERS: Final = (seeds.SHARED, seeds.PASSWORD)


def messages(data: bytes) -> None:
    """Whole messages: decrypted the same in memory and as a stream, with nothing released of what is refused."""
    target = io.BytesIO()
    inspected = outcome(lambda: inspect(data, policy=QUICK).to_dict())
    assert inspected
    whole = outcome(lambda: decrypt(data, READERS, policy=QUICK).message)
    streamed = outcome(lambda: decrypt_stream(io.BytesIO(data), target, READERS, policy=QUICK) and None)
    if isinstance(whole, bytes):
        assert (streamed, target.getvalue()) == (None, whole)
    else:
        assert (streamed, target.getvalue()) == (whole, b"")


def signatures(data: bytes) -> None:
    """Signed messages: what is found is told alike in memory and as a stream, and nobody is trusted."""
    found = outcome(lambda: verify(data, trust=_NO_TRUST))
    target = io.BytesIO()
    streamed = outcome(lambda: verify_stream(io.BytesIO(data), target, trust=_NO_TRUST))
    if isinstance(found, tuple) and isinstance(found[0], str):
        assert streamed[0] == found[0]
    else:
        assert not found.accepted
        assert not streamed.accepted
        assert str(found)
        assert [each.verdict for each in streamed.signatures] == [each.verdict for each in found.signatures]
    assert not target.getvalue()


def rewrapped(data: bytes) -> None:
    """A message that gets another reader is the same to all of them; so it is with its own saved session key."""
    message = decrypt(data, READERS, policy=QUICK).message
    made = outcome(lambda: rewrap(data, READERS, add=[_NEW], policy=QUICK))
    if not isinstance(made, tuple):
        both: list[list[Identity]] = [[_NEW], [*READERS, _NEW]]
        for readers in both:
            again = decrypt(made, readers, policy=QUICK).message
            assert again.translate(None, b"\r") == message.translate(None, b"\r")  # CR CR LF ends a line as LF does
    saved = outcome(lambda: export_session_key(data, READERS, policy=QUICK))
    if not isinstance(saved, tuple):
        assert decrypt(data, [load_session_key(saved.to_json())], policy=QUICK).message == message


def fields(data: bytes) -> None:
    """Parts of CMS objects that are read by themselves: the same when they are written again."""
    element = asn1.parse(data)
    outcome(lambda: codec.other_recipient_info(data))
    codec.name_text(data)
    announced = outcome(lambda: capabilities.decode(data))
    if not announced or isinstance(announced[0], AlgorithmIdentifier):
        assert capabilities.decode(capabilities.encode(announced)) == announced
    told = outcome(lambda: signed_attributes.decode(data))
    if isinstance(told, signed_attributes.SignedAttributes) and told.message_digest:
        assert signed_attributes.decode(signed_attributes.encode(told)) == told
    identifier = outcome(lambda: codec.recipient_identifier_from(element))
    if isinstance(identifier, IssuerAndSerialNumber | SubjectKeyIdentifier):
        again = asn1.parse(codec.recipient_identifier(identifier))
        assert codec.recipient_identifier_from(again) == identifier
    algorithm = codec.algorithm_identifier_from(element)
    assert codec.algorithm_identifier_from(asn1.parse(codec.algorithm_identifier(algorithm))) == algorithm
    outcome(lambda: content_algorithm.parameters_from(algorithm))
    outcome(lambda: pbkdf2_from(algorithm, 32, "a cipher"))
    outcome(lambda: signature_algorithm.decode(algorithm, "SHA-256"))


def _der() -> list[bytes]:
    return [*seeds.envelopes_made(), *seeds.vectors("hostile/envelopes/*.der")]


def _fields() -> list[bytes]:
    infos = [asn1.parse(each) for each in [*seeds.password_infos(), envelopes_of_vectors.HONEST]]
    parts = [child.encoded for info in infos for child in info]
    found = [child.encoded for each in _signed() for child in _constructed(asn1.parse(each), 9)]
    pss = signature_algorithm.encode(SignatureAlgorithm("RSASSA-PSS", "SHA-256"), "1.2.840.113549.1.1.1")
    return [*parts, *found, codec.algorithm_identifier(pss)]


def _constructed(element: asn1.Element, depth: int) -> Iterator[asn1.Element]:
    """Yield the constructed values inside one, and itself."""
    if element.constructed and depth:
        yield element
        for child in element:
            yield from _constructed(child, depth - 1)


def _signed() -> list[bytes]:
    from tests.support.signing import signed_object, signer, signer_info

    who = signer()
    return [
        signed_object(seeds.LETTER, [signer_info(who, seeds.LETTER)], [who.certificate]),
        signed_object(None, [signer_info(who, seeds.LETTER)], [who.certificate]),
    ]


TARGETS: Final = {
    "values": Target(values, _der, "values"),
    "streams": Target(streams, _der, "values"),
    "envelopes": Target(envelopes, _der, "values"),
    "signed": Target(signed, _signed, "values"),
    "fields": Target(fields, _fields, "values"),
    "passwords": Target(passwords, seeds.password_infos, "values"),
    "messages": Target(
        messages,
        lambda: [*seeds.encrypted_mails(), *seeds.envelopes_made(), *seeds.vectors("hostile/mails/*.eml")],
        "text",
    ),
    "rewrapped": Target(rewrapped, lambda: [*seeds.encrypted_mails(), *seeds.envelopes_made()], "text"),
    "signatures": Target(signatures, lambda: [*seeds.signed_mails(), *_signed()], "text"),
}
