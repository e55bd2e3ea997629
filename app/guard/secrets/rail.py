"""The rail for secrets: by what providers say of their tokens, and by the names that values are assigned to."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import re2

from app.config.policy import SecretsSettings
from app.guard.pii.context import encodable
from app.guard.secrets import patterns
from app.guard.secrets.assignments import find_assigned
from app.guard.spans import apart
from app.guard.types import Hit


class SecretsRail:
    """Secrets in texts. Thread-safe; linear in their length."""

    def __init__(self, settings: SecretsSettings) -> None:
        self._tokens = [
            (rule, re2.compile(pattern), needed, score)
            for rule, forms in patterns.TOKENS.items()
            for pattern, needed, score in forms
        ]
        self.version = _revision()

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """For each text its hits in reading order, none of which overlap."""
        return [self._found(encodable(text)) for text in texts]

    def _found(self, text: str) -> list[Hit]:
        hits = list(find_assigned(text))
        for rule, pattern, needed, score in self._tokens:
            if any(part in text for part in needed):
                for match in pattern.finditer(text):
                    start, end = match.span(1)
                    if (
                        (start, end) != match.span()
                        or is_word(text, start, end)
                        or not text[start : start + 1].isalnum()
                    ):
                        hits.append(Hit(rule, score, start, end))
        return apart(hits)


def is_word(text: str, start: int, end: int) -> bool:
    """Whether a token stands by itself, rather than in the middle of a longer one."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (_goes_on(before) or _goes_on(after))


def _goes_on(sign: str) -> bool:
    return sign in ("_", "-") or (sign.isascii() and sign.isalnum())


def _revision() -> str:
    """Of the rail's own source: it has no settings that change what it finds."""
    digest = hashlib.blake2b(digest_size=8)
    for name in ("patterns", "assignments", "code", "rail"):
        digest.update(Path(__file__).with_name(f"{name}.py").read_bytes())
    return digest.hexdigest()
