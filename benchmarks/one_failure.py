"""Measure whether the time of a failure tells which one it was.

    python benchmarks/one_failure.py [--rounds N]

For each kind of recipient, a message with AES-CBC fails in three ways: its wrapped key was altered, the same
and the decoy's padding happens to fit, and its content was altered. Whoever sees only the time must not
be able to tell them apart: |t| of Welch's test should stay under 5. What opens takes another time, which is no
secret; with RSAES-PKCS1-v1_5, a decoy whose padding fits opens too. It takes two minutes; leave the machine
alone meanwhile.
"""

from __future__ import annotations

import argparse
import io
import math
import os
import random
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from smime_session import Identity, Profile, Recipient

_MAIL: Final = b"Content-Type: text/plain\r\n\r\nAt eight?\r\n"
_KEPT: Final = 0.8  # of the times, the shortest: what interrupts a process says nothing about the message
_KEY_TYPES: Final = {"RSA": "rsa2048", "P-256": "p256", "X25519": "x25519", "ML-KEM-768": "mlkem768"}


def main() -> None:
    """Measure every kind and print a table."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the package beside this folder
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=4000, metavar="N", help="messages of each kind and failure")
    rounds = parser.parse_args().rounds
    print("| recipient | opens | wrapped key altered | its decoy's padding fits | content altered | largest \\|t\\| |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, recipient, identity, profile in _kinds():
        messages = _messages(recipient, identity, profile)
        times = _times(messages, identity, rounds)
        medians = " | ".join(f"{statistics.median(each) / 1000:.1f} us" for each in times)
        failures = [each for each, message in zip(times, messages, strict=True) if not _opens(message, identity)]
        largest = max(abs(_welch(one, other)) for one in failures for other in failures)
        print(f"| {name} | {medians} | {largest:.1f} |", flush=True)


def _kinds() -> Iterator[tuple[str, Recipient, Identity, Profile]]:
    """Yield each kind of recipient with its name, who reads it, and how it is wrapped for."""
    from dataclasses import replace

    from smime_session import (
        COMPAT,
        MODERN,
        Password,
        PresharedKey,
        load_certificates,
        load_identities,
        new_identity,
        recipient_for,
    )

    cbc = replace(MODERN, content=COMPAT.content)
    for name, key_type in _KEY_TYPES.items():
        made = new_identity("a@example.org", key_type=key_type)
        (identity,) = load_identities(made.private_key_pem + made.certificate_pem)
        for padding, profile in (("OAEP", cbc), ("v1.5", COMPAT)) if name == "RSA" else (("", cbc),):
            recipient = recipient_for(load_certificates(made.certificate_pem)[0], profile=profile)
            yield f"{name} {padding}".strip(), recipient, identity, profile
    password, shared = Password("word", iterations=1000), PresharedKey(bytes(32), b"ours")
    yield "password", password, password, cbc
    yield "shared key", shared, shared, cbc


def _messages(recipient: Recipient, identity: Identity, profile: Profile) -> list[bytes]:
    """Return a message that opens, and the three that do not."""
    from smime_session import encrypt_stream
    from smime_session.cms.envelope import EnvelopeReader
    from smime_session.content import open_whole
    from smime_session.errors import DecryptionError
    from smime_session.profiles import DEFAULT

    target = io.BytesIO()
    encrypt_stream(io.BytesIO(_MAIL), target, [recipient], profile=profile, form="der")
    message = target.getvalue()
    reader = EnvelopeReader(io.BytesIO(message).read, DEFAULT)
    (wrapped,) = reader.header.wrapped_keys
    ciphertext = b"".join(map(bytes, reader.ciphertext()))
    end = message.index(wrapped.encoded) + len(wrapped.encoded)
    altered: dict[bool, bytes] = {}
    while len(altered) < 2:  # noqa: PLR2004  # the padding fits, or it does not
        changed = message[: end - 4] + os.urandom(4) + message[end:]
        wrapped = wrapped._replace(encoded=changed[end - len(wrapped.encoded) : end])
        fits = False
        with suppress(DecryptionError):
            open_whole(reader.parameters, identity.unwrap((wrapped,)), ciphertext, b"")
            fits = True
        altered[fits] = changed
    content = message[:-17] + bytes((message[-17] ^ 1,)) + message[-16:]
    return [message, altered[False], altered[True], content]


def _opens(message: bytes, identity: Identity) -> bool:
    from smime_session import DecryptionError, decrypt

    try:
        decrypt(message, [identity])
    except DecryptionError:
        return False
    return True


def _times(messages: Sequence[bytes], identity: Identity, rounds: int) -> list[list[int]]:
    """Return how long each message took, in nanoseconds, in an order that is drawn anew in every round."""
    times: list[list[int]] = [[] for _ in messages]
    order = list(enumerate(messages))
    for _ in range(rounds):
        random.shuffle(order)
        for index, message in order:
            start = time.perf_counter_ns()
            _opens(message, identity)
            times[index].append(time.perf_counter_ns() - start)
    return [sorted(each)[: int(len(each) * _KEPT)] for each in times]


def _welch(one: Sequence[int], other: Sequence[int]) -> float:
    """Return Welch's t of two samples."""
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / math.sqrt(spread)


if __name__ == "__main__":
    main()
