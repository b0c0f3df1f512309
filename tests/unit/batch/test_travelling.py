"""Work that is sent to processes that inherit nothing: all of it arrives, and private keys leave by intent alone."""

from __future__ import annotations

import pickle
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import pytest

import smime_session
from smime_session import (
    BatchError,
    NewIdentity,
    Password,
    PresharedKey,
    decrypt,
    encrypt,
    load_identities,
    load_recipients,
    new_identity,
)
from smime_session.batch import (
    Cluster,
    Credentials,
    FolderSource,
    FolderTarget,
    Item,
    Journal,
    TravellingWork,
    fresh_processes,
    journal_beside,
    run,
)
from tests.support.batching import written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAIL = b"From: alice@example.org\r\nTo: bob@example.org\r\nSubject: Hello\r\n\r\nHello Bob\r\n"
KEYS = ("rsa2048", "p256", "brainpoolp384r1", "x25519", "x448", "mlkem768")


class Opening(NamedTuple):
    """Decrypts."""

    identities: Sequence[smime_session.Identity]

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        """Decrypt a message."""
        del item
        target.write(decrypt(source.read(), self.identities).message)


class Sealing(NamedTuple):
    """Encrypts."""

    recipients: Sequence[smime_session.Recipient]

    def __call__(self, item: Item, source: BinaryIO, target: BinaryIO) -> None:
        """Encrypt a message."""
        del item
        target.write(encrypt(source.read(), self.recipients))


@cache
def _bob(kind: str, passphrase: bytes | None = None) -> NewIdentity:
    return new_identity("bob@example.org", key_type=kind, passphrase=passphrase)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("bare", [False, True])
def test_a_private_key_of_each_kind_arrives(kind: str, *, bare: bool) -> None:
    """What was packed and unpacked opens a message, whether the key came with a certificate or alone."""
    bob = _bob(kind)
    identities = load_identities(bob.private_key_pem + (b"" if bare else bob.certificate_pem))
    work = TravellingWork(Opening(identities), private_keys=True).released()
    arrived = pickle.loads(pickle.dumps(work))()  # noqa: S301  # ours
    message = encrypt(MAIL, load_recipients(bob.certificate_pem))
    assert decrypt(message, arrived.identities).message == decrypt(message, identities).message


@pytest.mark.parametrize("kind", KEYS)
def test_recipients_of_each_kind_arrive(kind: str) -> None:
    """No private key is in them, and so nothing is to be released."""
    bob = _bob(kind)
    work = TravellingWork(Sealing(load_recipients(bob.certificate_pem)))
    assert not work.holds_private_keys
    arrived = pickle.loads(pickle.dumps(work))()  # noqa: S301  # ours
    message = encrypt(MAIL, arrived.recipients)
    assert decrypt(message, load_identities(bob.private_key_pem)).message.endswith(b"Hello Bob\r\n")


@pytest.mark.parametrize("secret", ["a password", "a shared key", "a private key"])
def test_secrets_leave_by_intent_alone(secret: str) -> None:
    """They are refused where they are not expected, and before they were released; no text of ours shows them."""
    holders: dict[str, smime_session.Identity] = {
        "a password": Password("correct horse battery staple"),
        "a shared key": PresharedKey(b"k" * 32, b"name"),
        "a private key": load_identities(_bob("p256").private_key_pem)[0],
    }
    holder = holders[secret]
    with pytest.raises(BatchError, match="only for what reads"):
        TravellingWork(Opening([holder]))
    work = TravellingWork(Opening([holder]), private_keys=True)
    assert work.holds_private_keys
    with pytest.raises(BatchError, match="released"):
        pickle.dumps(work)
    assert repr(work) == "<TravellingWork with private keys>"
    assert repr(work.released()) == repr(work)
    with pytest.raises(TypeError, match=r"pickle"):
        pickle.dumps(holder)
    assert type(pickle.loads(pickle.dumps(work.released()))().identities[0]) is type(holder)  # noqa: S301  # ours


def test_what_cannot_travel_is_refused() -> None:
    """A function that only this process has cannot be named elsewhere."""
    with pytest.raises(BatchError, match="cannot be sent"):
        TravellingWork(lambda _item, _source, _target: None)


def test_another_version_unpacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the classes of another version are, a worker cannot know."""
    work = TravellingWork(Sealing(()))
    monkeypatch.setattr("smime_session.batch.travelling.__version__", "0.0.0")
    with pytest.raises(BatchError, match=r"a worker has smime-session 0\.0\.0"):
        work()


def test_processes_that_inherit_nothing_get_keys_through_a_pipe(tmp_path: Path) -> None:
    """As where there is no fork: what is released is unpacked once in each process."""
    bob = _bob("rsa2048")
    sealed = encrypt(MAIL, load_recipients(bob.certificate_pem))
    source = FolderSource(str(written(tmp_path / "in", {f"{number}.eml": sealed for number in range(20)})))
    work = Opening(load_identities(bob.private_key_pem))
    prepare = TravellingWork(work, private_keys=True).released()
    with Journal(journal_beside(tmp_path / "out")) as journal:
        tally = run(
            source,
            FolderTarget(str(tmp_path / "out")),
            work,
            journal,
            jobs=1,
            executor=fresh_processes,
            prepare=prepare,
        )
    assert (tally.done, tally.failed) == (20, 0)
    assert {path.read_bytes()[-11:] for path in (tmp_path / "out").glob("*.eml")} == {b"Hello Bob\r\n"}


@pytest.mark.parametrize(
    ("address", "credentials", "words"),
    [
        ("tls://127.0.0.1:1", None, "wants TLS"),
        ("tcp://127.0.0.1:1", Credentials("ca.pem", "node.pem", "node.key"), "is without"),
        ("127.0.0.1:8786", None, "no address of a cluster"),
    ],
)
def test_an_address_and_its_credentials_go_together(address: str, credentials: Credentials | None, words: str) -> None:
    """What contradicts itself is refused before anything is connected."""
    with pytest.raises(BatchError, match=words):
        Cluster(address, credentials)


def test_private_keys_go_to_no_cluster_without_tls() -> None:
    """That is so before it is connected, too."""
    with Cluster("tcp://127.0.0.1:1") as cluster:
        cluster.check(TravellingWork(Sealing(())))
        with pytest.raises(BatchError, match="only through TLS"):
            cluster.check(TravellingWork(Opening([Password("secret")]), private_keys=True))
