"""What stands for texts in memory, so that none stays there."""

import hashlib
import secrets


class KeyedDigests:
    """Digests that nobody outside of this object can make, by a key of its own."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(16)

    def of(self, *parts: str) -> str:
        """Of texts in their order; parts do not run into each other."""
        digest = hashlib.blake2b(digest_size=16, key=self._key)
        for part in parts:
            data = part.encode(errors="surrogatepass")
            digest.update(len(data).to_bytes(8, "big") + data)
        return digest.hexdigest()
