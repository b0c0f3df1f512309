"""Mail programs: what is known of how each opens an envelope, as tables of rules over public fields.

The rules about content are here; those about recipients are with their kinds
(:meth:`~smime_session.recipients.kind.Kind.client_rules`). Of the rules for a program the first that
applies decides. ``yes`` and ``no`` were run, documented or reported, each with its source in
``docs/clients.md``. Where no rule applies, it is untested, and the answer is ``unknown``. The programs
are current versions; what an older one lacks, the reason says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from smime_session.recipients.client_rules import Rule

if TYPE_CHECKING:
    from smime_session.recipients.client_rules import KeyRule, KeyTraits

_DEFAULT_TAG_SIZE: Final = 12  # octets: RFC 5084, 3.2


class ContentTraits(NamedTuple):
    """What decides about the content.

    Attributes:
        name: the algorithm's name.
        cipher: what is underneath, or None for an algorithm that is not supported.
        mode: how it is used.
        key_bits: size of its key.
        tag_size: bytes of its tag.
        derived: whether its key is derived from the session key (RFC 9709).
    """

    name: str
    cipher: str | None
    mode: str | None
    key_bits: int | None
    tag_size: int | None
    derived: bool


class Client(NamedTuple):
    """A family of mail programs.

    Attributes:
        name: what they are called.
        content: what is known of how it opens content; the first rule that applies decides.
        keys: what is known of how it unwraps session keys, whatever kind of recipient they are for.
        strictness: why it opens no message that has a recipient of a kind that it does not know; None if it does.
    """

    name: str
    content: tuple[Rule[ContentTraits], ...]
    keys: tuple[KeyRule, ...] = ()
    strictness: str | None = None


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


def _by_key_identifier(key: KeyTraits) -> bool:
    return key.by_key_identifier


# --- what is known -----------------------------------------------------------------------------

_AES_CBC: Final = "it opens AES-CBC"
_TRIPLE_DES: Final = "it opens 3DES"
_NO_DERIVATION: Final = "it derives no content key from the session key (RFC 9709)"

CLASSIC_OUTLOOK: Final = Client(
    "classic Outlook",
    (
        Rule(_authenticated, "no", "it does not open authenticated content (AuthEnvelopedData)"),
        Rule(_aes_cbc, "yes", "AES-CBC is what it writes itself"),
        Rule(_triple_des, "yes", "3DES is what it wrote itself for years"),
    ),
)
NEW_OUTLOOK: Final = Client(
    "new Outlook and Outlook on the web",
    (
        Rule(_aes_cbc, "yes", "AES-CBC is among what it writes itself"),
        Rule(_triple_des, "yes", "3DES is among what it writes itself"),
        Rule(_rc2, "yes", "RC2 is among what it writes itself"),
        Rule(_gcm, "unknown", "it writes AES-256-GCM itself; whether it opens AES-GCM is untested"),
    ),
)
APPLE_MAIL: Final = Client(
    "Apple Mail",
    (
        Rule(_aes_cbc, "yes", "S/MIME 3.1, which it follows, has AES-CBC"),
        Rule(_triple_des, "yes", "S/MIME 3.1, which it follows, demands 3DES"),
    ),
)
THUNDERBIRD: Final = Client(
    "Thunderbird",
    (
        Rule(_authenticated, "no", "it shows an empty window in place of authenticated content (AuthEnvelopedData)"),
        Rule(_derived, "no", _NO_DERIVATION),
        Rule(_aes_cbc, "yes", _AES_CBC),
        Rule(_triple_des, "yes", _TRIPLE_DES),
        Rule(_rc2, "yes", "it opens RC2"),
    ),
    strictness="it opens no message that has a recipient of a kind it does not know, as by password or ML-KEM",
)
GMAIL: Final = Client(
    "Gmail",
    (Rule(_aes_128_cbc, "yes", "S/MIME 3.2, which it follows, demands AES-128-CBC"),),
)
MUTT: Final = Client(
    "Mutt and NeoMutt with OpenSSL",
    (
        Rule(_authenticated, "no", "it does not try to decrypt authenticated content (AuthEnvelopedData)"),
        Rule(_derived, "no", _NO_DERIVATION),
        Rule(_aes_cbc, "yes", _AES_CBC),
        Rule(_triple_des, "yes", _TRIPLE_DES),
        Rule(_rc2, "no", "it does not open RC2 as it is set up"),
    ),
)
GPGSM: Final = Client(
    "gpgsm",
    (
        Rule(_derived, "no", _NO_DERIVATION),
        Rule(_aes_cbc, "yes", _AES_CBC),
        Rule(_gcm_with_default_tag, "unknown", "it opens a tag of 12 bytes only if the message leaves its size out"),
        Rule(_gcm, "no", "it opens AES-GCM only with a tag of 12 bytes"),
        Rule(_chacha20, "no", "it does not know ChaCha20-Poly1305"),
        Rule(_triple_des, "yes", _TRIPLE_DES),
        Rule(_rc2, "no", "it does not know RC2"),
    ),
    (Rule(_by_key_identifier, "no", "it finds no recipient that is named by key identifier"),),
)
OPENSSL: Final = Client(
    "OpenSSL",
    (
        Rule(_derived, "no", _NO_DERIVATION),
        Rule(_aes_cbc, "yes", _AES_CBC),
        Rule(_gcm_with_default_tag, "unknown", "it opens a tag of 12 bytes only if the message writes its size out"),
        Rule(_gcm, "yes", "its cms command opens AES-GCM, its smime command does not"),
        Rule(_chacha20, "no", "it does not know ChaCha20-Poly1305 in messages"),
        Rule(_triple_des, "yes", _TRIPLE_DES),
        Rule(_rc2, "yes", "it opens RC2 with -provider legacy"),
    ),
)

CLIENTS: Final = (CLASSIC_OUTLOOK, NEW_OUTLOOK, APPLE_MAIL, THUNDERBIRD, GMAIL, MUTT, GPGSM, OPENSSL)
"""The families in the order in which they are shown."""
