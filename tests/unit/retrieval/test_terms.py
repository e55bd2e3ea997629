"""Text to sparse vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.retrieval.terms import MAX_QUERY_TERMS, document_terms, query_terms, terms_of
from app.retrieval.types import Chunk, Terms

# What is stored was made with these: a change needs another `FORMAT` in app.retrieval.points.
STORED = "Set max_model_len=4096 (v1.2.3) for café users: Документы и 東京都, C++!"
STORED_INDICES = (
    *(457512117, 964390504, 1144748448, 1853887943, 1867358082, 1894177532, 2562388211, 2617406747, 2768535241),
    *(2774690580, 3044503878, 3179978821, 3723420719, 3875332783, 4069300043, 4108097864, 4140271635, 4249768482),
)


def chunk(text: str, title: str = "", heading: str = "") -> Chunk:
    return Chunk("d", "t", 0, text, 0, len(text), title, heading)


def weights(terms: Terms) -> dict[int, float]:
    return dict(zip(terms.indices, terms.values, strict=True))


def test_the_same_text_gives_the_same_indices_for_ever() -> None:
    assert query_terms(STORED) == Terms(STORED_INDICES, (1.0,) * len(STORED_INDICES))
    # 20 words, one of them twice: its length norm is 1.2 * (0.25 + 0.75 * 20 / 100).
    found = weights(document_terms(chunk(f"{STORED} users", "A guide", "Serving > vLLM")))
    assert set(STORED_INDICES) < set(found)
    assert len(found) == 23
    assert sorted(found.values()) == pytest.approx([2.2 / 1.48] * 22 + [2 * 2.2 / 2.48])


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Running the indexes quickly", "run index quick"),
        ("max_model_len", "maxmodellen max model len"),
        ("maxModelLen", "maxmodellen max model len"),
        ("MAX-MODEL-LEN", "maxmodellen max model len"),
        ("--max-model-len=4", "--maxmodellen maxmodellen max model len 4"),
        ("os.path.join(a, b)", "os.path.join os path join b"),
        ("std::vector<int>", "std::vector std vector int"),
        ("vLLM v1.2.3, 3.14", "vllm v llm v1.2.3 v1 2 3 3.14 3 14"),
        ("/v1/chat/completions", "v1/chat/completions v1 chat complet"),
        ("ada@example.com", "ada@example.com ada exampl com"),
        ("HTTPServer of GPUs", "httpserver http server gpu"),
        ("C++ and C#", "c++ c c# c"),
        ("1,000,000 or 1,5", "1000000 1 5"),
        ("Ada's and Qdrant\u2019s, don't", "ada qdrant"),
        ("O'Reilly", "o reilli"),
        ("state-of-the-art and/or e.g. this", "stateoftheart state art and/or"),
        ("naïve CAFÉ Straße", "naiv cafe strass"),
        ("Документами Ёлка ёлки", "документ елк елк"),
        ("東京都 北", "東京 京都 北"),
        ("日本語test検索", "日本 本語 test 検索"),
        ("ﾃｽﾄ", "テス スト"),
        ("한국어", "한국 국어"),
        ("हिन्दी में", "हिन्दी में"),
        ("the of and", ""),
        ("!?... -- - ' \ud800", ""),
        ("", ""),
    ],
)
def test_a_text_has_these_terms(text: str, terms: str) -> None:
    assert list(terms_of(text)) == terms.split()


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("max-model-len", "pass maxModelLen to it"),
        ("what does --max-model-len do", "max_model_len: int"),
        ("model length", "max_model_len"),
        ("email", "an e-mail"),
        ("gpt4", "GPT-4 says"),
        ("join", "os.path.join"),
        ("GPU", "two GPUs"),
        ("retrieving", "retrieval"),
        ("cafe", "the café"),
        ("検索", "全文検索エンジン"),
        ("елка", "Ёлки"),
    ],
)
def test_what_is_asked_one_way_is_found_written_another(question: str, text: str) -> None:
    assert set(query_terms(question).indices) & set(document_terms(chunk(text)).indices)


def test_title_and_heading_are_part_of_a_chunk() -> None:
    found = set(document_terms(chunk("It defaults to 30.", "Heron", "Otters > Bears")).indices)
    for word in ("heron", "otter", "bear", "30"):
        assert set(query_terms(word).indices) <= found


def test_a_term_weighs_more_the_oftener_it_comes_and_less_in_a_longer_text() -> None:
    [index] = query_terms("heron").indices
    once, twice, often = (weights(document_terms(chunk("heron " * n + "bear " * (50 - n))))[index] for n in (1, 2, 40))
    assert once < twice < often < 2.2
    assert twice - once > (often - twice) / 38
    longer = weights(document_terms(chunk("heron " + "bear " * 300)))[index]
    assert longer < once


def test_a_whole_identifier_beats_its_parts() -> None:
    asked = query_terms("kv_cache_space").indices

    def score(text: str) -> float:
        found = weights(document_terms(chunk(text)))
        return sum(found.get(index, 0.0) for index in asked)

    assert score("set kv_cache_space") > score("the space of a kv cache")


@given(st.text(max_size=300))
def test_every_text_gives_a_sparse_vector(text: str) -> None:
    for terms in (query_terms(text), document_terms(chunk(text, text, text))):
        assert list(terms.indices) == sorted(set(terms.indices))
        assert all(0 <= index < 2**32 for index in terms.indices)
        assert len(terms.values) == len(terms.indices)
        assert all(0 < value < 2.2 for value in terms.values)


def test_a_question_has_a_bound() -> None:
    asked = query_terms(" ".join(f"word{at}" for at in range(10_000)))
    assert len(asked.indices) == MAX_QUERY_TERMS
    assert query_terms("x" * 1_000_000) == query_terms("x" * 64)
