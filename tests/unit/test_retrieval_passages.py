"""From passages to a prompt and to citations; and routes, which say whether there are any."""

from pathlib import Path
from typing import Any

import pytest

from app.accounts.types import Caller
from app.config import RetrievalConfig
from app.errors import ModelNotFound
from app.memory.tokens import estimate
from app.pipeline.route import Router
from app.retrieval.passages import citations, pack, quote, source_of
from app.routing.catalogue import Catalogue
from app.wire.extension import RetrievalRequest
from tests.unit.bench import stack_config
from tests.unit.fakes import passage


def test_only_relevant_passages_that_fit_are_packed_best_first() -> None:
    best, long, weak, small = passage("a" * 60, 0.9), passage("b" * 400, 0.8), passage("c", 0.1), passage("d" * 9, 0.7)
    room = sum(estimate(each.chunk.text) + estimate(source_of(each)) for each in (best, small))

    packed = pack([best, long, weak, small], min_score=0.25, max_tokens=room)

    assert packed == [best, small]
    assert pack([], 0.25, 100) == []


def test_passages_are_quoted_by_number_with_their_place() -> None:
    quoted = quote([passage("First."), passage("Second.", document="b.md")])

    assert quoted == "[1] guide.md (Ports)\nFirst.\n\n[2] b.md (Ports)\nSecond."
    assert quote([]) == "(no passage was found)"


def test_a_citation_says_where_its_text_stands() -> None:
    (citation,) = citations([passage("First.", 0.123456)])

    assert citation == {
        "index": 1, "document": "guide.md", "chunk": 0, "title": "Guide", "heading": "Ports", "page": None,
        "score": 0.1235, "start": 0, "end": 6, "text": "First.",
    }  # fmt: skip


@pytest.fixture
def router(tmp_path: Path) -> Router:
    models: list[dict[str, Any]] = [
        {"id": "m", "source": "org/m"},
        {"id": "tuned", "source": "org/t", "lora": {"path": "s3://bucket/adapters"}},
    ]
    config = stack_config(tmp_path, models=models)
    return Router(config, Catalogue(config))


def test_an_alias_leads_to_its_model_prompt_and_retrieval(router: Router) -> None:
    chat, docs = router.route("chat"), router.route("docs")

    assert (chat.base.id, chat.prompt, chat.retrieval) == ("m", "assistant", None)
    assert docs.retrieval is not None
    assert (docs.retrieval.top_k, docs.retrieval.min_score) == (4, RetrievalConfig().min_score)


def test_the_request_decides_about_retrieval_where_it_says_something(router: Router) -> None:
    assert router.route("docs", RetrievalRequest(enabled=False)).retrieval is None
    wished = router.route("m", RetrievalRequest(top_k=9, min_score=0.0)).retrieval
    assert wished is not None
    assert (wished.top_k, wished.min_score) == (9, 0.0)


def test_an_adapter_is_asked_for_behind_a_colon(router: Router) -> None:
    route = router.route("tuned:sql")

    assert (route.base.id, route.base.engine_model) == ("tuned", "tuned:sql")
    assert router.route("tuned").base.engine_model == "tuned"


@pytest.mark.parametrize("name", ["unknown", "m:sql", "tuned:", "m:", ":", "all-minilm-l6-v2", "M", "chat:sql"])
def test_a_name_that_is_not_listed_is_not_found(router: Router, name: str) -> None:
    with pytest.raises(ModelNotFound) as raised:
        router.route(name)

    assert raised.value.param == "model"


def test_everything_that_model_can_name_is_listed(router: Router) -> None:
    cards = router.listing(Caller("default", "default"))

    assert [card["id"] for card in cards] == ["m", "tuned", "chat", "docs", "all-minilm-l6-v2"]
    assert {card["object"] for card in cards} == {"model"}
    assert [card["sextant"]["kind"] for card in cards] == ["model", "model", "alias", "alias", "embedder"]
