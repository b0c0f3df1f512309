"""How content is sealed: what is usual is recognised by its octets, and read as anything else would be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smime_session.algorithms import CONTENT_ENCRYPTION, ContentEncryption
from smime_session.cms import asn1, codec, content_algorithm
from smime_session.cms.values import AlgorithmIdentifier, ContentParameters
from smime_session.errors import MalformedError, MessageError

WRITTEN = [algorithm for algorithm in CONTENT_ENCRYPTION.values() if not algorithm.legacy]
ENCODED = [
    codec.algorithm_identifier(
        content_algorithm.encode(ContentParameters(algorithm, bytes(range(algorithm.nonce_size)), algorithm.tag_size))
    )
    for algorithm in WRITTEN
]


def taken_apart(encoded: bytes) -> object:
    """Return what decoding makes of octets, by taking them apart; or its error."""
    try:
        identifier = codec.algorithm_identifier_from(asn1.parse(encoded))
    except MalformedError as error:
        return str(error)
    try:
        return identifier, content_algorithm.parameters_from(identifier)
    except MessageError:
        return identifier, None


def decoded(encoded: bytes) -> object:
    try:
        return content_algorithm.decode(encoded)
    except MalformedError as error:
        return str(error)


@pytest.mark.parametrize("algorithm", WRITTEN, ids=lambda algorithm: algorithm.name)
def test_what_is_written_is_recognised(algorithm: ContentEncryption) -> None:
    """It is read without being taken apart, to the same values."""
    parameters = ContentParameters(algorithm, bytes(range(algorithm.nonce_size)), algorithm.tag_size)
    identifier = content_algorithm.encode(parameters)
    encoded = codec.algorithm_identifier(identifier)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asn1, "parse", lambda _: pytest.fail("it was taken apart"))
        assert content_algorithm.decode(encoded) == (identifier, parameters)


@given(
    st.sampled_from(ENCODED),
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 1), st.binary(max_size=2)), max_size=2),
)
def test_what_is_recognised_is_what_taking_apart_finds(encoded: bytes, damage: list[tuple[int, int, bytes]]) -> None:
    """Whatever the octets are, both ways of reading say the same of them."""
    octets = bytearray(encoded)
    for at, lost, more in damage:
        octets[at : at + lost] = more
    assert decoded(bytes(octets)) == taken_apart(bytes(octets))


def test_an_algorithm_that_is_not_spoken_has_no_parameters() -> None:
    """Whoever inspects a message needs none; whoever opens it is told why."""
    identifier = AlgorithmIdentifier("1.2.3", asn1.NULL)
    assert content_algorithm.decode(codec.algorithm_identifier(identifier)) == (identifier, None)
