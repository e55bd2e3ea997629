"""Keys and tokens as strings: how they are made, hashed and shown.

An API key is `sk-sextant-` and 256 random bits. Only its keyed hash is kept. A batch token says by itself
what it is good for and is signed; the job that runs a batch asks with it in the name of the batch's key.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass

from app.config import Secrets
from app.config.secrets import BATCH_PREFIX

KEY_PREFIX = "sk-sextant-"
MAX_KEY_CHARS = 1024


def new_key() -> str:
    """A key that nobody can guess."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hint(key: str) -> str:
    """What may be shown of it, so that its holder can tell which one it is."""
    return f"{KEY_PREFIX}...{key[-4:]}"


class KeyHasher:
    """BLAKE2b keyed with the stack's secret: who has read the database cannot test guesses."""

    def __init__(self, secrets: Secrets) -> None:
        self._hash_key = _whole(secrets)

    def digest(self, key: str) -> bytes:
        """32 bytes."""
        return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), key=self._hash_key, digest_size=32).digest()


@dataclass(frozen=True, slots=True)
class BatchGrant:
    """What a batch token is good for. `expires_s`: seconds since the epoch."""

    key_id: str
    tenant: str
    batch: str
    expires_s: int


class BatchTokens:
    """Makes and reads `sk-batch-` tokens. Any process that has the stack's secret can do both."""

    def __init__(self, secrets: Secrets) -> None:
        self._hash_key = _whole(secrets)

    def issue(self, key_id: str, tenant: str, batch: str, ttl_s: float) -> str:
        """A token for `ttl_s` from now, by the wall clock: the gateway that judges it may be another machine."""
        claims = json.dumps([key_id, tenant, batch, int(time.time() + ttl_s)]).encode()
        return f"{BATCH_PREFIX}{_encode(claims)}.{_encode(self._sign(claims))}"

    def read(self, token: str) -> BatchGrant | None:
        """The grant, expired or not; None when it is not one of ours."""
        claims, _, signature = token.removeprefix(BATCH_PREFIX).partition(".")
        try:
            signed = _decode(claims)
            genuine = hmac.compare_digest(_decode(signature), self._sign(signed))
        except ValueError:
            return None
        return BatchGrant(*json.loads(signed)) if genuine else None

    def _sign(self, claims: bytes) -> bytes:
        # Its own personalisation: a signature is never the hash of a key.
        return hashlib.blake2b(claims, key=self._hash_key, digest_size=32, person=b"sextant-batch").digest()


def _whole(secrets: Secrets) -> bytes:
    """The stack's secret as BLAKE2b's key, which has 64 bytes at most."""
    return hashlib.blake2b(secrets.hash_key, digest_size=64).digest()


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
