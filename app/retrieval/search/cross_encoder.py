"""A cross-encoder on ONNX: MS MARCO's MiniLM, BGE's and Jina's rerankers, and their like."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

# Where exports put the model; the first there is.
_PLACES = ("model.onnx", "onnx/model.onnx", "model_quantized.onnx", "onnx/model_quantized.onnx")


class RerankerMissing(Exception):
    """No cross-encoder can be loaded; says what to do."""


class CrossEncoder:
    """Scores pairs of query and passage by the one logit of a sequence classifier (of two labels, the second's odds).

    One call runs at a time, in a thread of its own. A call that is cancelled ends with the batch that is under way.
    """

    def __init__(self, model: str, *, threads: int = 1, batch_size: int = 8, max_tokens: int = 512) -> None:
        """`model`: a directory with an ONNX model and `tokenizer.json`, or a hub id, which is fetched once.

        Raises RerankerMissing.
        """
        directory = Path(model) if Path(model).is_dir() else _fetch(model)
        path = next((directory / place for place in _PLACES if (directory / place).is_file()), None)
        if path is None or not (directory / "tokenizer.json").is_file():
            raise RerankerMissing(f"no cross-encoder in {model!r}: it needs tokenizer.json and one of {_PLACES}")
        self._batch_size = batch_size
        from app.retrieval.onnx_session import open_session  # loads the runtime, which most stacks do without

        try:
            self._tokenizer = _tokenizer(directory / "tokenizer.json", max_tokens)
            self._session = open_session(path, threads)
        except Exception as error:  # of two libraries, which have no common base
            raise RerankerMissing(
                f"the cross-encoder in {model!r} cannot be loaded ({type(error).__name__})"
            ) from error
        self._inputs = {each.name for each in self._session.get_inputs()}
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="rerank")

    async def score(self, query: str, texts: Sequence[str]) -> list[float]:
        """A logit for each text."""
        loop = asyncio.get_running_loop()
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # alike lengths need little padding
        logits = [0.0] * len(texts)
        for at in range(0, len(order), self._batch_size):
            batch = order[at : at + self._batch_size]
            some = await loop.run_in_executor(self._executor, self._run, query, [texts[index] for index in batch])
            for index, logit in zip(batch, some, strict=True):
                logits[index] = logit
        return logits

    def _run(self, query: str, texts: Sequence[str]) -> list[float]:
        # Lone surrogates are no text to the tokenizer.
        pairs = [tuple(each.encode(errors="replace").decode() for each in (query, text)) for text in texts]
        encoded = self._tokenizer.encode_batch(pairs)
        fields = {
            "input_ids": [each.ids for each in encoded],
            "attention_mask": [each.attention_mask for each in encoded],
            "token_type_ids": [each.type_ids for each in encoded],
        }
        inputs = {name: np.array(rows, dtype=np.int64) for name, rows in fields.items() if name in self._inputs}
        out = np.asarray(self._session.run(None, inputs)[0], dtype=np.float64).reshape(len(texts), -1)
        logits = out[:, 0] if out.shape[1] == 1 else out[:, -1] - out[:, 0]
        return [float(logit) for logit in logits]


def _tokenizer(path: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(max_tokens, strategy="longest_first")  # passages are longer than queries
    padding = tokenizer.padding or {}
    tokenizer.enable_padding(pad_id=padding.get("pad_id", 0), pad_token=padding.get("pad_token", "[PAD]"))
    return tokenizer


def _fetch(model: str) -> Path:
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(model, allow_patterns=["*.json", "*.txt", "*.model", *_PLACES[:2]]))
    except Exception as error:  # whatever the hub's client raises
        raise RerankerMissing(
            f"{model!r} is no directory, and cannot be fetched from the hub ({type(error).__name__}); give a directory "
            "with model.onnx and tokenizer.json"
        ) from error
