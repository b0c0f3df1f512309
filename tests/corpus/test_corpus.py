"""Other programs' envelopes: every one opens with its key, or fails for a reason that is written down here.

The corpus is data beside the repository; the fixture ``corpus`` says where. Each row of its manifest is
a test, so that what fails is named by its file.
"""

from __future__ import annotations

import csv
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from smime_session import (
    CredentialError,
    DecryptionError,
    Identity,
    MessageError,
    NoMatchError,
    NotEnvelopeError,
    Password,
    Policy,
    PolicyError,
    PresharedKey,
    SmimeError,
    UnsupportedAlgorithmError,
    decrypt,
    inspect,
    load_identities,
)
from tests.conftest import CORPUS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

LENIENT: Final = Policy(insecure_legacy=True)


class Unspoken(NamedTuple):
    """Why rows do not open.

    Attributes:
        rows: matches them, written as content algorithm, key management and path.
        error: what opening raises.
        words: what it says.
        field: the form of the message that does not open; both if not given.
    """

    rows: str
    error: type[SmimeError]
    words: str
    field: str = ""


UNSPOKEN: Final = (
    Unspoken(r"rc4 ", UnsupportedAlgorithmError, r"RC4 \(1.2.840.113549.3.4\)"),
    Unspoken(r"des-cbc ", UnsupportedAlgorithmError, r"DES-CBC \(1.3.14.3.2.7\)"),
    Unspoken(r"rc2-cbc .*(rc2-40|rc2-64|/5\.2\.bin)", UnsupportedAlgorithmError, "RC2-CBC with a short key"),
    Unspoken(r".*multipart-alternative", NotEnvelopeError, "one of which is an S/MIME object", "mail"),
)
"""Rows that open elsewhere and not here; one that opens after all fails its test, so that it leaves this table."""


@dataclass(frozen=True)
class Row:
    """A row of the manifest.

    Attributes:
        columns: its values by column.
        field: ``path`` for the bare CMS object, ``mail`` for the message as its source had it.
    """

    columns: dict[str, str]
    field: str

    def __getitem__(self, column: str) -> str:
        return self.columns[column]

    def __str__(self) -> str:
        return self[self.field]

    @property
    def unspoken(self) -> Unspoken | None:
        """Why it does not open, or None if it must."""
        described = f"{self['content_alg']} {self['keymgmt_alg']} {self['path']}"
        return next(
            (each for each in UNSPOKEN if each.field in ("", self.field) and re.match(each.rows, described)), None
        )

    @property
    def legacy(self) -> bool:
        """Whether it needs algorithms that are only read when asked for."""
        return bool(re.match(r"des-ede3|rc2", self["content_alg"])) or "3des-wrap" in self["keymgmt_alg"]

    def identities(self, corpus: Path) -> list[Identity]:
        """Return what opens it: its private key, shared key or password."""
        if self["key"]:
            return load_identities((corpus / self["key"]).read_bytes())
        if self["password"].startswith("kek-hex:"):
            return [PresharedKey(bytes.fromhex(self["password"].removeprefix("kek-hex:")), b"\xc0\xfe\xe0")]
        return [Password(self["password"])] if self["password"] else []

    def data(self, corpus: Path) -> bytes:
        """Return the message."""
        return (corpus / str(self)).read_bytes()

    def plaintext(self, corpus: Path) -> bytes:
        """Return what is inside."""
        return (corpus / self["plaintext"]).read_bytes()


def _rows() -> list[Row]:
    manifest = CORPUS_FOLDER / "MANIFEST.tsv"
    if not manifest.is_file():
        return []
    with manifest.open(encoding="utf-8", newline="") as file:
        columns = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [Row(each, field) for each in columns for field in ("path", "mail") if each[field]]


ROWS: Final = _rows()
OPENING: Final = [row for row in ROWS if row["expect"] == "opens" and not row.unspoken]
FAILING: Final = [row for row in ROWS if row["expect"] == "opens" and row.unspoken]
REFUSED: Final = [row for row in ROWS if row["expect"] != "opens"]


