"""Mail programs: what is known of how each opens an envelope, as tables of rules over public fields.

Of the rules for a program the first that applies decides. ``yes`` and ``no`` were run, documented or
reported, each with its source in ``docs/clients.md``. Where no rule applies nobody has shown it, and
the answer is ``unknown``. The programs are current versions; what an older one lacks, the reason says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Literal, NamedTuple, TypeVar

from smime_session.algorithms import CURVES, ML_KEM_OIDS, RSAES_OAEP_OID, RSAES_PKCS1_V1_5_OID

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = Literal["yes", "no", "unknown"]

_DEFAULT_TAG_SIZE: Final = 12  # octets: RFC 5084, 3.2


class ContentTraits(NamedTuple):
    """What decides about the content.

    Attributes:
        name: the algorithm's name.
        cipher: what is underneath, or None for an algorithm that is not spoken here.
        mode: how it is used.
        key_bits: size of its key.
        tag_size: octets of its tag.
        derived: whether its key is derived from the session key (RFC 9709).
        techniques: those of all recipients, because some programs read no message that has one they do not know.
    """

    name: str
    cipher: str | None
    mode: str | None
    key_bits: int | None
    tag_size: int | None
    derived: bool
    techniques: frozenset[str]


class KeyTraits(NamedTuple):
    """What decides about a recipient.

    Attributes:
        name: the algorithm's name, or the technique's.
        oid: the algorithm's object identifier.
        technique: as in a recipient's summary.
        curve: the elliptic curve, by name.
        by_key_identifier: whether the recipient is named by key identifier.
        follows: whether another recipient stands before it in the same recipient info.
        broken: whether it cannot be read here.
    """

    name: str
    oid: str | None
    technique: str
    curve: str | None
    by_key_identifier: bool
    follows: bool
    broken: bool


TraitsT = TypeVar("TraitsT", ContentTraits, KeyTraits)


class Rule(NamedTuple, Generic[TraitsT]):
    """One thing that is known of a program.

    Attributes:
        applies: to what.
        opens: whether it opens that.
        reason: why, in words that follow on the program's name or stand alone.
    """

    applies: Callable[[TraitsT], bool]
    opens: Answer
    reason: str


@dataclass(frozen=True, slots=True)
class Client:
    """A family of mail programs.

    Attributes:
        name: what they are called.
        content: what is known of how it opens content; the first rule that applies decides.
        keys: the same of how it unwraps session keys.
    """

    name: str
    content: tuple[Rule[ContentTraits], ...]
    keys: tuple[Rule[KeyTraits], ...]


# --- what rules look at ------------------------------------------------------------------------


def _aes_cbc(content: ContentTraits) -> bool:
    return (content.cipher, content.mode) == ("AES", "cbc") and not content.derived


def _aes_128_cbc(content: ContentTraits) -> bool:
    return _aes_cbc(content) and content.key_bits == 128  # noqa: PLR2004  # as the name says


def _gcm(content: ContentTraits) -> bool:
    return content.mode == "gcm" and not content.derived


def _gcm_with_default_tag(content: ContentTraits) -> bool:
    return _gcm(content) and content.tag_size == _DEFAULT_TAG_SIZE


def _authenticated(content: ContentTraits) -> bool:
    return content.mode in {"gcm", "poly1305"}


def _chacha20(content: ContentTraits) -> bool:
    return content.mode == "poly1305"


def _triple_des(content: ContentTraits) -> bool:
    return content.cipher == "TripleDES" and not content.derived


def _rc2(content: ContentTraits) -> bool:
    return content.cipher == "RC2" and not content.derived


def _derived(content: ContentTraits) -> bool:
    return content.derived


def _beside_unknown_kinds(content: ContentTraits) -> bool:
    return not content.techniques.isdisjoint({"password", "key encapsulation", "other", "unknown"})


def _broken(key: KeyTraits) -> bool:
    return key.broken


def _pkcs1(key: KeyTraits) -> bool:
    return key.oid == RSAES_PKCS1_V1_5_OID


def _pkcs1_by_serial(key: KeyTraits) -> bool:
    return _pkcs1(key) and not key.by_key_identifier


def _oaep(key: KeyTraits) -> bool:
    return key.oid == RSAES_OAEP_OID


def _by_key_identifier(key: KeyTraits) -> bool:
    return key.by_key_identifier


def _follows(key: KeyTraits) -> bool:
    return key.follows


def _nist(key: KeyTraits) -> bool:
    return key.curve is not None and key.curve.startswith("P-")


def _brainpool(key: KeyTraits) -> bool:
    return key.curve is not None and key.curve.startswith("brainpool")


def _short_weierstrass(key: KeyTraits) -> bool:
    return key.curve in {curve.name for curve in CURVES.values() if curve.is_parameter}


def _agreed(key: KeyTraits) -> bool:
    return key.technique == "key agreement" and key.curve is not None


def _ml_kem(key: KeyTraits) -> bool:
    return key.oid in ML_KEM_OIDS


def _shared(key: KeyTraits) -> bool:
    return key.technique == "pre-shared key"


def _password(key: KeyTraits) -> bool:
    return key.technique == "password"


# --- what is known -----------------------------------------------------------------------------

_DEMANDED: Final = "S/MIME demands RSAES-PKCS1-v1_5 of its readers"
_NO_DERIVATION: Final = "it derives no content key from the session key (RFC 9709)"
_BROKEN_RULE: Final = Rule(_broken, "unknown", "a recipient cannot be read here")

CLASSIC_OUTLOOK: Final = Client(
    "classic Outlook",
    (
        Rule(_authenticated, "no", "it does not open authenticated content (AuthEnvelopedData)"),
        Rule(_aes_cbc, "yes", "AES-CBC is what it writes itself"),
        Rule(_triple_des, "yes", "3DES is what it wrote itself for years"),
    ),
    (_BROKEN_RULE, Rule(_pkcs1_by_serial, "yes", _DEMANDED)),
)
NEW_OUTLOOK: Final = Client(
    "new Outlook and Outlook on the web",
    (
        Rule(_aes_cbc, "yes", "AES-CBC is among what it writes itself"),
        Rule(_triple_des, "yes", "3DES is among what it writes itself"),
        Rule(_rc2, "yes", "RC2 is among what it writes itself"),
        Rule(_gcm, "unknown", "it writes AES-256-GCM itself, but nobody has shown that it opens AES-GCM"),
    ),
    (_BROKEN_RULE, Rule(_pkcs1, "yes", _DEMANDED)),
)
APPLE_MAIL: Final = Client(
    "Apple Mail",
    (
        Rule(_aes_cbc, "yes", "S/MIME 3.1, which it follows, has AES-CBC"),
        Rule(_triple_des, "yes", "S/MIME 3.1, which it follows, demands 3DES"),
    ),
    (_BROKEN_RULE, Rule(_pkcs1_by_serial, "yes", _DEMANDED)),
)
THUNDERBIRD: Final = Client(
    "Thunderbird",
    (
        Rule(
            _beside_unknown_kinds,
            "no",
            "its library reads no message that has a recipient of a kind it does not know, as by password or ML-KEM",
        ),
        Rule(_derived, "no", _NO_DERIVATION),
        Rule(_aes_cbc, "yes", "its library opens AES-CBC"),
        Rule(_gcm, "yes", "its library opens AES-GCM: NSS 3.132 does, 3.87 did not"),
        Rule(_chacha20, "no", "its library does not know ChaCha20-Poly1305"),
        Rule(_triple_des, "yes", "its library opens 3DES"),
        Rule(_rc2, "yes", "its library opens RC2"),
    ),
    (
        _BROKEN_RULE,
        Rule(_pkcs1, "yes", _DEMANDED),
        Rule(_oaep, "yes", "its library opens RSAES-OAEP since NSS 3.100"),
        Rule(_nist, "yes", "its library agrees on keys on NIST curves since NSS 3.100"),
        Rule(_brainpool, "no", "its library does not agree on keys on Brainpool curves"),
        Rule(_shared, "no", "it has no way to be given a pre-shared key"),
    ),
)
GMAIL: Final = Client(
    "Gmail",
    (Rule(_aes_128_cbc, "yes", "S/MIME 3.2, which it follows, demands AES-128-CBC"),),
    (_BROKEN_RULE, Rule(_pkcs1_by_serial, "yes", _DEMANDED)),
)
GPGSM: Final = Client(
    "gpgsm",
    (
        Rule(_derived, "no", _NO_DERIVATION),
        Rule(_aes_cbc, "yes", "it opens AES-CBC"),
        Rule(_gcm_with_default_tag, "unknown", "it opens a tag of 12 octets only if the message leaves its size out"),
        Rule(_gcm, "no", "it opens AES-GCM only with a tag of 12 octets"),
        Rule(_chacha20, "no", "it does not know ChaCha20-Poly1305"),
        Rule(_triple_des, "yes", "it opens 3DES"),
        Rule(_rc2, "no", "it does not know RC2"),
    ),
    (
        _BROKEN_RULE,
        Rule(_by_key_identifier, "no", "it finds no recipient that is named by key identifier"),
        Rule(_pkcs1, "yes", _DEMANDED),
        Rule(_oaep, "no", "it does not know RSAES-OAEP"),
        Rule(_follows, "no", "it finds only the first of the recipients that share an ephemeral key"),
        Rule(_short_weierstrass, "yes", "it agrees on keys on NIST and Brainpool curves since GnuPG 2.3"),
        Rule(_password, "yes", "it opens messages for passwords"),
        Rule(_shared, "no", "it has no way to be given a pre-shared key"),
        Rule(_ml_kem, "no", "it does not know ML-KEM in messages"),
    ),
)
OPENSSL: Final = Client(
    "OpenSSL",
    (
        Rule(_derived, "no", _NO_DERIVATION),
        Rule(_aes_cbc, "yes", "it opens AES-CBC"),
        Rule(_gcm_with_default_tag, "unknown", "it opens a tag of 12 octets only if the message writes its size out"),
        Rule(_gcm, "yes", "its cms command opens AES-GCM, its smime command does not"),
        Rule(_chacha20, "no", "it does not know ChaCha20-Poly1305 in messages"),
        Rule(_triple_des, "yes", "it opens 3DES"),
        Rule(_rc2, "yes", "it opens RC2 with -provider legacy"),
    ),
    (
        _BROKEN_RULE,
        Rule(_pkcs1, "yes", _DEMANDED),
        Rule(_oaep, "yes", "it opens RSAES-OAEP"),
        Rule(_short_weierstrass, "yes", "it agrees on keys on NIST and Brainpool curves"),
        Rule(_agreed, "no", "it agrees on keys on NIST and Brainpool curves only"),
        Rule(_shared, "yes", "it opens messages for pre-shared keys"),
        Rule(_password, "yes", "it opens messages for passwords"),
        Rule(_ml_kem, "yes", "it knows ML-KEM since OpenSSL 3.6"),
    ),
)

CLIENTS: Final = (CLASSIC_OUTLOOK, NEW_OUTLOOK, APPLE_MAIL, THUNDERBIRD, GMAIL, GPGSM, OPENSSL)
"""The families that are judged, in this order."""
