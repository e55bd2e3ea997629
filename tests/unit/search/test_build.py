"""The search out of a configuration."""

import logging
from pathlib import Path

import pytest

from app.retrieval.search.build import build_search
from app.retrieval.search.relevance import MODEL_FILE, Relevance
from tests.unit.bench import stack_config
from tests.unit.search.made import request, store_of


async def test_the_shipped_weights_search(tmp_path: Path) -> None:
    search = build_search(stack_config(tmp_path), store_of(["Refunds take five days.", "Bread."]))
    found = await search.search(request("How long do refunds take?"))
    assert found.passages[0].chunk.text.startswith("Refunds")


async def test_weights_of_ones_own_lie_in_the_home(tmp_path: Path) -> None:
    config = stack_config(tmp_path, retrieval={"relevance": "mine.json"})
    with pytest.raises(FileNotFoundError):
        build_search(config, store_of(["x"]))
    shipped = Relevance.load()
    Relevance(shipped.weights * 0, 0.0, 0.5, {"made": "here"}).save(tmp_path / "mine.json")
    found = await build_search(config, store_of(["Refunds."])).search(request("refunds"))
    assert found.best == 0.5
    assert MODEL_FILE.name == "relevance.json"


async def test_without_its_cross_encoder_it_searches_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "reranker").mkdir()
    config = stack_config(tmp_path, retrieval={"rerank": {"model": "reranker"}})
    with caplog.at_level(logging.ERROR):
        search = build_search(config, store_of(["Refunds."]))
    assert "tokenizer.json" in caplog.text
    assert (await search.search(request("refunds"))).passages
