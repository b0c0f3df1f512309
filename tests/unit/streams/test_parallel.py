"""Work in several threads gives what it gives in one."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from smime_session import MODERN
from smime_session.certificates.public_key import PublicKey
from smime_session.cms.values import SubjectKeyIdentifier
from smime_session.keys.software import private_key
from smime_session.recipients.registry import each, kind_for, summarize, wrap_all
from smime_session.session_key import SessionKey
from smime_session.streams import parallel
from smime_session.streams.parallel import in_parts

if TYPE_CHECKING:
    from collections.abc import Sequence


@pytest.fixture
def processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many processors as anybody wants, and parts as small as can be."""
    monkeypatch.setattr(parallel, "_processors", lambda: 64)
    monkeypatch.setattr(parallel, "_LEAST", 1)


class Work:
    """Doubles numbers, and notes in which parts and threads; ``bad`` numbers fail."""

    def __init__(self, bad: tuple[int, ...] = ()) -> None:
        self.parts: list[list[int]] = []
        self.threads: set[int] = set()
        self._bad = bad

    def __call__(self, part: Sequence[int]) -> list[int]:
        """Double each number of a part."""
        self.parts.append(list(part))
        self.threads.add(threading.get_ident())
        for number in part:
            if number in self._bad:
                raise LookupError(number)
        return [2 * number for number in part]


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 9, 100])
@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_the_parts_are_the_whole(count: int, most: int) -> None:
    """Each item is worked on once, and the results keep their order."""
    work = Work()
    assert in_parts(work, range(count), most) == list(range(0, 2 * count, 2))
    assert sorted(number for part in work.parts for number in part) == list(range(count))
    assert len(work.parts) <= most
    assert (work.threads == {threading.get_ident()}) == (min(most, count) <= 1)


def test_few_items_need_no_thread() -> None:
    """What one thread does in no time stays in the one that asks for it."""
    work = Work()
    in_parts(work, range(2 * parallel._LEAST - 1), 4)
    assert work.threads == {threading.get_ident()}


@pytest.mark.usefixtures("processors")
def test_the_first_failure_is_raised_and_no_thread_stays() -> None:
    """As in one thread, the error is that of the first item that fails."""
    before = threading.active_count()
    with pytest.raises(LookupError, match="3"):
        in_parts(Work(bad=(90, 50, 3)), range(100), 4)
    assert threading.active_count() == before


@pytest.mark.usefixtures("processors")
@pytest.mark.parametrize("key", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())])
def test_each_recipient_gets_the_key_whichever_thread_wraps_it(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    """Wrapped in several threads, the session key is the same for all, who are named in their order."""
    names = [SubjectKeyIdentifier(bytes((number,)) * 20) for number in range(9)]
    public_key = PublicKey.of(key.public_key())
    kind = kind_for(public_key)
    assert kind
    recipients = [kind.recipient(public_key, name, MODERN) for name in names]
    session_key = SessionKey.generate(32)
    wrapped = [one for info in wrap_all(recipients, session_key) for one in each(info)]
    assert [summary.key_identifier for one in wrapped for summary in summarize(one)] == [
        name.value.hex() for name in names
    ]
    identity = kind.identity(private_key(key), None)
    assert [identity.unwrap((one,)) for one in wrapped] == [session_key] * 9
