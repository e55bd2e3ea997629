"""Purges: what was kept before one must not be found after it, on any replica, nor by a write that was under way.

The store holds a token for each tenant that was ever purged, and one for all of them; a purge exchanges it. A record
names the tokens of its time, and is only good as long as they are those in force. They are read together with each
record from the store, and every half second for what lies in memory.
"""

import secrets
from collections.abc import Iterable

ALL = "sextant:exact:purged"


def token_name(owner: str | None) -> str:
    """The name of an owner's token in the store; None: of the one for all."""
    return ALL if owner is None else f"{ALL}:{owner}"


def owner_of(name: str) -> str | None:
    """The owner whose token bears the name; None: everybody."""
    return name.removeprefix(ALL).removeprefix(":") or None


def new_token() -> bytes:
    """A token that was never before: one that the store has lost cannot come again by counting."""
    return secrets.token_bytes(8)


class Purges:
    """The tokens in force, as far as this process knows. One that is unknown stands for "never"."""

    def __init__(self) -> None:
        self._tokens: dict[str, bytes] = {}
        self.changes = 0

    def epoch(self, owner: str) -> str:
        """What the records of an owner must name now."""
        # In hex: whatever bytes somebody has put there, they are a token.
        return ".".join(self._tokens.get(token_name(whose), b"").hex() for whose in (None, owner))

    def learn(self, read: Iterable[tuple[str, bytes | None]], since: int) -> set[str | None]:
        """Take over tokens, by name, that were read from the store; the owners whose token has changed.

        `since`: `changes` when the reading began. Answers overtake each other: where another change has been learned
        meanwhile, what was read may be the older, and changes nothing; the next reading tells.
        """
        changed = {name: token or b"" for name, token in read if (token or b"") != self._tokens.get(name, b"")}
        if not changed or since != self.changes:
            return set()
        self.changes += 1
        self._tokens |= changed
        return {owner_of(name) for name in changed}
