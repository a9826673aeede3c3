"""Signed tokens: JSON Web Tokens (RFC 7519) with Ed25519 (RFC 8037), keys with ids, the public ones as a JWK set.

Lives here: keys, signing, verifying. Not here: who gets a token (login), who asks for one (portal, users).
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM = "EdDSA"
AUDIENCE_USER = "portal"  # of users' tokens
AUDIENCE_SERVICE = "services"  # of machines' tokens
LEEWAY = 30.0  # seconds by which clocks of a healthy fleet may differ


class BadToken(Exception):
    """The token is not to be trusted; `reason` is one word for logs and metrics."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Key:
    """A signing key and its id."""

    kid: str
    private: Ed25519PrivateKey

    def jwk(self) -> dict[str, str]:
        """The public half, as RFC 8037 writes it."""
        raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": self.kid, "use": "sig", "alg": ALGORITHM}


def generate(kid: str) -> Key:
    """A new key."""
    return Key(kid, Ed25519PrivateKey.generate())


def write(path: Path, keys: list[Key]) -> None:
    """Store the private keys, readable by their owner only; the first one signs."""
    raw = [
        {
            "kid": key.kid,
            "d": key.private.private_bytes(
                serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
            ).hex(),
        }
        for key in keys
    ]
    path.touch(mode=0o600)
    path.write_text(json.dumps(raw))


def read(path: Path) -> list[Key]:
    """Read what `write` stored."""
    return [
        Key(item["kid"], Ed25519PrivateKey.from_private_bytes(bytes.fromhex(item["d"])))
        for item in json.loads(path.read_text())
    ]


def sign(key: Key, claims: Mapping[str, Any]) -> str:
    """A token over these claims."""
    return jwt.encode(dict(claims), key.private, algorithm=ALGORITHM, headers={"kid": key.kid})


def key_id(token: str) -> str:
    """The key id that the token names. Raises `BadToken`."""
    try:
        return str(jwt.get_unverified_header(token).get("kid", ""))
    except jwt.PyJWTError as error:
        raise BadToken("malformed", str(error)) from error


def public_keys(jwks: Mapping[str, Any]) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JWK set, by id; others are passed over."""
    keys = {}
    for item in jwks.get("keys", ()):
        if item.get("kty") == "OKP" and item.get("crv") == "Ed25519":
            raw = base64.urlsafe_b64decode(item["x"] + "=" * (-len(item["x"]) % 4))
            keys[str(item["kid"])] = Ed25519PublicKey.from_public_bytes(raw)
    return keys


def verify(
    token: str, keys: Mapping[str, Ed25519PublicKey], *, audience: str, now: float | None = None
) -> dict[str, Any]:
    """The claims of a token that is signed by one of `keys`, for this audience, and valid at `now` (Unix seconds).

    Raises `BadToken`: unknown-key, signature, expired, early (not yet valid: a clock is wrong), audience, malformed.
    """
    kid = key_id(token)
    if kid not in keys:
        raise BadToken("unknown-key", f"the token is signed by key {kid!r}, expected one of {sorted(keys)}")
    # The library compares times with this machine's clock; a service of the lab may have another.
    options: Any = {"require": ["exp", "iat", "nbf", "sub", "aud"]}
    options |= dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat"), False)
    try:
        claims: dict[str, Any] = jwt.decode(
            token, keys[kid], algorithms=[ALGORITHM], audience=audience, options=options
        )
        expires, begins = float(claims["exp"]), max(float(claims["nbf"]), float(claims["iat"]))
    except jwt.InvalidSignatureError as error:
        raise BadToken("signature", str(error)) from error
    except jwt.InvalidAudienceError as error:
        raise BadToken("audience", str(error)) from error
    except (jwt.PyJWTError, TypeError, ValueError) as error:
        raise BadToken("malformed", str(error)) from error
    at = time.time() if now is None else now
    if at >= expires + LEEWAY:
        raise BadToken("expired", f"the token expired {at - expires:.0f} s ago")
    if at < begins - LEEWAY:
        raise BadToken("early", f"the token is valid in {begins - at:.0f} s only; a clock is wrong")
    return claims
