"""Validators of Guardrails AI (guardrails-ai, Apache-2.0): one a rail."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from app.config.policy import GuardrailsAiSettings
from app.guard.policy_rails.hook import load, source_of
from app.guard.policy_rails.spans import bounded, version_of, whole
from app.guard.rail import RailMissing
from app.guard.types import Hit

_NOT_A_NAME = re.compile(r"[^\w.-]+")


class GuardrailsAiRail:
    """Calls the validator's `validate(text, metadata)`, not a Guard around it: the policy decides what follows."""

    def __init__(self, settings: GuardrailsAiSettings) -> None:
        """Raises RailMissing when the package or the validator is not installed, or its arguments do not fit."""
        try:
            from guardrails.settings import settings as globally  # type: ignore[import-not-found, unused-ignore] # an extra
            from guardrails.version import GUARDRAILS_VERSION  # type: ignore[import-not-found, unused-ignore] # same
        except ImportError:
            raise RailMissing(
                "the rail `guardrails_ai` needs Guardrails AI: `pip install 'sextant[guardrails-ai]'`"
            ) from None
        # It reports each inference to its makers unless told otherwise.
        globally.rc.enable_metrics = False
        kind = load(settings.validator, "guardrails_ai")
        try:
            self._validator = kind(**settings.arguments)
        except Exception as error:
            raise RailMissing(
                f"the rail `guardrails_ai` cannot construct {settings.validator}: {type(error).__name__}: {error}; see "
                "`arguments`"
            ) from error
        if not callable(getattr(self._validator, "validate", None)):
            raise RailMissing(f"the rail `guardrails_ai`: {settings.validator} is no validator: it has no `validate`")
        alias = str(getattr(self._validator, "rail_alias", "") or settings.validator.rpartition(":")[2])
        self._rule = _NOT_A_NAME.sub("_", alias.rpartition("/")[2])[:40]
        self._metadata = settings.metadata
        self.version = version_of(settings, 1, source_of(kind), GUARDRAILS_VERSION)

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Rule: the validator's name. Score 1. Span: its error spans, all of the text where it names none."""
        return [bounded(self._in(text), len(text)) for text in texts]

    def _in(self, text: str) -> Iterator[Hit]:
        result: Any = self._validator.validate(text, dict(self._metadata))
        outcome = str(getattr(result.outcome, "value", result.outcome))
        if outcome == "pass":
            return
        if outcome != "fail":
            raise ValueError(f"the validator answered {outcome!r}, neither pass nor fail")
        spans = [
            (start, end)
            for span in getattr(result, "error_spans", None) or ()
            if 0 <= (start := max(0, span.start)) < (end := min(len(text), span.end))
        ]
        if not spans:
            yield whole(self._rule, 1.0, text)
        for start, end in sorted(spans):
            yield Hit(self._rule, 1.0, start, end)
