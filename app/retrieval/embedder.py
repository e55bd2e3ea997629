"""Text to unit vectors, on ONNX."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from fastembed import TextEmbedding
from numpy.typing import NDArray

# fastembed's registry entry whose pooling (mean) and normalisation match the exported file.
REGISTERED_AS = "sentence-transformers/all-MiniLM-L6-v2"


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
        self.dimensions = int(self.embed(["dimensions"]).shape[1])

    def embed(self, texts: Sequence[str], batch_size: int = 32) -> NDArray[np.float32]:
        """Embed texts. Returns float32, shape (len(texts), dimensions), rows of unit length."""
        if not texts:
            return np.zeros((0, getattr(self, "dimensions", 0)), dtype=np.float32)
        rows = list(self._model.embed(list(texts), batch_size=batch_size))
        return np.asarray(rows, dtype=np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, uncut, special tokens left out."""
        return [len(e.ids) for e in self._counter.encode_batch(list(texts), add_special_tokens=False)]

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Character range of each token of `text`, uncut, special tokens left out."""
        encoding = self._counter.encode(text, add_special_tokens=False)
        return [(int(start), int(end)) for start, end in encoding.offsets]
