"""The tree of exceptions: its docstring draws it, and each one is a sentence with facts."""

from __future__ import annotations

import copy
import pickle
import re
from typing import TYPE_CHECKING

import pytest

from smime_session import errors
from smime_session.errors import (
    AlreadyEncryptedError,
    BatchError,
    CredentialError,
    DecryptionError,
    LimitError,
    MalformedError,
    MessageError,
    NoMatchError,
    NotEnvelopeError,
    NotMailError,
    NotSignedError,
    OtherMessageError,
    PassphraseError,
    PolicyError,
    RecipientError,
    SignerError,
    SmimeError,
    SubmissionError,
    UnknownAddressError,
    UnsupportedAlgorithmError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = (
    (CredentialError("the file is empty"), "the file is empty"),
    (PassphraseError("the private key is locked", missing=True), "the private key is locked"),
    (RecipientError(["certificate of a expired", "b"]), "certificate of a expired; b"),
    (RecipientError(()), "no recipient was given"),
    (UnknownAddressError(["a@example.org names no recipient"]), "a@example.org names no recipient"),
    (NotMailError("the input is empty"), "the input is empty"),
    (NotEnvelopeError("plain data"), "the message is not an S/MIME envelope: it is plain data"),
    (NotSignedError("plain data"), "the message is not signed with S/MIME: it is plain data"),
    (SignerError("a", ["expired", "is not for mail"]), "certificate of a expired, and is not for mail"),
    (SubmissionError("the name is not found", temporary=True), "the name is not found"),
    (BatchError("another run is at work"), "another run is at work"),
    (AlreadyEncryptedError("PGP/MIME"), "the mail is encrypted already (PGP/MIME)"),
    (MalformedError("a value is cut off"), "a value is cut off"),
    (MalformedError("a value is cut off", 7), "a value is cut off (at byte 7 of the CMS object)"),
    (UnsupportedAlgorithmError("hash function", "1.2.3"), "the hash function (1.2.3) is not supported"),
    (UnsupportedAlgorithmError("cipher", "1.2.3", "RC4"), "the cipher RC4 (1.2.3) is not supported"),
    (PolicyError("it is not authenticated", option="require_authenticated"), "it is not authenticated"),
    (LimitError("the number of recipients", 20_000), "the number of recipients exceeds the limit of 20,000"),
    (LimitError("the size of it", 1 << 20, "octets"), "the size of it exceeds the limit of 1,048,576 octets"),
    (
        NoMatchError(["serial 0x1 of CN=a", "serial 0x2 of CN=b"], ["c"]),
        "no given identity can open the message: it is addressed to serial 0x1 of CN=a; serial 0x2 of CN=b; given: c",
    ),
    (
        NoMatchError(["a"], ["c", "d"], "c has the same issuer"),
        "no given identity can open the message: it is addressed to a; given: c; d; closest: c has the same issuer",
    ),
    (NoMatchError(), "no given identity can open the message: it is addressed to no recipient; given: none"),
    (OtherMessageError(), "the session key belongs to another message, or this one was altered"),
    (
        DecryptionError(),
        "the message could not be decrypted: the key does not fit or the message was altered",
    ),
)


def _classes() -> list[type[SmimeError]]:
    return [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, SmimeError)]


def test_the_docstring_draws_the_tree() -> None:
    """The tree in the module's docstring is the one that the classes form."""
    parents: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ([│├└─ ]*)(\w+Error)\b", line):
            depth = len(match[1]) // 4
            path[depth:] = [match[2]]
            parents[match[2]] = path[depth - 1] if depth else "Exception"
    assert parents == {cls.__name__: cls.__bases__[0].__name__ for cls in _classes()}


@pytest.mark.parametrize(("error", "sentence"), EXAMPLES, ids=lambda value: type(value).__name__)
def test_each_error_is_a_sentence(error: SmimeError, sentence: str) -> None:
    """An error reads as one lower-case sentence without a full stop."""
    assert str(error) == sentence
    assert sentence[0].islower()
    assert not sentence.endswith(".")


def _pickled(error: SmimeError) -> SmimeError:
    again: SmimeError = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own octets
    return again


@pytest.mark.parametrize("again", [_pickled, copy.copy], ids=["pickle", "copy"])
@pytest.mark.parametrize("error", [error for error, _ in EXAMPLES], ids=lambda value: type(value).__name__)
def test_each_error_can_be_pickled(error: SmimeError, again: Callable[[SmimeError], SmimeError]) -> None:
    """What fails in another process is the same error in this one."""
    same = again(error)
    assert (type(same), str(same), vars(same)) == (type(error), str(error), vars(error))


def test_every_error_has_an_example() -> None:
    """No class is left out of the sentences above, but for those that only group others."""
    assert {type(error) for error, _ in EXAMPLES} == set(_classes()) - {SmimeError, MessageError}


def test_facts_are_attributes() -> None:
    """What an error says can be read without taking its sentence apart."""
    assert PassphraseError("it is locked", missing=True).missing
    assert RecipientError(["a", "b"]).refused == ("a", "b")
    assert NotEnvelopeError("plain data").found == "plain data"
    assert NotSignedError("plain data").found == "plain data"
    assert SignerError("a", ["expired"], option="insecure_expired").option == "insecure_expired"
    assert SignerError("a", ["expired", "is weak"]).reasons == ("expired", "is weak")
    assert AlreadyEncryptedError("S/MIME").scheme == "S/MIME"
    assert MalformedError("it is cut off", 7).offset == 7
    assert MalformedError("it is cut off").offset is None
    unsupported = UnsupportedAlgorithmError("cipher", "1.2.3", "RC4")
    assert (unsupported.oid, unsupported.name) == ("1.2.3", "RC4")
    assert PolicyError("it is not", option="require_authenticated").option == "require_authenticated"
    assert LimitError("it", 5).limit == 5
    assert LimitError("it", 5).option is None
    assert LimitError("it", 5, option="max_trials").option == "max_trials"
    nobody = NoMatchError(["a"], ["b", "c"], "b is near")
    assert (nobody.addressed_to, nobody.identities, nobody.closest) == (("a",), ("b", "c"), "b is near")
    assert NoMatchError().closest is None


def test_one_failure_has_one_text() -> None:
    """Whatever depends on a private key cannot say more than the others."""
    assert str(DecryptionError()) == str(DecryptionError())
    with pytest.raises(TypeError):
        DecryptionError("the padding is wrong")  # type: ignore[arg-type, call-arg]
