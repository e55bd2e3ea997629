"""Language: py3langid's naive Bayes over byte n-grams, window by window."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from app.config.policy import LanguageSettings
from app.guard.policy_rails.spans import bounded, version_of
from app.guard.policy_rails.views import View, plain
from app.guard.rail import RailMissing
from app.guard.types import Hit

WINDOW = 1000  # characters; a long text in an allowed language must not hide a passage in another
# What is no language: fenced and inline code, markup, addresses. Possessive, so that nothing is tried twice.
_NO_LANGUAGE = re.compile(
    r"```(?:(?!```)[\s\S]){0,20000}+```|`[^`\n]{1,500}+`|</?[a-zA-Z][^<>]{0,300}+>|"
    r"(?<![a-zA-Z0-9])[a-zA-Z][a-zA-Z0-9+.\-]{1,20}+://\S++|(?<!\S)[^\s@]{1,64}+@\S{1,64}"
)
_LETTER = re.compile(r"[^\W\d_]")


@lru_cache(maxsize=1)
def _identifier() -> Any:
    """The model, once a process: 0.4 s, 60 MB. Its state is only read."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError:
        raise RailMissing("the rail `language` needs py3langid: `pip install py3langid`") from None
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


class LanguageRail:
    """Which language a text is in, of 140."""

    def __init__(self, settings: LanguageSettings) -> None:
        """Raises RailMissing when py3langid is not installed."""
        self._identifier = _identifier()
        self._allowed = frozenset(settings.allow)
        self._least = settings.min_characters
        self.version = version_of(settings, 1)

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Rule: the code of the likeliest language that is not allowed. Score: the probability that it is none of the
        allowed ones. Span: the window; neighbours in one language are one hit."""
        return [bounded(self._in(text), len(text)) for text in texts]

    def _in(self, text: str) -> Iterator[Hit]:
        view = plain(text)
        running: Hit | None = None
        for start, end in _windows(_without_code(view.text), self._least):
            hit = self._judged(view, start, end)
            if running and hit and hit.rule == running.rule:
                running = Hit(hit.rule, max(hit.score, running.score), running.start, hit.end)
                continue
            if running:
                yield running
            running = hit
        if running:
            yield running

    def _judged(self, view: View, start: int, end: int) -> Hit | None:
        ranked = self._identifier.rank(_without_code(view.text[start:end]))
        code, _ = ranked[0]
        if code in self._allowed or code == "zxx":  # "no language": numbers, code, names
            return None
        score = 1.0 - sum(probability for other, probability in ranked if other in self._allowed)
        return Hit(code, min(1.0, max(0.0, score)), *view.span(start, end))


def _without_code(text: str) -> str:
    """Blanks in the place of what is no language."""
    return _NO_LANGUAGE.sub(lambda found: " " * len(found[0]), text)


def _windows(text: str, least: int) -> Iterator[tuple[int, int]]:
    """Parts of about WINDOW characters, cut between words, each with `least` letters; what has fewer goes with the part
    before it, or to nobody when there is none."""
    parts: list[tuple[int, int]] = []
    start = 0
    while start < len(text):
        end = min(len(text), start + WINDOW)
        if end < len(text):
            space = text.rfind(" ", start + WINDOW // 2, end)
            end = space if space > start else end
        enough = len(_LETTER.findall(text, start, end)) >= least
        if enough or not parts:
            parts.append((start, end))
        else:
            parts[-1] = parts[-1][0], end
        start = end
    if parts and len(_LETTER.findall(text, *parts[0])) < least:
        parts.pop(0)
    yield from parts
