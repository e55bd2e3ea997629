"""Text to unit vectors, on ONNX."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from fastembed import TextEmbedding
from numpy.typing import NDArray

# fastembed's registry entry whose pooling (mean) and normalisation match the exported file.
REGISTERED_AS = "sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class TokenVectors:
    """A text as the model sees it, cut at 256 tokens.

    `vectors` is float32, shape (tokens, dimensions), as they come out of the model; `spans` are the tokens'
    character ranges, (0, 0) for the two special ones; `ids` their numbers in the vocabulary, which is sorted
    by frequency. `pooled` is what `Embedder.embed` gives for the text.
    """

    vectors: NDArray[np.float32]
    spans: tuple[tuple[int, int], ...]
    ids: tuple[int, ...]
    pooled: NDArray[np.float32]


class Embedder:
    """all-MiniLM-L6-v2: 384 dimensions, 256 tokens of input, mean pooling, unit length.

    Longer texts are cut at 256 tokens, as the model was trained. Calls hold the interpreter lock
    only around the ONNX run; use a thread from async code.
    """

    max_tokens = 256

    def __init__(self, directory: Path, threads: int = 1) -> None:
        """Load `directory` (model.onnx and tokenizer files).

        Raises FileNotFoundError, saying what to run, when the model is not there.
        """
        if not (directory / "model.onnx").is_file():
            raise FileNotFoundError(
                f"no embedding model in {directory}; fetch it with `make setup` (or `python -m jobs.fetch_models`)"
            )
        self._model = TextEmbedding(
            REGISTERED_AS, specific_model_path=str(directory), threads=threads, local_files_only=True
        )
        tokenizer = self._model.model.tokenizer
        if tokenizer is None:
            raise RuntimeError(f"{directory} has no tokenizer")
        self._counter = type(tokenizer).from_str(tokenizer.to_str())
        self._counter.no_truncation()
        self._counter.no_padding()
        self.directory = directory
        self.dimensions = int(self.embed(["dimensions"]).shape[1])

    def embed(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """Embed texts. Returns float32, shape (len(texts), dimensions), rows of unit length."""
        if not texts:
            return np.zeros((0, getattr(self, "dimensions", 0)), dtype=np.float32)
        rows = list(self._model.embed(list(texts), batch_size=batch_size))
        return np.asarray(rows, dtype=np.float32)

    def token_vectors(self, text: str) -> TokenVectors:
        """The vector of each token and that of the whole text, from one run of the model."""
        model = self._model.model
        if model.tokenizer is None or model.model is None:
            raise RuntimeError("the embedding model is not loaded")
        # Lone surrogates are no text to the tokenizer.
        encoding = model.tokenizer.encode(text.encode(errors="replace").decode())
        ids = np.array([encoding.ids], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        vectors: NDArray[np.float32] = model.model.run(None, inputs)[0][0]
        pooled = vectors.mean(axis=0)
        return TokenVectors(
            vectors, tuple(encoding.offsets), tuple(encoding.ids), pooled / max(float(np.linalg.norm(pooled)), 1e-12)
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, uncut, special tokens left out."""
        return [len(e.ids) for e in self._counter.encode_batch(list(texts), add_special_tokens=False)]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Character range of each token of `text`, uncut, special tokens left out."""
        encoding = self._counter.encode(text, add_special_tokens=False)
        return [(int(start), int(end)) for start, end in encoding.offsets]
