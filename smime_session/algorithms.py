"""Every algorithm that is supported, once: its name, object identifier and sizes.

What may be written is a matter of :mod:`~smime_session.profiles`; ``legacy`` marks what may only
be read, and only when asked for by name.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

DATA: Final = "1.2.840.113549.1.7.1"
SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
ENVELOPED_DATA: Final = "1.2.840.113549.1.7.3"
AUTH_ENVELOPED_DATA: Final = "1.2.840.113549.1.9.16.1.23"
COMPRESSED_DATA: Final = "1.2.840.113549.1.9.16.1.9"

ZLIB: Final = "1.2.840.113549.1.9.16.3.8"
"""The one algorithm that compresses (RFC 3274, 2)."""

CONTENT_TYPES: Final = {
    DATA: "data",
    SIGNED_DATA: "signed-data",
    ENVELOPED_DATA: "enveloped-data",
    "1.2.840.113549.1.7.4": "signed-and-enveloped-data",
    "1.2.840.113549.1.7.5": "digested-data",
    "1.2.840.113549.1.7.6": "encrypted-data",
    "1.2.840.113549.1.9.16.1.2": "authenticated-data",
    COMPRESSED_DATA: "compressed-data",
    AUTH_ENVELOPED_DATA: "auth-enveloped-data",
    "1.2.840.113549.1.9.16.1.4": "tst-info",
}
"""CMS content types by object identifier (RFC 5652, RFC 5083, RFC 3274, RFC 3161), PKCS#7's included."""


class ContentEncryption(NamedTuple):
    """A content-encryption algorithm; every size is in octets.

    Attributes:
        name: the name shown to people.
        oid: the object identifier, dotted.
        mode: ``gcm`` and ``poly1305`` are authenticated and travel in AuthEnvelopedData, ``cbc`` is not.
        key_size: size of the content-encryption key.
        nonce_size: size of the nonce, or of CBC's initialisation vector, that is written.
        tag_size: size of the tag that is written; 0 without authentication.
        block_size: what the content is padded to; 1 where it is not padded.
        cipher: the cipher underneath.
        legacy: whether it is broken by now, so that it is only read and only with ``insecure_legacy``.
    """

    name: str
    oid: str
    mode: Literal["gcm", "poly1305", "cbc"]
    key_size: int
    nonce_size: int
    tag_size: int
    block_size: int
    cipher: Literal["AES", "ChaCha20", "TripleDES", "RC2"] = "AES"
    legacy: bool = False

    @property
    def authenticated(self) -> bool:
        """Whether opening proves that the content was not changed."""
        return self.tag_size > 0