def _each(rows: Iterable[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", list(rows), ids=str)


def _assert_opens(row: Row, corpus: Path, identities: list[Identity], policy: Policy = LENIENT) -> None:
    """Check the plaintext, to the octet where the message is a bare CMS object."""
    expected = row.plaintext(corpus)
    assert hashlib.sha256(expected).hexdigest() == row["plaintext_sha256"]
    found = decrypt(row.data(corpus), identities, policy=policy)
    if found.form == "mail":  # the entity inside follows the outer fields, with their line endings
        assert found.message.replace(b"\r\n", b"\n").endswith(expected.replace(b"\r\n", b"\n"))
    else:
        assert hashlib.sha256(found.message).hexdigest() == row["plaintext_sha256"]
    assert found.authenticated == row["kind"].startswith("AuthEnvelopedData")


def test_the_corpus_is_there(corpus: Path) -> None:
    """The manifest has rows of all three kinds, and every reason here is that of some row."""
    assert corpus == CORPUS_FOLDER
    assert len(OPENING) > 80
    assert REFUSED
    assert {row.unspoken for row in FAILING} == set(UNSPOKEN)


@_each(OPENING)
def test_it_opens_with_its_key(corpus: Path, row: Row) -> None:
    """A message opens with the key alone, without a certificate, and gives its very plaintext."""
    _assert_opens(row, corpus, row.identities(corpus))


@_each(row for row in OPENING if row["keymgmt_alg"].startswith("ktri"))
def test_it_opens_among_other_keys(corpus: Path, row: Row) -> None:
    """A message opens with its key among all RSA keys that stand in its folder, in file order."""
    files = sorted((corpus / row["key"]).parent.glob("rsa-*.pem")) if row["key"] else []
    identities = [identity for path in files for identity in load_identities(path.read_bytes())]
    _assert_opens(row, corpus, identities or row.identities(corpus))


@_each(row for row in OPENING if row.legacy)
def test_legacy_ciphers_open_only_when_asked_for(corpus: Path, row: Row) -> None:
    """What is sealed or wrapped with a broken cipher is refused without ``insecure_legacy``, which the error names."""
    with pytest.raises(PolicyError) as caught:
        decrypt(row.data(corpus), row.identities(corpus))
    assert caught.value.option == "insecure_legacy"


@_each(row for row in OPENING if not row.legacy)
def test_everything_else_opens_by_default(corpus: Path, row: Row) -> None:
    """What is not broken needs no permission."""
    _assert_opens(row, corpus, row.identities(corpus), Policy())


@_each(FAILING)
def test_what_is_not_spoken_is_named(corpus: Path, row: Row) -> None:
    """A message that does not open here fails with the reason that is written down for it."""
    assert row.unspoken is not None
    with pytest.raises(row.unspoken.error, match=row.unspoken.words):
        decrypt(row.data(corpus), row.identities(corpus), policy=LENIENT)


@_each(REFUSED)
def test_what_must_not_open_is_refused(corpus: Path, row: Row) -> None:
    """A malformed or altered message, or one whose key cannot be used, does not open, with its key or any other."""
    try:
        identities = row.identities(corpus)
    except CredentialError as error:
        assert "ML-KEM-512" in str(error)  # noqa: PT017  # some keys load, and these must not
        identities = []
    others = sorted(corpus.glob("*/keys/rsa-*.pem"))
    identities += [identity for path in others for identity in load_identities(path.read_bytes())]
    with pytest.raises((MessageError, NoMatchError, DecryptionError)):
        decrypt(row.data(corpus), identities, policy=LENIENT)


@_each(ROWS)
def test_it_can_be_inspected(corpus: Path, row: Row) -> None:
    """What a message says to anybody agrees with the manifest; what is no envelope is named."""
    if (row.unspoken and row.unspoken.error is NotEnvelopeError) or "unparsed" in row["kind"]:
        with pytest.raises(MessageError):
            inspect(row.data(corpus))
        return
    found = inspect(row.data(corpus))
    assert found.content_type == ("auth-enveloped-data" if "AuthEnvelopedData" in row["kind"] else "enveloped-data")
    assert (found.encoding == "BER") or "BER" not in row["kind"]
    assert found.has_originator_info == ("originatorInfo" in row["kind"])
    techniques = {"ktri": "key transport", "kari": "key agreement", "kekri": "pre-shared key", "pwri": "password"}
    techniques["kemri"] = "key encapsulation"
    for part, recipient in zip(row["keymgmt_alg"].split("; "), found.recipients, strict=False):
        technique = techniques.get(part.partition(":")[0])
        assert technique in (None, recipient.summary.technique)
    if match := re.fullmatch(r"aes(\d+)-(cbc|gcm)", row["content_alg"]):
        assert found.content.algorithm == f"AES-{match[1]}-{match[2].upper()}"
        assert found.content.key_bits == int(match[1])
