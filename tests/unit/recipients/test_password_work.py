"""What trying a password may cost: for one recipient, for all of a message, and for all passwords together."""

from __future__ import annotations

import pytest

from smime_session import Password, Policy, SessionKey
from smime_session.algorithms import (
    AES_256_CBC,
    DATA,
    ENVELOPED_DATA,
)
from smime_session.cms.pbkdf2 import Pbkdf2
from smime_session.cms.values import AlgorithmIdentifier, EnvelopeHeader
from smime_session.errors import LimitError
from smime_session.operations.candidates import Candidates
from smime_session.profiles import DEFAULT, MAX_PBKDF2_ITERATIONS
from smime_session.recipients import password
from smime_session.recipients.password import PasswordRecipientInfo
from tests.support.passwords import quick
from tests.support.passwords import wrapped as wrapped_info


def test_endless_work_is_refused_at_once() -> None:
    """A count above the limit, which would take a month, is refused before anything is derived."""
    info = password.decode(quick(b"word", SessionKey.generate(32)))._replace(derivation=Pbkdf2(b"", 1 << 40, "SHA-512"))
    with pytest.raises(LimitError):
        Password("word").unwrap([wrapped_info(info)])


def test_work_of_all_recipients_together_is_limited() -> None:
    """Many counts under the limit may not add up to more than it."""
    info = password.decode(quick(b"word", SessionKey.generate(32)))
    half = wrapped_info(info._replace(derivation=Pbkdf2(b"", MAX_PBKDF2_ITERATIONS // 2, "SHA-512")))
    assert Password("word").matching([half, half]) == [half, half]
    with pytest.raises(LimitError, match="all passwords together"):
        Password("word").matching([half, half, wrapped_info(info)])


@pytest.mark.parametrize("count", [2, 16, 255, 600])
def test_work_for_all_recipients_together_is_refused_before_any_is_done(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading holds the limit for the whole message: it is not asked again for each recipient info."""
    derivation = Pbkdf2(bytes(8), MAX_PBKDF2_ITERATIONS, "SHA-256")
    info = PasswordRecipientInfo(derivation, AES_256_CBC, bytes(16), bytes(48))
    header = EnvelopeHeader(ENVELOPED_DATA, 3, (password.encode(info, 32),) * count, DATA, AlgorithmIdentifier("1.2"))
    monkeypatch.setattr(password, "derive", lambda *_: pytest.fail("work was done"))
    with pytest.raises(LimitError, match="for all passwords together"):
        Candidates(header, [Password("a password")], DEFAULT)


@pytest.mark.parametrize(("passwords", "infos"), [(1, 4), (2, 2), (4, 1), (3, 2), (5, 5)])
def test_one_budget_of_work_is_for_all_passwords(passwords: int, infos: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, and however many are tried, all together take no more than the policy allows."""
    spent: list[int] = []

    def noting(_octets: bytearray, derivation: Pbkdf2, size: int) -> SessionKey:
        spent.append(derivation.iterations)
        return SessionKey(bytearray(size))

    monkeypatch.setattr(password, "derive", noting)
    info = PasswordRecipientInfo(Pbkdf2(bytes(8), 1000, "SHA-256"), AES_256_CBC, bytes(16), bytes(48))
    header = EnvelopeHeader(ENVELOPED_DATA, 3, (password.encode(info, 32),) * infos, DATA, AlgorithmIdentifier("1.2"))
    given = [Password(f"number {number}") for number in range(passwords)]
    needed = 1000 * passwords * infos
    with pytest.raises(LimitError) as refused:
        Candidates(header, given, Policy(max_password_iterations=needed - 1))
    words = "the number of PBKDF2's iterations for all passwords together exceeds the limit of"
    assert str(refused.value) == f"{words} {needed - 1:,} (max_password_iterations raises it)"
    assert (refused.value.limit, refused.value.option) == (needed - 1, "max_password_iterations")
    assert not spent
    with Candidates(header, given, Policy(max_password_iterations=needed)) as candidates:
        assert len(candidates.all) == passwords * infos
    assert sum(spent) == needed


def test_a_policy_allows_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that takes more than the default opens if its reader asks for it, and the password stays as it was."""
    word, more = Password("word"), MAX_PBKDF2_ITERATIONS + 1
    monkeypatch.setattr(password, "derive", lambda *_: SessionKey(bytearray(32)))
    info = PasswordRecipientInfo(Pbkdf2(bytes(8), more, "SHA-256"), AES_256_CBC, bytes(16), bytes(48))
    header = EnvelopeHeader(ENVELOPED_DATA, 3, (password.encode(info, 32),), DATA, AlgorithmIdentifier("1.2"))
    with Candidates(header, [word], Policy(max_password_iterations=more)) as candidates:
        assert len(candidates.all) == 1
    with pytest.raises(LimitError) as refused:
        Candidates(header, [word], DEFAULT)
    assert refused.value.option == "max_password_iterations"
