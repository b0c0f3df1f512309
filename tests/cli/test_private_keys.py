"""``-i``: how often a passphrase is asked for, however many envelopes a mail has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli import passphrases
from cli.passphrases import Passphrases
from cli.private_keys import PrivateKeys
from smime_session import DecryptionError, NoMatchError, PassphraseError, decrypt, encrypt, load_certificates

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Person:
    """Types answers, the last one again and again, and counts the questions."""

    def __init__(self, *answers: bytes | None) -> None:
        self._answers = list(answers)
        self.questions: list[str] = []

    def __call__(self, question: str) -> bytes | None:
        """Answer."""
        self.questions.append(question)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def _nested(folder: Path) -> bytes:
    """Encrypt a mail for Bob, twice, and put it between boundaries, twice."""
    recipients = load_certificates((folder / "bob.pem").read_bytes())
    twice = encrypt(encrypt((folder / "letter.eml").read_bytes(), recipients), recipients, again=True)
    part = b"Content-Type" + twice.partition(b"\nContent-Type")[2]
    return b"Subject: x\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n%b\n--b\n%b\n--b--\n" % (
        part,
        part,
    )


@pytest.mark.parametrize("name", ["locked.key", "bob.p12"])
def test_one_answer_opens_every_envelope(
    name: str, provide: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mail with four envelopes asks once if the answer fits, and three times if none does."""
    folder = provide(name, "bob.pem", "letter.eml")
    mail = _nested(folder)
    for answer, questions in ((b"open sesame", 1), (b"open barley", 3)):
        person = Person(answer)
        monkeypatch.setattr(passphrases, "ask", person)
        identities = PrivateKeys((name,), Passphrases(), ignore_certificates=False).load()
        assert not person.questions
        if questions == 1:
            assert decrypt(mail, identities).message.count(b"At eight?") == 2
        else:
            with pytest.raises(PassphraseError, match=f"^{name}: the passphrase does not unlock"):
                decrypt(mail, identities)
        assert person.questions == [f"Passphrase for {name}: "] * questions


def test_who_does_not_answer_is_not_asked_again(provide: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal, or with Ctrl-D, one question is enough."""
    folder = provide("bob.p12", "bob.pem", "letter.eml")
    person = Person(None)
    monkeypatch.setattr(passphrases, "ask", person)
    identities = PrivateKeys(("bob.p12",), Passphrases(), ignore_certificates=False).load()
    with pytest.raises(PassphraseError, match=r"^bob\.p12: the private key is locked with a passphrase$"):
        decrypt(_nested(folder), identities)
    assert len(person.questions) == 1


def test_a_key_that_ignores_its_certificate_is_unlocked_for_any_message(
    provide: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be for it, whatever it names; with its certificate it is not, and nothing is asked."""
    folder = provide("locked.key", "carol.pem", "letter.eml")
    sealed = encrypt((folder / "letter.eml").read_bytes(), load_certificates((folder / "carol.pem").read_bytes()))
    for ignored, failure, questions in ((False, NoMatchError, 0), (True, DecryptionError, 1)):
        person = Person(b"open sesame")
        monkeypatch.setattr(passphrases, "ask", person)
        with pytest.raises(failure):
            decrypt(sealed, PrivateKeys(("locked.key",), Passphrases(), ignore_certificates=ignored).load())
        assert len(person.questions) == questions
