"""Elliptic curves: make keys, read and write points, agree on a secret."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, x448, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from smime_session import algorithms
from smime_session.errors import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from smime_session.algorithms import Curve
    from smime_session.certificates.public_key import PublicKey

PrivateKey = ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey

NAMED: Final = {curve.name: curve for curve in algorithms.CURVES.values()}
"""The curves by their names, which are the kinds of their keys."""

_EC: Final[dict[Curve, ec.EllipticCurve]] = {
    algorithms.P_256: ec.SECP256R1(),
    algorithms.P_384: ec.SECP384R1(),
    algorithms.P_521: ec.SECP521R1(),
    algorithms.BRAINPOOL_P256R1: ec.BrainpoolP256R1(),
    algorithms.BRAINPOOL_P384R1: ec.BrainpoolP384R1(),
    algorithms.BRAINPOOL_P512R1: ec.BrainpoolP512R1(),
}
_EQUATIONS: Final = {
    algorithms.P_256: (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    ),
    algorithms.P_384: (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    ),
    algorithms.P_521: (
        2**521 - 1,
        0x0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00,
    ),
}
"""The prime p and the number b of each NIST curve: y² = x³ - 3x + b modulo p (FIPS 186-4, D.1.2)."""
_UNCOMPRESSED: Final = 0x04
_ECDH: Final = ec.ECDH()


def is_sound(public_key: PublicKey) -> bool:
    """Tell whether a public key of one of these curves agrees on secrets with others.

    On EC curves any point does: they have no small subgroups. Loading checks that it is one; for points on NIST
    curves a fifth of that time is enough, which counts for the certificates of a whole company.

    Raises:
        CredentialError: it cannot be loaded.
    """
    curve, point = NAMED[public_key.kind], public_key.octets
    if curve in _EQUATIONS and point[:1] == bytes((_UNCOMPRESSED,)):
        return is_on(curve, point)
    key = public_key.loaded()
    if curve.is_parameter:
        return True
    try:
        agreeing(curve, generate(curve))(key)
    except ValueError:  # one of the few with which every private key agrees on zero (RFC 7748, 6)
        return False
    return True


def is_on(curve: Curve, point: bytes) -> bool:
    """Tell whether a point that is not compressed is on a NIST curve."""
    prime, b = _EQUATIONS[curve]
    width = (prime.bit_length() + 7) // 8
    x = int.from_bytes(point[1 : 1 + width], "big")
    y = int.from_bytes(point[1 + width :], "big")
    return len(point) == 1 + 2 * width and x < prime and y < prime and (y * y - (x * x - 3) * x - b) % prime == 0


def generate(curve: Curve) -> PrivateKey:
    """Make a new private key."""
    if curve == algorithms.X25519:
        return x25519.X25519PrivateKey.generate()
    if curve == algorithms.X448:
        return x448.X448PrivateKey.generate()
    return ec.generate_private_key(_EC[curve])


def point_of(private_key: PrivateKey) -> bytes:
    """Return the public key of a private one; a point on an EC curve is not compressed, which all can read."""
    public_key = private_key.public_key()
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return public_key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return public_key.public_bytes_raw()


def agreeing(curve: Curve, private_key: Any) -> Callable[[Any], bytes]:  # noqa: ANN401  # of the curve's type
    """Return the function that agrees on secrets with public keys of the same curve; its caller erases them."""
    return partial(private_key.exchange, _ECDH) if curve.is_parameter else private_key.exchange


def check_point(curve: Curve, point: bytes) -> None:
    """Check that this is a public key of a curve, compressed or not.

    Raises:
        MalformedError: it is none.
    """
    try:
        if curve == algorithms.X25519:
            x25519.X25519PublicKey.from_public_bytes(point)
        elif curve == algorithms.X448:
            x448.X448PublicKey.from_public_bytes(point)
        else:
            ec.EllipticCurvePublicKey.from_encoded_point(_EC[curve], point)
    except ValueError as error:
        raise MalformedError(f"the originator's public key is no point on {curve.name}") from error


def curve_through(point: bytes) -> Curve | None:
    """Return the EC curve on which a point lies, or None: messages mostly leave it to the recipient's certificate."""
    for curve in _EC:
        with suppress(MalformedError):
            check_point(curve, point)
            return curve
    return None
