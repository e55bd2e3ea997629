"""What Presidio and spaCy bring: the pipeline that finds names, and Presidio's recognizers of further types.

The types that the guard finds by default have recognizers of their own in `app/guard/pii`. Presidio has many more, of
single countries and trades (UK_NHS, IN_AADHAAR, CRYPTO): a policy names them, and they are called directly. What
`AnalyzerEngine.analyze` does around them (tokens, lemmas, key words, copies) changes nothing that they find.
"""

from collections.abc import Callable, Iterator

import regex  # type: ignore[import-untyped]  # it has no type information
import spacy
from spacy.language import Language

from app.guard.types import Hit

# The recognizer, and the embedding that it shares with others, if any.
_EMBEDDINGS = ("tok2vec", "transformer")
MOST_CHARACTERS = 2_000_000  # of a text; spaCy's default is for the parser, which needs far more memory a character

# Presidio's patterns are matched by `regex`, whose \d is of a newer Unicode than that of `re`.
_DIGIT = regex.compile(r"\d")


def load_pipeline(language_model: str) -> Language:
    """spaCy's pipeline, reduced to what finds names. Nothing is downloaded.

    Raises ValueError when it is not installed.
    """
    try:
        pipeline = spacy.load(language_model)
    except OSError:
        raise ValueError(
            f"guard.language_model: spaCy pipeline {language_model!r} is not installed; "
            "install it as a package, or give a directory"
        ) from None
    shared = [
        name
        for name in pipeline.pipe_names
        if name in _EMBEDDINGS
        # The recognizer of spaCy's small English pipelines embeds tokens by itself.
        and "ner" in getattr(pipeline.get_pipe(name), "listening_components", ("ner",))
    ]
    pipeline.select_pipes(enable=[*shared, *(name for name in pipeline.pipe_names if name == "ner")])
    pipeline.max_length = MOST_CHARACTERS
    return pipeline


def presidio_finder(entity: str) -> Callable[[str], Iterator[Hit]] | None:
    """Presidio's own recognizers of a type, whatever their country; None when it has none that work by patterns."""
    from presidio_analyzer import PatternRecognizer, predefined_recognizers

    recognizers = []
    for name in predefined_recognizers.__all__:
        kind = getattr(predefined_recognizers, name)
        if isinstance(kind, type) and issubclass(kind, PatternRecognizer) and kind is not PatternRecognizer:
            try:
                recognizer = kind()
            except Exception:  # noqa: S112 - a recognizer that needs what is not here is none
                continue
            if entity in recognizer.supported_entities:
                recognizers.append(recognizer)
    if not recognizers:
        return None

    def find(text: str) -> Iterator[Hit]:
        text = _readable(text)
        for recognizer in recognizers:
            for found in recognizer.analyze(text, [entity], None):
                yield Hit(entity, found.score, found.start, found.end)

    return find


def _readable(text: str) -> str:
    """The text with a sign in place of each digit that is too new for Python: recognizers would call `int` on what
    `regex` takes for a digit, and raise. Places stay as they are."""
    if text.isascii():
        return text
    digits: str = _DIGIT.sub(lambda digit: digit[0] if digit[0].isdecimal() else "\ufffd", text)
    return digits
