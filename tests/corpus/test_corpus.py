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
from smime_session.mail.reunion import begins_like_entity
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
    """

    rows: str
    error: type[SmimeError]
    words: str


UNSPOKEN: Final = (
    Unspoken(r"rc4 ", UnsupportedAlgorithmError, r"RC4 \(1.2.840.113549.3.4\)"),
    Unspoken(r"des-cbc ", UnsupportedAlgorithmError, r"DES-CBC \(1.3.14.3.2.7\)"),
    Unspoken(r"rc2-cbc .*(rc2-40|rc2-64|/5\.2\.bin)", UnsupportedAlgorithmError, "RC2-CBC with a short key"),
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
        return next((each for each in UNSPOKEN if re.match(each.rows, described)), None)

    @property
    def legacy(self) -> bool:
        """Whether it needs algorithms that are only read when asked for."""
        return bool(re.match(r"des-ede3|rc2", self["content_alg"])) or "3des-wrap" in self["keymgmt_alg"]

    @property
    def identities(self) -> list[Identity]:
        """What opens it: its private key, shared key or password."""
        if self["key"]:
            return load_identities((CORPUS_FOLDER / self["key"]).read_bytes())
        if self["password"].startswith("kek-hex:"):
            return [PresharedKey(bytes.fromhex(self["password"].removeprefix("kek-hex:")), b"\xc0\xfe\xe0")]
        return [Password(self["password"])] if self["password"] else []

    @property
    def data(self) -> bytes:
        """The message."""
        return (CORPUS_FOLDER / str(self)).read_bytes()

    @property
    def plaintext(self) -> bytes:
        """What is inside."""
        return (CORPUS_FOLDER / self["plaintext"]).read_bytes()


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


def _assert_opens(row: Row, identities: list[Identity], policy: Policy = LENIENT) -> None:
    """Check the plaintext, to the octet where the message is a bare CMS object."""
    expected = row.plaintext
    assert hashlib.sha256(expected).hexdigest() == row["plaintext_sha256"]
    found = decrypt(row.data, identities, policy=policy)
    if found.form == "mail":  # the entity inside follows the outer fields, with their line endings
        message, entity = (each.replace(b"\r\n", b"\n") for each in (found.message, expected))
        assert entity in message if found.parts else message.endswith(entity)  # of several parts, in its place
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
def test_it_opens_with_its_key(row: Row) -> None:
    """A message opens with the key alone, without a certificate, and gives its very plaintext."""
    _assert_opens(row, row.identities)


# Content that is no mail cannot be told from what CBC makes of a wrong key, once in 256 times.
@_each(row for row in OPENING if row["keymgmt_alg"].startswith("ktri") and begins_like_entity(row.plaintext))
def test_it_opens_among_other_keys(row: Row) -> None:
    """A mail opens with its key among all RSA keys that stand in its folder, in file order."""
    files = sorted((CORPUS_FOLDER / row["key"]).parent.glob("rsa-*.pem"))
    _assert_opens(row, [identity for path in files for identity in load_identities(path.read_bytes())])


@_each(row for row in OPENING if row.legacy)
def test_legacy_ciphers_open_only_when_asked_for(row: Row) -> None:
    """What is sealed or wrapped with a broken cipher is refused without ``insecure_legacy``, which the error names."""
    with pytest.raises(PolicyError) as caught:
        decrypt(row.data, row.identities)
    assert caught.value.option == "insecure_legacy"


@_each(row for row in OPENING if not row.legacy)
def test_everything_else_opens_by_default(row: Row) -> None:
    """What is not broken needs no permission."""
    _assert_opens(row, row.identities, Policy())


@_each(FAILING)
def test_what_is_not_spoken_is_named(row: Row) -> None:
    """A message that does not open here fails with the reason that is written down for it."""
    assert row.unspoken is not None
    with pytest.raises(row.unspoken.error, match=row.unspoken.words):
        decrypt(row.data, row.identities, policy=LENIENT)


@_each(row for row in REFUSED if row["key"])
def test_keys_that_cannot_be_used_are_refused(row: Row) -> None:
    """A key of a kind that is not spoken says so when it is loaded, and its message is for nobody else."""
    with pytest.raises(CredentialError, match="ML-KEM-512 keys are not supported"):
        load_identities((CORPUS_FOLDER / row["key"]).read_bytes())
    with pytest.raises(NoMatchError):
        decrypt(row.data, [], policy=LENIENT)


@_each(row for row in REFUSED if row["password"])
def test_altered_messages_are_refused(row: Row) -> None:
    """A message whose attributes were altered does not open with the very key that it is for."""
    with pytest.raises(DecryptionError):
        decrypt(row.data, row.identities, policy=LENIENT)


@_each(row for row in REFUSED if not row["key"] and not row["password"])
def test_malformed_messages_are_refused(row: Row) -> None:
    """A message whose structure or parameters are broken is refused as such, whoever tries to open it."""
    every_key = sorted(CORPUS_FOLDER.glob("*/keys/*.pem"))
    identities = [identity for path in every_key for identity in load_identities(path.read_bytes())]
    with pytest.raises(MessageError):
        decrypt(row.data, identities, policy=LENIENT)


@_each(ROWS)
def test_it_can_be_inspected(row: Row) -> None:
    """What a message says to anybody agrees with the manifest; what is no envelope is named."""
    if "unparsed" in row["kind"]:
        with pytest.raises(MessageError):
            inspect(row.data)
        return
    found = inspect(row.data)
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
