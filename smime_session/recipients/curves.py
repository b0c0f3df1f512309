"""Elliptic curves: make keys, read and write points, agree on a secret."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smime_session import algorithms
from smime_session.errors import CredentialError, MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smime_session.algorithms import Curve

PrivateKey = ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey
PublicKey = ec.EllipticCurvePublicKey | x25519.X25519PublicKey | x448.X448PublicKey

_EC: Final[dict[Curve, ec.EllipticCurve]] = {
    algorithms.P_256: ec.SECP256R1(),
    algorithms.P_384: ec.SECP384R1(),
    algorithms.P_521: ec.SECP521R1(),
    algorithms.BRAINPOOL_P256R1: ec.BrainpoolP256R1(),
    algorithms.BRAINPOOL_P384R1: ec.BrainpoolP384R1(),
    algorithms.BRAINPOOL_P512R1: ec.BrainpoolP512R1(),
}
_BY_NAME: Final = {each.name: curve for curve, each in _EC.items()}
NAMED: Final = {curve.name: curve for curve in _EC}
"""The EC curves by the names shown to people."""

_EQUATIONS: Final = {
    algorithms.P_256.name: (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    ),
    algorithms.P_384.name: (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    ),
    algorithms.P_521.name: (
        2**521 - 1,
        0x0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00,
    ),
}
"""The prime p and the number b of each NIST curve, by its name: y² = x³ - 3x + b modulo p (FIPS 186-4, D.1.2)."""
_ECDH: Final = ec.ECDH()


def curve_of(key: PublicKey) -> Curve | None:
    """Return the curve of a key, or None if it is not spoken here."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _BY_NAME.get(key.curve.name)
    return algorithms.X25519 if isinstance(key, x25519.X25519PublicKey) else algorithms.X448


def supported(key: PublicKey) -> Curve:
    """Return the curve of a key.

    Raises:
        CredentialError: it is not spoken here.
    """
    curve = curve_of(key)
    if curve is None:
        raise CredentialError(f"the key is on an elliptic curve that is not supported: {name_of(key)}")
    return curve


def name_of(key: PublicKey) -> str:
    """Return the name that the library has for a key's curve, whether or not it is spoken here."""
    return key.curve.name if isinstance(key, ec.EllipticCurvePublicKey) else type(key).__name__


def is_on(curve: Curve, point: bytes) -> bool:
    """Tell whether a point that is not compressed is on a NIST curve, in a fifth of the time that making a key takes.

    Whatever is on it agrees on a secret with any private key: these curves have no small subgroups.
    """
    prime, b = _EQUATIONS[curve.name]
    width = len(point) // 2
    x = int.from_bytes(point[1 : 1 + width], "big")
    y = int.from_bytes(point[1 + width :], "big")
    return x < prime and y < prime and (y * y - (x * x - 3) * x - b) % prime == 0


def generate(curve: Curve) -> PrivateKey:
    """Make a new private key."""
    if curve == algorithms.X25519:
        return x25519.X25519PrivateKey.generate()
    if curve == algorithms.X448:
        return x448.X448PrivateKey.generate()
    return ec.generate_private_key(_EC[curve])


def point_of(key: PublicKey) -> bytes:
    """Return a public key's octets; those of a point on an EC curve are not compressed, which all can read."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return key.public_bytes_raw()


def public_key_from(curve: Curve, point: bytes) -> PublicKey:
    """Read a public key's octets, compressed or not.

    Raises:
        MalformedError: they are no point of the curve.
    """
    try:
        if curve == algorithms.X25519:
            return x25519.X25519PublicKey.from_public_bytes(point)
        if curve == algorithms.X448:
            return x448.X448PublicKey.from_public_bytes(point)
        return ec.EllipticCurvePublicKey.from_encoded_point(_EC[curve], point)
    except ValueError as error:
        raise MalformedError(f"the originator's public key is no point on {curve.name}") from error


def curve_through(point: bytes) -> Curve | None:
    """Return the EC curve on which a point lies, or None: messages mostly leave it to the recipient's certificate."""
    for curve in _EC:
        with suppress(MalformedError):
            public_key_from(curve, point)
            return curve
    return None


def agreeing(curve: Curve, private_key: Any) -> Callable[[Any], bytes]:  # noqa: ANN401  # of the curve's type
    """Return the function that agrees on secrets with public keys of the same curve; whoever calls it erases them."""
    return partial(private_key.exchange, _ECDH) if curve.is_parameter else private_key.exchange