def _gcm(bits: int, arc: int) -> ContentEncryption:
    """RFC 5084, 3.2: 12 octets of nonce; the tag's DEFAULT is 12 octets, 16 are written."""
    return ContentEncryption(f"AES-{bits}-GCM", f"2.16.840.1.101.3.4.1.{arc}", "gcm", bits // 8, 12, 16, 1)


def _cbc(bits: int, arc: int) -> ContentEncryption:
    """RFC 3565, 4.1."""
    return ContentEncryption(f"AES-{bits}-CBC", f"2.16.840.1.101.3.4.1.{arc}", "cbc", bits // 8, 16, 0, 16)


AES_128_GCM: Final = _gcm(128, 6)
AES_192_GCM: Final = _gcm(192, 26)
AES_256_GCM: Final = _gcm(256, 46)
AES_128_CBC: Final = _cbc(128, 2)
AES_192_CBC: Final = _cbc(192, 22)
AES_256_CBC: Final = _cbc(256, 42)

CHACHA20_POLY1305: Final = ContentEncryption(  # RFC 8103, 3
    "ChaCha20-Poly1305", "1.2.840.113549.1.9.16.3.18", "poly1305", 32, 12, 16, 1, "ChaCha20"
)
DES_EDE3_CBC: Final = ContentEncryption(  # RFC 3370, 5.1
    "DES-EDE3-CBC", "1.2.840.113549.3.7", "cbc", 24, 8, 0, 8, "TripleDES", legacy=True
)
RC2_CBC: Final = ContentEncryption(  # RFC 3370, 5.2, with an effective key of 128 bits
    "RC2-CBC", "1.2.840.113549.3.2", "cbc", 16, 8, 0, 8, "RC2", legacy=True
)

CONTENT_ENCRYPTION: Final = {
    algorithm.oid: algorithm
    for algorithm in (
        AES_128_GCM,
        AES_192_GCM,
        AES_256_GCM,
        CHACHA20_POLY1305,
        AES_128_CBC,
        AES_192_CBC,
        AES_256_CBC,
        DES_EDE3_CBC,
        RC2_CBC,
    )
}
"""Content-encryption algorithms by object identifier."""

CEK_HKDF_SHA256_OID: Final = "1.2.840.113549.1.9.16.3.31"
"""Marks a content key that is derived from the session key and the algorithm identifier inside (RFC 9709)."""

RSAES_PKCS1_V1_5_OID: Final = "1.2.840.113549.1.1.1"
RSAES_OAEP_OID: Final = "1.2.840.113549.1.1.7"
MGF1_OID: Final = "1.2.840.113549.1.1.8"
P_SPECIFIED_OID: Final = "1.2.840.113549.1.1.9"
RSASSA_PSS_OID: Final = "1.2.840.113549.1.1.10"
"""Marks RSA keys that only sign (RFC 4055, 1.2)."""

SHA1_OID: Final = "1.3.14.3.2.26"

HashName = Literal["SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512"]

HASHES: Final[dict[str, HashName]] = {
    SHA1_OID: "SHA-1",
    "2.16.840.1.101.3.4.2.4": "SHA-224",
    "2.16.840.1.101.3.4.2.1": "SHA-256",
    "2.16.840.1.101.3.4.2.2": "SHA-384",
    "2.16.840.1.101.3.4.2.3": "SHA-512",
}
"""Hash functions by object identifier."""
HASH_OIDS: Final[dict[HashName, str]] = {name: oid for oid, name in HASHES.items()}

DigestName = Literal[HashName, "MD5", "SHAKE256"]

DIGESTS: Final[dict[str, DigestName]] = {
    **HASHES,
    "1.2.840.113549.2.5": "MD5",
    "2.16.840.1.101.3.4.2.12": "SHAKE256",  # of 64 octets, as Ed448 has it inside (RFC 8419, 3.1)
}
"""Hash functions of what is signed, by object identifier."""
DIGEST_OIDS: Final[dict[DigestName, str]] = {name: oid for oid, name in DIGESTS.items()}
BROKEN_DIGESTS: Final[frozenset[DigestName]] = frozenset({"MD5", "SHA-1"})
"""Those with which others can sign in a signer's place."""


class KeyTransport(NamedTuple):
    """A way to encrypt a content-encryption key with an RSA key (RFC 3370, 4.2.1; RFC 3560).

    Attributes:
        hash: RSAES-OAEP's hash function; None is RSAES-PKCS1-v1_5.
        mgf_hash: the hash function of RSAES-OAEP's mask generation, MGF1.
        label: RSAES-OAEP's label, empty in mail.
    """

    hash: HashName | None = None
    mgf_hash: HashName | None = None
    label: bytes = b""

    @property
    def oid(self) -> str:
        """The object identifier, dotted."""
        return RSAES_OAEP_OID if self.hash else RSAES_PKCS1_V1_5_OID

    @property
    def name(self) -> str:
        """The name shown to people."""
        if self.hash is None:
            return "RSAES-PKCS1-v1_5"
        if self.hash == self.mgf_hash:
            return f"RSAES-OAEP with {self.hash}"
        return f"RSAES-OAEP with {self.hash}, MGF1 with {self.mgf_hash}"


RSAES_PKCS1_V1_5: Final = KeyTransport()
RSAES_OAEP_SHA1: Final = KeyTransport("SHA-1", "SHA-1")
RSAES_OAEP_SHA256: Final = KeyTransport("SHA-256", "SHA-256")
RSAES_OAEP_SHA384: Final = KeyTransport("SHA-384", "SHA-384")
RSAES_OAEP_SHA512: Final = KeyTransport("SHA-512", "SHA-512")

OAEP: Final = (RSAES_OAEP_SHA256, RSAES_OAEP_SHA1, RSAES_OAEP_SHA384, RSAES_OAEP_SHA512)


class SignatureAlgorithm(NamedTuple):
    """A way to sign (RFC 8551, 2.2; RFC 4056; RFC 5753, 2.1; RFC 8419; RFC 9882).

    Attributes:
        scheme: the scheme; EdDSA is Ed25519 or Ed448, and ML-DSA one of three sizes, as the key is.
        hash: the hash function; None is the one that EdDSA and ML-DSA have inside.
        mgf_hash: that of RSASSA-PSS's MGF1, if it is another one.
        salt_size: octets of RSASSA-PSS's salt, if they are not as many as those of the hash.
    """

    scheme: Literal["RSASSA-PKCS1-v1_5", "RSASSA-PSS", "ECDSA", "EdDSA", "ML-DSA"]
    hash: DigestName | None = None
    mgf_hash: HashName | None = None
    salt_size: int | None = None

    @property
    def name(self) -> str:
        """The name shown to people."""
        return f"{self.scheme} with {self.hash}" if self.hash else self.scheme


class KeyWrap(NamedTuple):
    """An algorithm that encrypts a session key with another key (RFC 3394, RFC 3565).

    Attributes:
        name: the name shown to people.
        oid: the object identifier, dotted.
        key_size: octets of the key-encryption key.
    """

    name: str
    oid: str
    key_size: int


AES_128_WRAP: Final = KeyWrap("AES-128 key wrap", "2.16.840.1.101.3.4.1.5", 16)
AES_192_WRAP: Final = KeyWrap("AES-192 key wrap", "2.16.840.1.101.3.4.1.25", 24)
AES_256_WRAP: Final = KeyWrap("AES-256 key wrap", "2.16.840.1.101.3.4.1.45", 32)

KEY_WRAPS: Final = {wrap.oid: wrap for wrap in (AES_128_WRAP, AES_192_WRAP, AES_256_WRAP)}
"""Key wraps by object identifier, the smallest first."""


def key_wrap_for(size: int) -> KeyWrap:
    """Return the key wrap that is no weaker than a session key of ``size`` octets, 32 at most (RFC 8551, 2.3)."""
    return next(wrap for wrap in KEY_WRAPS.values() if wrap.key_size >= size)


class Kem(NamedTuple):
    """A key encapsulation mechanism (RFC 9936; FIPS 203).

    Attributes:
        name: the name shown to people.
        oid: the object identifier, dotted; that of its keys too (RFC 9935, 3).
        ciphertext_size: octets that carry one shared secret.
    """

    name: str
    oid: str
    ciphertext_size: int


ML_KEM_768: Final = Kem("ML-KEM-768", "2.16.840.1.101.3.4.4.2", 1088)
ML_KEM_1024: Final = Kem("ML-KEM-1024", "2.16.840.1.101.3.4.4.3", 1568)

KEM_SECRET_SIZE: Final = 32
"""Octets of the secret that either shares (FIPS 203, 8)."""
KEMS: Final = {kem.oid: kem for kem in (ML_KEM_768, ML_KEM_1024)}
"""Key encapsulation mechanisms by object identifier."""
ML_KEM_512_OID: Final = "2.16.840.1.101.3.4.4.1"
"""Named but not supported: the library underneath has none of its keys."""
ML_KEM_OIDS: Final = frozenset((*KEMS, ML_KEM_512_OID))
RSA_KEM_OID: Final = "1.0.18033.2.2.4"
"""Named but not supported (RFC 9690): it wants RSA's bare private operation."""

KEM_RECIPIENT_OID: Final = "1.2.840.113549.1.9.16.13.3"
"""Marks an OtherRecipientInfo as a KEMRecipientInfo (RFC 9629, 3)."""

HKDFS: Final[dict[str, HashName]] = {
    "1.2.840.113549.1.9.16.3.28": "SHA-256",
    "1.2.840.113549.1.9.16.3.29": "SHA-384",
    "1.2.840.113549.1.9.16.3.30": "SHA-512",
}
"""The hash function of each HKDF by object identifier (RFC 8619)."""
HKDF_OIDS: Final[dict[HashName, str]] = {name: oid for oid, name in HKDFS.items()}

PBKDF2_OID: Final = "1.2.840.113549.1.5.12"
SCRYPT_OID: Final = "1.3.6.1.4.1.11591.4.11"
PBES2_OID: Final = "1.2.840.113549.1.5.13"
PBMAC1_OID: Final = "1.2.840.113549.1.5.14"
PWRI_KEK_OID: Final = "1.2.840.113549.1.9.16.3.9"

PRFS: Final[dict[str, HashName]] = {
    "1.2.840.113549.2.7": "SHA-1",
    "1.3.6.1.5.5.8.1.2": "SHA-1",  # IPsec's name for the same (RFC 3211, appendix A)
    "1.2.840.113549.2.8": "SHA-224",
    "1.2.840.113549.2.9": "SHA-256",
    "1.2.840.113549.2.10": "SHA-384",
    "1.2.840.113549.2.11": "SHA-512",
}
"""The hash function of each HMAC by object identifier (RFC 8018, B.1)."""
PRF_OIDS: Final[dict[HashName, str]] = {name: oid for oid, name in reversed(PRFS.items())}

PASSWORD_CIPHERS: Final = {
    algorithm.oid: algorithm for algorithm in (AES_256_CBC, AES_192_CBC, AES_128_CBC, DES_EDE3_CBC)
}
"""What PWRI-KEK encrypts with, by object identifier (RFC 3211, 2.2; RFC 3565)."""

TRIPLE_DES_WRAP: Final = KeyWrap("Triple-DES key wrap", "1.2.840.113549.1.9.16.3.6", 24)
"""What mail used before AES: only read, and only with ``insecure_legacy`` (RFC 3217)."""


class KeyAgreement(NamedTuple):
    """Elliptic curve Diffie-Hellman with a key derivation (RFC 5753, 7.1.4; RFC 8418, 2).

    Attributes:
        oid: the object identifier, dotted.
        hash: the hash function of the key derivation.
        kdf: which key derivation.
        cofactor: whether the shared point is multiplied by the curve's cofactor, which is 1 for the
            curves here or cleared by their keys: the result is the same.
    """

    oid: str
    hash: HashName
    kdf: Literal["X9.63", "HKDF"] = "X9.63"
    cofactor: bool = False

    @property
    def name(self) -> str:
        """The name shown to people."""
        derivation = f"HKDF-{self.hash}" if self.kdf == "HKDF" else f"{self.hash} KDF"
        return f"{'cofactor ' if self.cofactor else ''}ECDH with {derivation}"


ECDH_SHA256: Final = KeyAgreement("1.3.132.1.11.1", "SHA-256")
ECDH_SHA384: Final = KeyAgreement("1.3.132.1.11.2", "SHA-384")
ECDH_SHA512: Final = KeyAgreement("1.3.132.1.11.3", "SHA-512")
ECDH_HKDF_SHA256: Final = KeyAgreement("1.2.840.113549.1.9.16.3.19", "SHA-256", "HKDF")
ECDH_HKDF_SHA384: Final = KeyAgreement("1.2.840.113549.1.9.16.3.20", "SHA-384", "HKDF")
ECDH_HKDF_SHA512: Final = KeyAgreement("1.2.840.113549.1.9.16.3.21", "SHA-512", "HKDF")

KEY_AGREEMENTS: Final = {
    agreement.oid: agreement
    for agreement in (
        KeyAgreement("1.3.133.16.840.63.0.2", "SHA-1"),
        KeyAgreement("1.3.132.1.11.0", "SHA-224"),
        ECDH_SHA256,
        ECDH_SHA384,
        ECDH_SHA512,
        KeyAgreement("1.3.133.16.840.63.0.3", "SHA-1", cofactor=True),
        KeyAgreement("1.3.132.1.14.0", "SHA-224", cofactor=True),
        KeyAgreement("1.3.132.1.14.1", "SHA-256", cofactor=True),
        KeyAgreement("1.3.132.1.14.2", "SHA-384", cofactor=True),
        KeyAgreement("1.3.132.1.14.3", "SHA-512", cofactor=True),
        ECDH_HKDF_SHA256,
        ECDH_HKDF_SHA384,
        ECDH_HKDF_SHA512,
    )
}
"""Key agreements by object identifier."""


class Curve(NamedTuple):
    """An elliptic curve on which keys are agreed (RFC 5480, RFC 5639, RFC 8410).

    Attributes:
        name: the name shown to people.
        oid: the object identifier, dotted.
        agreement: what is written for its keys (RFC 5753, 8; RFC 8418, 6).
    """

    name: str
    oid: str
    agreement: KeyAgreement

    @property
    def is_parameter(self) -> bool:
        """Whether ``oid`` is a parameter of id-ecPublicKey; for others it is the key's algorithm itself."""
        return self not in (X25519, X448)


P_256: Final = Curve("P-256", "1.2.840.10045.3.1.7", ECDH_SHA256)
P_384: Final = Curve("P-384", "1.3.132.0.34", ECDH_SHA384)
P_521: Final = Curve("P-521", "1.3.132.0.35", ECDH_SHA512)
BRAINPOOL_P256R1: Final = Curve("brainpoolP256r1", "1.3.36.3.3.2.8.1.1.7", ECDH_SHA256)
BRAINPOOL_P384R1: Final = Curve("brainpoolP384r1", "1.3.36.3.3.2.8.1.1.11", ECDH_SHA384)
BRAINPOOL_P512R1: Final = Curve("brainpoolP512r1", "1.3.36.3.3.2.8.1.1.13", ECDH_SHA512)
X25519: Final = Curve("X25519", "1.3.101.110", ECDH_HKDF_SHA256)
X448: Final = Curve("X448", "1.3.101.111", ECDH_HKDF_SHA512)

CURVES: Final = {
    curve.oid: curve
    for curve in (P_256, P_384, P_521, BRAINPOOL_P256R1, BRAINPOOL_P384R1, BRAINPOOL_P512R1, X25519, X448)
}
"""Elliptic curves by object identifier."""

EC_PUBLIC_KEY_OID: Final = "1.2.840.10045.2.1"

OTHER_NAMES: Final = {
    "1.2.840.113549.3.4": "RC4",
    "1.3.14.3.2.7": "DES-CBC",
    "1.2.840.113533.7.66.10": "CAST5-CBC",
    "1.2.392.200011.61.1.1.1.4": "Camellia-256-CBC",
    "1.2.392.200011.61.1.1.1.2": "Camellia-128-CBC",
    "1.2.392.200011.61.1.1.1.3": "Camellia-192-CBC",
    **{f"1.2.410.200046.1.1.{kind}": f"ARIA-{bits}-CBC" for kind, bits in ((2, 128), (7, 192), (12, 256))},
    "1.2.410.200004.1.4": "SEED-CBC",
    "1.3.6.1.4.1.3029.1.2": "Blowfish-CBC",
    "1.3.6.1.4.1.188.7.1.1.2": "IDEA-CBC",
    "1.2.840.113549.2.4": "MD4",
    "1.2.840.113549.3.9": "RC5-CBC",
    "1.2.840.113549.2.6": "HMAC-MD5",
    "1.2.840.113549.2.12": "HMAC-SHA-512/224",
    "1.2.840.113549.2.13": "HMAC-SHA-512/256",
    "2.16.840.1.101.3.4.1.3": "AES-128-OFB",
    "2.16.840.1.101.3.4.1.4": "AES-128-CFB",
    "2.16.840.1.101.3.4.1.7": "AES-128-CCM",
    "2.16.840.1.101.3.4.1.27": "AES-192-CCM",
    "2.16.840.1.101.3.4.1.43": "AES-256-OFB",
    "2.16.840.1.101.3.4.1.44": "AES-256-CFB",
    "2.16.840.1.101.3.4.1.47": "AES-256-CCM",
    CEK_HKDF_SHA256_OID: "CEK-HKDF-SHA256",
    "1.2.840.113549.1.9.16.3.5": "ephemeral-static Diffie-Hellman",
    PWRI_KEK_OID: "PWRI-KEK",
    KEM_RECIPIENT_OID: "KEMRecipientInfo",
    TRIPLE_DES_WRAP.oid: TRIPLE_DES_WRAP.name,
    "1.2.840.113549.1.9.16.3.7": "RC2 key wrap",
    PBKDF2_OID: "PBKDF2",
    SCRYPT_OID: "scrypt",
    ML_KEM_512_OID: "ML-KEM-512",
    RSA_KEM_OID: "RSA-KEM",
    "1.2.840.113549.1.9.16.3.14": "RSA-KEM as RFC 5990 has it",
    "1.3.133.16.840.9.44.1.1": "KDF2",
    "1.3.133.16.840.9.44.1.2": "KDF3",
    RSASSA_PSS_OID: "RSASSA-PSS",
    PBES2_OID: "PBES2",
    PBMAC1_OID: "PBMAC1",
    "1.2.840.113549.1.5.1": "PBE with MD2 and DES",  # RFC 8018, A.3
    "1.2.840.113549.1.5.3": "PBE with MD5 and DES",
    "1.2.840.113549.1.5.4": "PBE with MD2 and RC2",
    "1.2.840.113549.1.5.6": "PBE with MD5 and RC2",
    "1.2.840.113549.1.5.10": "PBE with SHA-1 and DES",
    "1.2.840.113549.1.5.11": "PBE with SHA-1 and RC2",
    "1.2.840.113549.1.12.1.1": "PBE with SHA-1 and RC4 of 128 bits",  # RFC 7292, C
    "1.2.840.113549.1.12.1.2": "PBE with SHA-1 and RC4 of 40 bits",
    "1.2.840.113549.1.12.1.3": "PBE with SHA-1 and Triple-DES",
    "1.2.840.113549.1.12.1.4": "PBE with SHA-1 and Triple-DES of two keys",
    "1.2.840.113549.1.12.1.5": "PBE with SHA-1 and RC2 of 128 bits",
    "1.2.840.113549.1.12.1.6": "PBE with SHA-1 and RC2 of 40 bits",
}
"""Names of what is met in the field but not supported, for errors and inspection."""


def name_of(oid: str) -> str | None:
    """Return the usual name of an algorithm or content type, or None if it is not known here."""
    if algorithm := CONTENT_ENCRYPTION.get(oid) or KEY_WRAPS.get(oid) or KEMS.get(oid) or KEY_AGREEMENTS.get(oid):
        return algorithm.name
    if oid == RSAES_PKCS1_V1_5_OID:
        return "RSAES-PKCS1-v1_5"
    if oid == RSAES_OAEP_OID:
        return "RSAES-OAEP"
    return OTHER_NAMES.get(oid) or HASHES.get(oid) or CONTENT_TYPES.get(oid)
