"""The shipped judge on pairs that people wrote to find its faults: what it told apart once, it still tells apart."""

import json
from collections import Counter

import pytest

from app.cache.judge import load_judge
from app.config import SemanticConfig
from app.config.files import PROJECT
from app.retrieval.embedder import Embedder

MODEL = PROJECT / ".sextant/models/all-minilm-l6-v2"
PROBES = PROJECT / "evals/cache/probes.jsonl"


@pytest.mark.skipif(not (MODEL / "model.onnx").is_file(), reason="run `make setup`")
def test_hardly_a_probe_is_a_wrong_hit_and_near_repeats_are_hits() -> None:
    judge, least = load_judge(Embedder(MODEL)), SemanticConfig().min_similarity
    hits, pairs = Counter[str](), Counter[str]()
    for row in map(json.loads, PROBES.read_text(encoding="utf-8").splitlines()):
        kind = row["kind"] if row["same"] else "trap"
        cosine = judge.similarity(row["a"], row["b"])
        pairs[kind] += 1
        hits[kind] += cosine >= least and judge.judge(row["a"], row["b"], cosine).score >= judge.min_score

    assert pairs["trap"] > 900
    assert hits["trap"] <= 0.02 * hits.total()
    assert hits["near repeat"] >= 0.88 * pairs["near repeat"]
    assert hits["paraphrase"] >= 0.4 * pairs["paraphrase"]
