"""The reranker's deadline, and a real cross-encoder on ONNX, made here: its logit is how often passage ids say 7."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.retrieval.search.cross_encoder import CrossEncoder, RerankerMissing
from app.retrieval.search.rerank import Reranking


class Hanging:
    async def score(self, query: str, texts: Sequence[str]) -> list[float]:
        await asyncio.Event().wait()
        return []


class Short:
    async def score(self, query: str, texts: Sequence[str]) -> list[float]:
        return [1.0]


async def test_past_the_deadline_there_is_no_reranking_and_it_is_counted() -> None:
    reranking = Reranking(Hanging(), 5)
    assert await reranking.logits("q", ["a"]) is None
    assert await reranking.logits("q", ["a"]) is None
    assert reranking.failures.count == 2


async def test_an_answer_of_another_length_is_a_failure() -> None:
    reranking = Reranking(Short(), 1000)
    assert await reranking.logits("q", ["a", "b"]) is None
    assert await reranking.logits("q", ["a"]) == [1.0]
    assert reranking.failures.count == 1


@pytest.fixture(scope="module")
def encoder_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    onnx = pytest.importorskip("onnx")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    directory: Path = tmp_path_factory.mktemp("encoder")
    vocabulary = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "refund": 7}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    helper, kind = onnx.helper, onnx.TensorProto
    seven = helper.make_tensor("seven", kind.INT64, [], [7])
    nodes = [
        helper.make_node("Equal", ["input_ids", "seven"], ["hits"]),
        helper.make_node("Cast", ["hits"], ["counts"], to=kind.INT64),
        helper.make_node("Mul", ["counts", "token_type_ids"], ["in_passage"]),
        helper.make_node("Cast", ["in_passage"], ["floats"], to=kind.FLOAT),
        helper.make_node("ReduceMax", ["floats"], ["logits"], axes=[1], keepdims=1),
    ]
    inputs = [
        helper.make_tensor_value_info(name, kind.INT64, ["batch", "tokens"]) for name in ("input_ids", "token_type_ids")
    ]
    outputs = [helper.make_tensor_value_info("logits", kind.FLOAT, ["batch", 1])]
    graph = helper.make_graph(nodes, "encoder", inputs, outputs, [seven])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(directory / "model.onnx"))
    return directory


async def test_a_cross_encoder_scores_each_text_in_its_place(encoder_directory: Path) -> None:
    encoder = CrossEncoder(str(encoder_directory), batch_size=2)
    texts = ["a refund takes five long days", "", "refund", "nothing here", "b \ud800 refund"]
    assert await encoder.score("refund", texts) == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert await encoder.score("refund", []) == []


async def test_what_is_too_long_is_cut(encoder_directory: Path) -> None:
    encoder = CrossEncoder(str(encoder_directory), max_tokens=32)
    assert await encoder.score("q", ["word " * 100 + "refund", "refund " + "word " * 100]) == [0.0, 1.0]


def test_a_directory_without_a_model_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(RerankerMissing, match=r"tokenizer\.json"):
        CrossEncoder(str(tmp_path))
    (tmp_path / "model.onnx").write_bytes(b"broken")
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(RerankerMissing, match="cannot be loaded"):
        CrossEncoder(str(tmp_path))
