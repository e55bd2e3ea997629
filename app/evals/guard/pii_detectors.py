"""What finds personal data: the guard's rails, bare Presidio, and DataFog.

A detector turns texts into spans of the types that the sets mark. What others call differently is renamed; what they
find beside (URLs, nationalities) is left out. Presidio has no type for street addresses and dates of birth, only places
and dates: those count where they cover one, and are never wrong.
"""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from app.config.policy import PiiSettings, SecretsSettings
from app.evals.errors import EvalError
from app.evals.guard.pii import Marked, Span

Detector = Callable[[Sequence[Marked]], list[list[Span]]]

_PRESIDIO = {
    "US_PASSPORT": "PASSPORT",
    "US_DRIVER_LICENSE": "DRIVER_LICENSE",
    "LOCATION": "STREET_ADDRESS",
    "DATE_TIME": "DATE_OF_BIRTH",
    **{
        name: name
        for name in ("PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "US_SSN", "IP_ADDRESS")
    },
}
_DATAFOG = {
    "PERSON": "PERSON",
    "EMAIL": "EMAIL_ADDRESS",
    "PHONE": "PHONE_NUMBER",
    "CREDIT_CARD": "CREDIT_CARD",
    "SSN": "US_SSN",
    "IP_ADDRESS": "IP_ADDRESS",
    "DATE": "DATE_OF_BIRTH",
    "DOB": "DATE_OF_BIRTH",
}
_VAGUE = ("STREET_ADDRESS", "DATE_OF_BIRTH")


def rails(language_model: str, threshold: float = 0.5) -> Detector:
    """The guard's rails `pii` and `secrets`, as a policy has them by default."""
    from app.guard.pii.rail import PiiRail
    from app.guard.secrets.rail import SecretsRail

    pii, secrets = PiiRail(PiiSettings(), language_model), SecretsRail(SecretsSettings())

    def detect(marked: Sequence[Marked]) -> list[list[Span]]:
        texts = [text.text for text in marked]
        return [
            [Span(hit.rule, hit.start, hit.end) for hit in personal if hit.score >= threshold]
            + [Span("SECRET", hit.start, hit.end) for hit in secret if hit.score >= threshold]
            for personal, secret in zip(pii.examine(texts), secrets.examine(texts), strict=True)
        ]

    return detect


def presidio(language_model: str) -> Detector:
    """Presidio's AnalyzerEngine as it comes, but for the pipeline: the guard's, so that nothing is downloaded."""
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngineProvider

    # Presidio's recognizer of e-mail addresses calls this, which would fetch the public-suffix list.
    offline = tldextract.TLDExtract(suffix_list_urls=(), fallback_to_snapshot=True)
    setattr(tldextract, "extract", offline)  # noqa: B010 - mypy holds an assignment to the function's own type
    models = [{"lang_code": "en", "model_name": language_model}]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
    engine = AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])

    def detect(marked: Sequence[Marked]) -> list[list[Span]]:
        return [
            _renamed(
                text,
                [(found.entity_type, found.start, found.end) for found in engine.analyze(text.text, "en")],
                _PRESIDIO,
            )
            for text in marked
        ]

    return detect


def datafog(python: Path) -> Detector:
    """DataFog's patterns, in a Python of its own. Raises EvalError when it does not run."""

    def detect(marked: Sequence[Marked]) -> list[list[Span]]:
        lines = "".join(json.dumps(text.text) + "\n" for text in marked)
        script = Path(__file__).with_name("datafog_lines.py")
        done = subprocess.run([str(python), str(script)], input=lines, capture_output=True, text=True, check=False)
        answers = done.stdout.splitlines()
        if done.returncode or len(answers) != len(marked):
            raise EvalError(f"{python} does not run DataFog: {done.stderr.strip().splitlines()[-1:]}")
        return [_renamed(text, json.loads(line), _DATAFOG) for text, line in zip(marked, answers, strict=True)]

    return detect


def _renamed(text: Marked, found: Sequence[Sequence[object]], names: dict[str, str]) -> list[Span]:
    spans = [Span(names[str(kind)], int(str(start)), int(str(end))) for kind, start, end in found if kind in names]
    return [
        span
        for span in spans
        if span.type not in _VAGUE or any(span.type == mark.type and span.shared(mark) for mark in text.spans)
    ]
