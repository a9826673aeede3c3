"""Passwords, tokens and certificates: who can be told from whom, and until when."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from doorward_lab.stack import accounts, tokens
from doorward_lab.stack.authority import Authority

KEY = tokens.generate("k1")
KEYS = tokens.public_keys({"keys": [KEY.jwk()]})


def token(key: tokens.Key = KEY, **claims: Any) -> str:
    """A token that is good, but for what is given."""
    now = int(time.time())
    return tokens.sign(key, {"sub": "u", "aud": "portal", "iat": now, "nbf": now, "exp": now + 60} | claims)


def refused(text: str, **options: Any) -> str:
    """The reason for which a token is refused."""
    with pytest.raises(tokens.BadToken) as bad:
        tokens.verify(text, KEYS, audience="portal", **options)
    return bad.value.reason


def test_a_token_is_good_for_whom_and_when_it_says() -> None:
    """Good now and with tolerable clocks; not after its end, not before its begin, not for others."""
    now = time.time()
    assert "u" == tokens.verify(token(), KEYS, audience="portal")["sub"]
    assert tokens.verify(token(), KEYS, audience="portal", now=now + 60 + tokens.LEEWAY - 2)
    assert "expired" == refused(token(), now=now + 60 + tokens.LEEWAY + 2)
    assert tokens.verify(token(), KEYS, audience="portal", now=now - tokens.LEEWAY + 2)
    assert "early" == refused(token(), now=now - tokens.LEEWAY - 2)
    assert "audience" == refused(token(aud="services"))


def test_only_the_signer_can_sign() -> None:
    """Another key under the same id, an unknown id, no algorithm, changed claims: each is refused as what it is."""
    good = token()
    head, body, signature = good.split(".")
    other = token(sub="admin").split(".")[1]
    assert "signature" == refused(token(tokens.Key("k1", tokens.generate("x").private)))
    assert "unknown-key" == refused(token(tokens.generate("k2")))
    assert "signature" == refused(f"{head}.{other}.{signature}")
    assert "malformed" == refused(f"{head}.{body}")
    assert "unknown-key" == refused("eyJhbGciOiJub25lIn0." + body + ".")


@pytest.mark.parametrize("missing", ["exp", "iat", "nbf", "sub", "aud"])
def test_a_claim_that_is_missing_is_a_refusal(missing: str) -> None:
    """A signed token without an end, a begin, a subject or an audience is refused."""
    now = int(time.time())
    claims = {"sub": "u", "aud": "portal", "iat": now, "nbf": now, "exp": now + 60}
    del claims[missing]
    assert refused(tokens.sign(KEY, claims)) in ("malformed", "audience")


@given(st.text(max_size=60))
def test_any_text_is_refused_as_a_token(text: str) -> None:
    """Texts of anybody are refused, nothing else."""
    assert refused(text) in ("malformed", "unknown-key", "signature")


def test_keys_are_kept_for_their_owner(tmp_path: Path) -> None:
    """Keys that were written are the keys that are read, and nobody else can read them."""
    path = tmp_path / "keys.json"
    tokens.write(path, [KEY, tokens.generate("k2")])

    assert [KEY.jwk()["x"], "k2"] == [tokens.read(path)[0].jwk()["x"], tokens.read(path)[1].kid]
    assert 0o600 == path.stat().st_mode & 0o777


@settings(deadline=None, max_examples=20)
@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20), st.binary(min_size=16, max_size=16))
def test_only_the_password_matches(secret: str, other: str, salt: bytes) -> None:
    """A password matches its own digest and no other's; the salt is part of it."""
    stored = accounts.digest(secret, salt, 2)
    assert accounts.matches(secret, salt, 2, stored)
    assert (secret == other) == accounts.matches(other, salt, 2, stored)
    assert not accounts.matches(secret, bytes(16) if any(salt) else bytes([1] * 16), 2, stored)


def test_the_directory_is_seeded() -> None:
    """The same seed gives the same passwords, another seed others; everybody is a member, few are admins."""
    people = accounts.directory(100)
    assert accounts.password("a", "user-0001") == accounts.password("a", "user-0001")
    assert 200 == len({accounts.password(s, p.name) for s in "ab" for p in people})
    assert (100, 5) == (sum("member" in p.roles for p in people), sum("admin" in p.roles for p in people))


def test_certificates(tmp_path: Path) -> None:
    """A server's certificate is of the lab's root, for its names and addresses, valid now; an expired one differs in
    nothing but its end; keys are for their owner only."""
    authority = Authority(tmp_path)
    ended = datetime.now(UTC) - timedelta(hours=1)
    for label, ends in (("good", None), ("expired", ended)):
        path, key = authority.issue(label, ["portal.example.com", "10.0.0.1", "fd00::1"], ends=ends)
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        root = x509.load_pem_x509_certificate(authority.root.read_bytes())
        certificate.verify_directly_issued_by(root)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert ["portal.example.com"] == names.get_values_for_type(x509.DNSName)
        assert ["10.0.0.1", "fd00::1"] == [str(a) for a in names.get_values_for_type(x509.IPAddress)]
        assert (ends is None) == (certificate.not_valid_after_utc > datetime.now(UTC))
        assert root.not_valid_before_utc < certificate.not_valid_before_utc < certificate.not_valid_after_utc
        assert 0o600 == key.stat().st_mode & 0o777
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, key)
