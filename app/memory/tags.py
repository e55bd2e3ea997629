"""By what end users are known here, and in traces: keyed hashes. Their names are often addresses."""

import hashlib
from collections.abc import Sequence

import orjson

CONVERSATION, USER, CUSTOMER_USER, TENANT = (
    "sextant.conversation",
    "sextant.user",
    "sextant.customer_user",
    "sextant.tenant",
)


class Tags:
    """Nobody can guess a name from a tag without the stack's key (BLAKE2b, 16 bytes, hex)."""

    def __init__(self, hash_key: bytes) -> None:
        # BLAKE2b takes a key of at most 64 bytes.
        self._key = hashlib.blake2b(b"memory:" + hash_key, digest_size=64).digest()

    def user(self, tenant: str, user: str) -> str:
        """An end user of a tenant, whichever customer's."""
        return self._digest(("user", tenant, user))

    def customer_user(self, tenant: str, customer: str | None, end_user: str) -> str:
        """An end user (by its tag) as one customer of the tenant knows it."""
        return self._digest(("customer_user", tenant, customer, end_user))

    def _digest(self, parts: Sequence[str | None]) -> str:
        return hashlib.blake2b(orjson.dumps(parts), key=self._key, digest_size=16).hexdigest()
