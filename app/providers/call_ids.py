"""Ids of tool calls, as a provider takes them: the turns of a conversation may come from several."""

import hashlib
import re
import string

_BASE62 = string.digits + string.ascii_letters
_LENGTH = 9  # what Mistral wants, and nobody refuses


def accepted_id(pattern: str | None, identifier: str) -> str:
    """The id if it is all of the pattern, else a digest of it: the same for a call and for its result."""
    if pattern is None or re.fullmatch(pattern, identifier):
        return identifier
    number = int.from_bytes(hashlib.blake2b(identifier.encode(), digest_size=16).digest())
    digits = []
    for _ in range(_LENGTH):
        number, digit = divmod(number, len(_BASE62))
        digits.append(_BASE62[digit])
    return "".join(digits)
