"""A session key that its user knowingly saves: it opens one message, without any private key.

For a legal hold, an audit, an archive that outlives a private key. What is saved is tied to its
message by a fingerprint, so that it opens that one and no other; docs/session-key.md describes the
file. Its holder can read the message.
"""

from __future__ import annotations

import json
from binascii import a2b_base64, b2a_base64
from typing import TYPE_CHECKING, BinaryIO, Final, NoReturn, Self

from smime_session.algorithms import CONTENT_ENCRYPTION
from smime_session.arguments import check_octets
from smime_session.errors import CredentialError
from smime_session.mail.objects import source_of
from smime_session.memory import erase
from smime_session.operations.candidates import Candidates
from smime_session.operations.opening import begin, mark_of, open_content
from smime_session.profiles import DEFAULT, Policy
from smime_session.session_key import FORMAT, Proof, SessionKey
from smime_session.streams.sources import Replay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from email.message import Message
    from typing import Any

    from smime_session.algorithms import ContentEncryption
    from smime_session.recipients.registry import Identity

VERSION: Final = 1
MAX_FILE_SIZE: Final = 4096  # octets: a file has about 300

_FIELDS: Final = ("format", "version", "algorithm", "algorithm_oid", "key", "message_sha256")
_FINGERPRINT_SIZE: Final = 32


class SavedSessionKey:
    """The session key of one message: an identity of that message and of no other.

    It takes no part in ``repr``, pickling or copying, and is wiped like a session key, at the end of
    a ``with`` block too.

    Args:
        key: the key; the object takes it as its own.
        algorithm: how the content is sealed with it.
        fingerprint: of the message (:attr:`~smime_session.operations.opening.Opening.fingerprint`).
    """

    __slots__ = ("_key", "algorithm", "fingerprint")

    def __init__(self, key: SessionKey, algorithm: ContentEncryption, fingerprint: bytes) -> None:
        self._key = key
        self.algorithm = algorithm
        self.fingerprint = fingerprint

    def unwrap(self, _wrapped: Sequence[object]) -> SessionKey:
        """Return a copy of the key, whatever the recipients; opening checks that it is the right one.

        Raises:
            CredentialError: it was wiped.
        """
        self._check()
        return SessionKey(
            bytearray(self._key.material), proof=Proof.CHECKED, message=mark_of(self.algorithm, self.fingerprint)
        )

    def to_json(self) -> bytes:
        """Return what is to be saved, readable only for whom the message is.

        Raises:
            CredentialError: it was wiped.
        """
        self._check()
        values = (FORMAT, VERSION, self.algorithm.name, self.algorithm.oid, "", self.fingerprint.hex())
        text = json.dumps(dict(zip(_FIELDS, values, strict=True)), indent=2) + "\n"
        before, field, after = text.encode().partition(b'"key": "')
        encoded = b2a_base64(self._key.material, newline=False)
        whole = b"".join((before, field, encoded, after))
        erase(encoded)
        return whole

    def wipe(self) -> None:
        """Overwrite the key; it opens nothing from then on."""
        self._key.wipe()

    def _check(self) -> None:
        if not self._key:
            raise CredentialError("the saved session key was wiped")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.wipe()

    def __str__(self) -> str:
        return f"a saved session key of {self.algorithm.key_size * 8} bits"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.algorithm.name}, message {self.fingerprint.hex()[:16]}>"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a saved session key can be neither pickled nor copied")


def export_session_key(
    message: Message[Any, Any] | bytes | BinaryIO, identities: Iterable[Identity], *, policy: Policy = DEFAULT
) -> SavedSessionKey:
    """Return the session key of a message, proven by opening all of its content.

    Args:
        message: a mail, or (as bytes or a binary file) a bare CMS object in DER, BER, PEM or base64.
        identities: who may read it; all that match are tried.
        policy: what is accepted.

    Raises:
        MessageError: it is no envelope, broken, not supported or against the policy.
        NoMatchError: it is addressed to none of the identities.
        OtherMessageError: an identity is a saved session key of another message.
        DecryptionError: it did not open.
        TypeError: it is neither a message nor a binary file.
    """
    with Replay(source_of(message)) as replay:
        reading = begin(replay, policy)
        with Candidates(reading.reader.header, tuple(identities), policy) as candidates:
            opening = open_content(reading, candidates.all, strict=True, fingerprint=True)
            key = SessionKey(bytearray(opening.candidate.key.material))
        return SavedSessionKey(key, reading.reader.parameters.algorithm, opening.fingerprint)


def load_session_key(data: bytes) -> SavedSessionKey:
    """Read what :meth:`SavedSessionKey.to_json` wrote.

    Raises:
        CredentialError: it is something else, in another version, or broken.
        TypeError: it is not octets, in whatever buffer.
    """
    check_octets(data, "what a file holds")
    found = _read(bytes(data))
    del data  # a traceback that shows local variables would show the key
    if isinstance(found, str):
        raise CredentialError(found)
    return found


def _read(data: bytes) -> SavedSessionKey | str:
    """Return the key, or what is wrong; raises nothing, because an exception would have the octets with it."""
    pairs = _pairs(data)
    if problem := _problem(pairs):
        return problem
    values = dict(pairs)
    algorithm = CONTENT_ENCRYPTION[str(values["algorithm_oid"])]
    fingerprint = _decoded(values["message_sha256"], bytes.fromhex, bytes.hex)
    if fingerprint is None or len(fingerprint) != _FINGERPRINT_SIZE:
        return f"the fingerprint of the message is not {2 * _FINGERPRINT_SIZE} hexadecimal digits"
    key = _decoded(values["key"], a2b_base64, lambda octets: b2a_base64(octets, newline=False).decode())
    if key is None or len(key) != algorithm.key_size:
        return f"the saved session key is not {algorithm.key_size} bytes in base64, as {algorithm.name} takes"
    return SavedSessionKey(SessionKey.adopt(key), algorithm, fingerprint)


def _pairs(data: bytes) -> list[tuple[str, object]]:
    """Return the pairs of a JSON object, in their order and each as often as it is there; none if it is no object."""
    if len(data) > MAX_FILE_SIZE:
        return []
    try:
        found = json.loads(data.decode("ascii"), object_pairs_hook=tuple)  # arrays stay lists
    except (ValueError, RecursionError):
        return []
    return list(found) if isinstance(found, tuple) else []


def _problem(pairs: list[tuple[str, object]]) -> str | None:
    """Say what is wrong with all but the key and the fingerprint, or None if nothing is."""
    if ("format", FORMAT) not in pairs:
        return "the file holds no saved session key"
    values = dict(pairs)
    if type(values.get("version")) is not int or values["version"] != VERSION:  # True is 1 too
        return f"the session key is saved in a version of the format that is not supported: only version {VERSION} is"
    if sorted(name for name, _ in pairs) != sorted(_FIELDS):
        return f"the saved session key does not have the fields {', '.join(_FIELDS)}, each once and no others"
    algorithm = CONTENT_ENCRYPTION.get(str(values["algorithm_oid"]))
    if algorithm is None or values["algorithm"] != algorithm.name:
        return "the saved session key names a content-encryption algorithm that is not known here"
    return None


def _decoded(text: object, decode: Callable[[str], bytes], encode: Callable[[bytes], str]) -> bytes | None:
    """Decode text that is just as encoding makes it; None if it is anything else."""
    if not isinstance(text, str):
        return None
    try:
        octets = decode(text)
    except ValueError:
        return None
    return octets if encode(octets) == text else None
