"""Who may ask: API keys, compared by keyed hash in constant time."""

import hashlib
import hmac

from app.config import Secrets
from app.errors import Unauthenticated
from app.pipeline.flight import Caller


class Keyring:
    """The keys that are valid. Only their hashes are kept."""

    def __init__(self, secrets: Secrets) -> None:
        self._hash_key = hashlib.blake2b(secrets.hash_key, digest_size=64).digest()
        self._callers = {self._digest(secrets.api_key): Caller(tenant="default", key_id="default")}

    def authenticate(self, authorization: str | None) -> Caller:
        """The caller behind an `Authorization` header. Raises Unauthenticated."""
        scheme, _, key = (authorization or "").partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key:
            raise Unauthenticated("No API key. Send it as 'Authorization: Bearer <key>'.")
        offered = self._digest(key)
        found = None
        # Every known hash is compared, so that time tells nothing about which one was near.
        for known, caller in self._callers.items():
            if hmac.compare_digest(known, offered):
                found = caller
        if found is None:
            raise Unauthenticated("This API key is not valid.")
        return found

    def _digest(self, key: str) -> bytes:
        return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), key=self._hash_key, digest_size=32).digest()
