"""The vaults of conversations and facts at rest: AES-256-GCM, with a key that is the stack's own (HKDF, RFC 5869).

The additional data are the tenant and the id, so that no row's vault can be read as another's.
"""

import os
from collections.abc import Mapping

import orjson

from app.errors import Unavailable

NONCE_BYTES = 12
INFO = b"sextant memory vault 1"


class VaultCipher:
    """Encrypts what placeholders stand for."""

    def __init__(self, hash_key: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        self._cipher = AESGCM(HKDF(SHA256(), 32, salt=None, info=INFO).derive(hash_key))

    def seal(self, tenant: str, owner: str, vault: Mapping[str, str]) -> bytes | None:
        """`owner`: the id of the conversation or fact. None for an empty vault."""
        if not vault:
            return None
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, orjson.dumps(dict(vault)), _about(tenant, owner))

    def open(self, tenant: str, owner: str, sealed: bytes | None) -> dict[str, str]:
        """Raises Unavailable for what was sealed with another key, for another row, or is no vault."""
        if sealed is None:
            return {}
        from cryptography.exceptions import InvalidTag

        try:
            plain = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _about(tenant, owner))
        except (InvalidTag, ValueError) as error:
            raise Unavailable("The memory cannot be read with this stack's secret.") from error
        vault: dict[str, str] = orjson.loads(plain)
        return vault


def _about(tenant: str, owner: str) -> bytes:
    return orjson.dumps((tenant, owner))
