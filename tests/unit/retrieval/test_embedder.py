"""The embedding model itself: what a vector depends on, and what it does not."""

from pathlib import Path

import numpy as np
import pytest

from app.retrieval.embedder import Embedder

MODEL = Path(__file__).parents[3] / ".sextant/models/all-minilm-l6-v2"
TEXTS = ["How do I reset my password?", "Ångström, 東京, \N{GRINNING FACE}", "a word " * 400, "", "half \ud800 a pair"]

needs_model = pytest.mark.skipif(not (MODEL / "model.onnx").is_file(), reason="run `make setup`")


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(MODEL)


@needs_model
def test_a_vector_depends_on_its_text_alone(embedder: Embedder) -> None:
    together = embedder.embed(TEXTS)

    assert together.shape == (len(TEXTS), embedder.dimensions)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for text, row in zip(TEXTS, together, strict=True):
        np.testing.assert_array_equal(embedder.embed([text])[0], row)
        np.testing.assert_allclose(embedder.token_vectors(text).pooled, row, atol=1e-6)


@needs_model
def test_what_is_padded_in_a_batch_is_not_pooled(embedder: Embedder) -> None:
    alone, padded = embedder.embed(TEXTS[:3]), embedder.embed(TEXTS[:3], batch_size=3)
    # The scale of the quantization is the batch's, so they are near and not the same.
    assert ((alone * padded).sum(axis=1) > 0.9).all()
    assert ((alone * padded[[1, 2, 0]]).sum(axis=1) < 0.7).all()


@needs_model
def test_what_is_cut_is_counted_whole(embedder: Embedder) -> None:
    assert len(embedder.token_vectors(TEXTS[2]).ids) == embedder.max_tokens
    assert embedder.count_tokens([TEXTS[2], ""]) == [800, 0]
    assert embedder.embed([]).shape == (0, embedder.dimensions)


def test_a_model_that_is_not_there_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="make setup"):
        Embedder(tmp_path)
