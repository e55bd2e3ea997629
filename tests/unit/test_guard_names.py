"""Names: the guard's own reading of the network finds what spaCy finds, in whatever batch a text stands."""

import random
import threading

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.language import Language

from app.config import GuardConfig
from app.guard import names as guard_names
from app.guard.analyzer import load_pipeline
from app.guard.names import PEOPLE, Names

WORDS = (
    "John Smith|Mary Jones|Jean-Luc Picard|Li Wei|O'Brien|Müller|'s|Dr.|Angela Merkel|Barack Obama|van der Berg|said|"
    "that|met|and|in|New York|Berlin|Google|Acme Ltd.|on Tuesday|$ 1,200|20%|4 May 2024|,|.|;|?|\n|\n\n|  |\t|(|)|"
    '"|@|port 5432|https://example.com/john|john@example.com|<PERSON_1>|I|am|the|customer|🙂|日本|x'
).split("|")

texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=30).map(" ".join)


@pytest.fixture(scope="module")
def pipeline() -> Language:
    return load_pipeline(GuardConfig().language_model)


@pytest.fixture(scope="module")
def names(pipeline: Language) -> Names:
    return Names(pipeline)


def people(pipeline: Language, text: str) -> list[tuple[int, int]]:
    return [(entity.start_char, entity.end_char) for entity in pipeline(text).ents if entity.label_ in PEOPLE]


def test_the_default_pipeline_runs_fast_and_without_what_the_recognizer_does_not_read(
    pipeline: Language, names: Names
) -> None:
    assert names.fast
    assert pipeline.pipe_names == ["ner"]


def test_leaving_components_out_changes_no_entity(pipeline: Language) -> None:
    whole = spacy.load(GuardConfig().language_model)
    chance = random.Random(3)
    for text in (" ".join(chance.choices(WORDS, k=20)) for _ in range(40)):
        assert people(pipeline, text) == people(whole, text)


@settings(deadline=None, max_examples=150)
@given(st.lists(texts, max_size=6))
def test_a_batch_finds_what_spacy_finds_in_each_text_alone(pipeline: Language, names: Names, batch: list[str]) -> None:
    assert names.find(batch) == [people(pipeline, text) for text in batch]


def test_many_names_are_found_as_by_spacy_whatever_the_batch(pipeline: Language, names: Names) -> None:
    chance = random.Random(7)
    many = [" ".join(chance.choices(WORDS, k=chance.randint(0, 40))) for _ in range(400)]

    alone = [people(pipeline, text) for text in many]

    assert sum(map(len, alone)) > 500
    assert names.find(many) == alone
    assert [found for text in many for found in names.find([text])] == alone


def test_a_texts_vectors_do_not_depend_on_its_neighbours(pipeline: Language, names: Names) -> None:
    network = names._network
    assert network is not None
    docs = [pipeline.make_doc(text) for text in ("My name is John Smith.", "x", "Ask Mary Jones in New York.")]

    together, starts = network._vectors(docs)

    for doc, start in zip(docs, starts, strict=True):
        alone, _ = network._vectors([doc])
        np.testing.assert_allclose(together[start : start + len(doc)], alone, atol=1e-4)
        (spacys,) = pipeline.get_pipe("ner").model.get_ref("tok2vec").layers[0].predict([doc])
        output = network._output, network._output_bias
        np.testing.assert_allclose(alone, spacys @ output[0] + output[1], atol=1e-3)


def test_a_text_without_tokens_has_no_names(names: Names) -> None:
    assert names.find([]) == []
    assert names.find(["", "Ask John Smith.", ""]) == [[], [(4, 14)], []]


def test_a_pipeline_of_another_architecture_runs_in_spacy() -> None:
    other = spacy.blank("en")
    recognizer = other.add_pipe("ner", config={"model": {"hidden_width": 32, "use_upper": False}})
    recognizer.add_label("PERSON")
    other.initialize()
    names = Names(other)

    assert not names.fast
    assert names.find(["Ask John Smith.", ""]) == [people(other, "Ask John Smith."), []]


def test_threads_do_not_disturb_each_other(pipeline: Language, names: Names) -> None:
    chance = random.Random(9)
    many = [" ".join(chance.choices(WORDS, k=12)) for _ in range(60)]
    expected = [people(pipeline, text) for text in many]
    found: list[list[list[tuple[int, int]]]] = []

    threads = [threading.Thread(target=lambda: found.append(names.find(many))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == [expected] * 4


def test_forms_are_kept_up_to_a_bound(pipeline: Language, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_names, "MOST_FORMS", 20)
    bounded = Names(pipeline)
    chance = random.Random(5)
    for text in (" ".join(chance.choices(WORDS, k=12)) for _ in range(40)):
        assert bounded.find([text]) == [people(pipeline, text)]
        assert bounded._network is not None
        assert 0 < len(bounded._network._forms) <= 40  # those of one text, at the most, beside the bound
