"""The finder finds what Presidio's analyzer finds: texts that its short cuts pass over hold nothing."""

import random

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneMetadata
from presidio_analyzer import AnalyzerEngine, RecognizerResult

from app.config import GuardConfig
from app.guard.analyzer import PHONE_REGIONS, build_analyzer
from app.guard.finder import NECESSARY, Finder, readable

# Pieces of what the recognizers match, whole values among them: more likely to be near a match than any text.
PIECES = (
    "john@example.com|@|a.b|example.co.uk|jane.doe+x@mail|.museum|4111 1111 1111 1111|4111-1111|1111|378282246310005|"
    "3782|822463|10005|536-90-4399|536 90 4399|536904399|12345-6789|123-456789|GB29NWBK60161331926819|"
    "DE89 3704 0044 0532 0130 00|DE89|3704|GB29|0000|192.168.10.4|192.|168|.10|.4|/24|::|::1|:1|1:|fe80|"
    "2001:db8::8a2e:370:7334|1:2:3:4:5:6:7:8|::ffff:1.2.3.4|%eth0|+1 415 555 2671|(212) 555-0199|+49 30 901820|+|00|"
    "49|30|901820|020 7946 0958|7946|xx|x|ext. 12|;ext=7|tel:|call|ssn|card|iban|ip|phone|email| |  |-|.|/|,|\n|9|12|"
    "٤١١١|𑽐|\uff11\uff12|John Smith|Mary"
).split("|")

texts = st.lists(st.sampled_from(PIECES) | st.text("0123456789.:-+@ xXaF/*()", max_size=6), max_size=14).map("".join)


@pytest.fixture(scope="module")
def analyzer() -> AnalyzerEngine:
    config = GuardConfig()
    return build_analyzer(config.language_model, config.entities)


@pytest.fixture(scope="module")
def finder(analyzer: AnalyzerEngine) -> Finder:
    return Finder(analyzer, GuardConfig().entities, 0.0)


def analyzed(analyzer: AnalyzerEngine, text: str, threshold: float = 0.0) -> list[RecognizerResult]:
    found: list[RecognizerResult] = analyzer.analyze(
        text, "en", list(GuardConfig().entities), score_threshold=threshold
    )
    return found


@settings(deadline=None, max_examples=300)
@given(texts)
@example("123xxx1234")
@example("1::")
@example("::1.2.3.4")
@example("12 ext 4567")
@example("tel:911")
@example("4111 1111 1111 1111\U00011f50")  # a digit that Python 3.11 does not know
@example("john@example.comjane.doe+x@mail\U00011f50")
def test_everything_that_the_analyzer_finds_is_found_with_the_same_score_and_place(
    analyzer: AnalyzerEngine, finder: Finder, text: str
) -> None:
    assert finder.find([text]) == [analyzed(analyzer, readable(text))]


def test_sentences_in_a_batch_have_the_findings_that_each_has_alone(analyzer: AnalyzerEngine) -> None:
    finder = Finder(analyzer, GuardConfig().entities, 0.5)
    chance = random.Random(11)
    many = [" ".join(chance.choices(PIECES, k=chance.randint(1, 10))) for _ in range(250)]

    expected = [analyzed(analyzer, readable(text), 0.5) for text in many]

    assert {result.entity_type for results in expected for result in results} == set(GuardConfig().entities)
    assert finder.find(many) == expected


@pytest.mark.parametrize("entity", NECESSARY)
@settings(deadline=None, max_examples=250)
@given(text=texts)
def test_a_recognizer_finds_nothing_in_a_text_it_is_not_asked_about(
    analyzer: AnalyzerEngine, entity: str, text: str
) -> None:
    (recognizer,) = (known for known in analyzer.registry.recognizers if known.supported_entities == [entity])

    assert NECESSARY[entity](text) or not recognizer.analyze(text, [entity], None)


@pytest.mark.parametrize("entity", NECESSARY)
def test_the_short_cuts_pass_over_an_ordinary_question(entity: str) -> None:
    assert not NECESSARY[entity]("How do I paginate a REST API: with cursors, or with 20 pages of 50?")


def test_no_valid_phone_number_is_as_short_as_those_passed_over() -> None:
    lengths = [
        length
        for region in {*PHONE_REGIONS, *phonenumbers.SUPPORTED_REGIONS}
        if (metadata := PhoneMetadata.metadata_for_region(region)) and metadata.general_desc
        for length in metadata.general_desc.possible_length
    ]

    assert min(lengths) > 2


def test_a_score_below_the_threshold_is_left_out(analyzer: AnalyzerEngine) -> None:
    text = "John Smith, john@example.com, 536904399, +1 415 555 2671"

    def found(threshold: float) -> set[str]:
        (results,) = Finder(analyzer, GuardConfig().entities, threshold).find([text])
        return {result.entity_type for result in results}

    assert found(0.0) >= {"PERSON", "EMAIL_ADDRESS", "US_SSN", "PHONE_NUMBER"}
    assert found(0.5) == {"PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER"}
    assert found(0.9) == {"EMAIL_ADDRESS"}


def test_without_people_to_find_the_language_model_is_not_run(analyzer: AnalyzerEngine) -> None:
    finder = Finder(analyzer, ["EMAIL_ADDRESS"], 0.5)

    assert finder._names is None
    (results,) = finder.find(["John Smith, john@example.com"])
    assert [result.entity_type for result in results] == ["EMAIL_ADDRESS"]
