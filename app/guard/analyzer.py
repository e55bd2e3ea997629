"""Presidio's analyzer, tuned: few recognizers, no network, only the parts of spaCy that find names."""

from collections.abc import Sequence

import spacy
import tldextract
from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import (
    CreditCardRecognizer,
    EmailRecognizer,
    IbanRecognizer,
    IpRecognizer,
    PhoneRecognizer,
    SpacyRecognizer,
    UsSsnRecognizer,
)
from spacy.language import Language

# Presidio's own call would download the public-suffix list at first use.
_SUFFIXES = tldextract.TLDExtract(suffix_list_urls=(), fallback_to_snapshot=True)

# Regions whose national formats are found without a country code.
PHONE_REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "IN", "CA", "BR", "AU")


class OfflineEmailRecognizer(EmailRecognizer):  # type: ignore[misc]
    """E-mail addresses, their domain checked against the suffix list in the package."""

    def validate_result(self, pattern_text: str) -> bool:
        return bool(_SUFFIXES(pattern_text).fqdn)


class ConfidentPhoneRecognizer(PhoneRecognizer):  # type: ignore[misc]
    """Presidio scores every number 0.4, below any sensible threshold, though libphonenumber
    validated it; a validated number is worth more than that."""

    SCORE = 0.6


class LeanSpacyEngine(SpacyNlpEngine):  # type: ignore[misc]
    """spaCy reduced to what finds names: the recognizer, and the embedding that it shares with others, if any."""

    EMBEDDINGS = ("tok2vec", "transformer")

    def load(self) -> None:
        """Load what is installed; nothing is downloaded at run time."""
        self.nlp = {}
        for model in self.models:
            name = model["model_name"]
            try:
                pipeline = spacy.load(name)
            except OSError:
                raise ValueError(
                    f"guard.language_model: spaCy pipeline {name!r} is not installed; "
                    "install it as a package, or give a directory"
                ) from None
            pipeline.select_pipes(enable=self._needed(pipeline))
            # The default bound is for the parser, which needs far more memory per character.
            pipeline.max_length = 2_000_000
            self.nlp[model["lang_code"]] = pipeline

    def _needed(self, pipeline: Language) -> list[str]:
        shared = [
            name
            for name in pipeline.pipe_names
            if name in self.EMBEDDINGS
            # The recognizer of spaCy's small English pipelines embeds tokens by itself.
            and "ner" in getattr(pipeline.get_pipe(name), "listening_components", ("ner",))
        ]
        return [*shared, *(name for name in pipeline.pipe_names if name == "ner")]


def build_analyzer(language_model: str, entities: Sequence[str]) -> AnalyzerEngine:
    """An analyzer for English that finds `entities` and nothing else.

    Raises ValueError when an entity has no recognizer here.
    """
    recognizers: dict[str, EntityRecognizer] = {
        "PERSON": SpacyRecognizer(supported_entities=["PERSON"]),
        "EMAIL_ADDRESS": OfflineEmailRecognizer(),
        "PHONE_NUMBER": ConfidentPhoneRecognizer(supported_regions=PHONE_REGIONS, leniency=1),
        "CREDIT_CARD": CreditCardRecognizer(),
        "IBAN_CODE": IbanRecognizer(),
        "US_SSN": UsSsnRecognizer(),
        "IP_ADDRESS": IpRecognizer(),
    }
    unknown = sorted(set(entities) - set(recognizers))
    if unknown:
        raise ValueError(f"guard.entities: no recognizer for {unknown}; known: {', '.join(recognizers)}")
    engine = LeanSpacyEngine(
        models=[{"lang_code": "en", "model_name": language_model}],
        ner_model_configuration=NerModelConfiguration(
            model_to_presidio_entity_mapping={"PERSON": "PERSON", "PER": "PERSON"},
            labels_to_ignore=[
                "CARDINAL", "DATE", "EVENT", "FAC", "GPE", "LANGUAGE", "LAW", "LOC", "MONEY", "NORP",
                "ORDINAL", "ORG", "PERCENT", "PRODUCT", "QUANTITY", "TIME", "WORK_OF_ART",
            ],
        ),
    )  # fmt: skip
    engine.load()
    registry = RecognizerRegistry(recognizers=[recognizers[entity] for entity in entities], supported_languages=["en"])
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
