"""The installed embedding model with its upper layers tuned for this task.

Only the tuned layers are shipped. They replace their namesakes in the embedding model's ONNX file when it is loaded;
the layers below are the embedding model's own. Roles of the weights are told by the names of nodes, which come from
the modules of `transformers` and stay the same from one exporter to the next; numbers inside of names do not.
"""

import functools
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from tokenizers import Tokenizer

from app.retrieval.onnx_session import open_session

# Of one layer: its matrices, shape (in, out), each with a bias, and its two normalisations.
MATRICES = (
    "attention/self/query",
    "attention/self/key",
    "attention/self/value",
    "attention/output/dense",
    "intermediate/dense",
    "output/dense",
)
NORMS = ("attention/output/LayerNorm", "output/LayerNorm")
MAX_TOKENS = 256  # what the embedding model was trained with
# Weights have seven bits, as in jobs/export_embedder.py: processors without VNNI add two products in 16 bits.
LARGEST = 63
MOST_CORES = 4  # for the windows of one text: whoever sent it waits for them

Floats = NDArray[np.float32]
Arrays = dict[str, NDArray[Any]]


class Unfit(ValueError):
    """The installed embedding model is not the one whose layers were tuned. The message says why."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as the model sees it. `vectors`: float32, (tokens, dimensions); `starts`, `ends`: the tokens' character
    ranges, (0, 0) for the two special ones; `is_cut`: whether there were more than `MAX_TOKENS` tokens."""

    vectors: Floats
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    is_cut: bool


class Encoder:
    """Texts to token vectors, one on one core, several on up to `MOST_CORES`. Thread-safe."""

    def __init__(self, directory: Path, tuned: Mapping[str, NDArray[Any]], threads: int = 1) -> None:
        """`directory`: the embedding model's; `tuned`: what `quantised` gives.

        Raises FileNotFoundError when a file is missing, Unfit when the tuned layers do not fit into the model.
        """
        graph = onnx.load(directory / "model.onnx")
        replace_layers(graph, tuned)
        self._session = open_session(graph.SerializeToString(), threads)
        self._tokenizer = open_tokenizer(directory)
        self._lock, self._calls = threading.Lock(), 0  # of `tokens_of` under way

    def tokens_of(self, texts: Sequence[str]) -> list[Tokens]:
        """`tokens` of each.

        Helpers are started for the call, which costs little beside a window, and leave it when another call comes: a
        long text takes no core from a short one. As daemons they keep no process alive."""
        found: list[Tokens | Exception | None] = [None] * len(texts)
        left = iter(range(len(texts)))

        def work(*, helps: bool) -> None:
            while not (helps and self._calls > 1) and (number := next(left, None)) is not None:
                try:
                    found[number] = self.tokens(texts[number])
                except Exception as error:
                    found[number] = error

        with self._counted():
            count = min(MOST_CORES, os.cpu_count() or 1, len(texts)) - 1 if self._calls == 1 else 0
            helper = functools.partial(work, helps=True)
            helpers = [threading.Thread(target=helper, name="guard-encoder", daemon=True) for _ in range(count)]
            for each in helpers:
                each.start()
            work(helps=False)
            for each in helpers:
                each.join()
        return [_told(each) for each in found]

    @contextmanager
    def _counted(self) -> Iterator[None]:
        with self._lock:
            self._calls += 1
        try:
            yield
        finally:
            with self._lock:
                self._calls -= 1

    def tokens(self, text: str) -> Tokens:
        """At least the two special tokens."""
        # Lone surrogates are no text to the tokenizer.
        encoding = self._tokenizer.encode(text.encode(errors="replace").decode())
        ids = np.array([encoding.ids], dtype=np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        vectors: Floats = self._session.run(None, inputs)[0][0]
        starts, ends = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2).T
        return Tokens(vectors, starts, ends, bool(encoding.overflowing))


def _told(found: Tokens | Exception | None) -> Tokens:
    if isinstance(found, Tokens):
        return found
    raise found or RuntimeError("the encoder's thread has ended")


def open_tokenizer(directory: Path) -> Tokenizer:
    """Raises FileNotFoundError."""
    file = directory / "tokenizer.json"
    if not file.is_file():
        raise FileNotFoundError(f"no tokenizer.json in {directory}")
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def layer_name(layer: int, part: str) -> str:
    """`part`: one of MATRICES or NORMS."""
    return f"{layer}/{part}"


def quantised(layers: Mapping[str, Mapping[str, Floats]]) -> Arrays:
    """Layers as they are shipped. `layers`: by `layer_name`, weight (in, out) and bias, of normalisations (width,).

    A matrix becomes int8 with one scale for each output, its bias and the normalisations float16.
    """
    arrays: Arrays = {}
    for name, parts in layers.items():
        weight = parts["weight"]
        if weight.ndim == 2:
            scale = np.maximum(np.abs(weight).max(axis=0), 1e-9).astype(np.float32) / LARGEST
            arrays[f"{name}/int8"] = np.round(weight / scale).astype(np.int8)
            arrays[f"{name}/scale"] = scale
        else:
            arrays[f"{name}/weight"] = weight.astype(np.float16)
        arrays[f"{name}/bias"] = parts["bias"].astype(np.float16)
    return arrays


def read_layers(graph: onnx.ModelProto, layers: Sequence[int]) -> dict[str, dict[str, Floats]]:
    """The embedding model's own layers, as `quantised` takes them. Raises Unfit."""
    weights = {one.name: one for one in graph.graph.initializer}
    found: dict[str, dict[str, Floats]] = {}
    for layer in layers:
        for part in (*MATRICES, *NORMS):
            names = _names(graph, weights, layer, part)
            values = {role: numpy_helper.to_array(weights[name]) for role, name in names.items()}
            weight = values["weight"].astype(np.float32)
            if "scale" in values:
                weight = (weight - values["zero"].astype(np.float32)) * values["scale"]
            found[layer_name(layer, part)] = {"weight": weight, "bias": values["bias"].astype(np.float32)}
    return found


def replace_layers(graph: onnx.ModelProto, tuned: Mapping[str, NDArray[Any]]) -> None:
    """Put the tuned layers into the graph. Raises Unfit."""
    weights = {one.name: one for one in graph.graph.initializer}
    for layer in sorted({int(name.partition("/")[0]) for name in tuned}):
        for part in (*MATRICES, *NORMS):
            names, name = _names(graph, weights, layer, part), layer_name(layer, part)
            values: dict[str, NDArray[Any]] = {"bias": tuned[f"{name}/bias"].astype(np.float32)}
            if part in MATRICES:
                matrix, scale = tuned[f"{name}/int8"], tuned[f"{name}/scale"].astype(np.float32)
                values |= {"weight": matrix, "scale": scale, "zero": np.zeros(len(scale), dtype=np.int8)}
            else:
                values["weight"] = tuned[f"{name}/weight"].astype(np.float32)
            for role, value in values.items():
                target = weights[names[role]]
                if list(target.dims) != list(value.shape) or numpy_helper.to_array(target).dtype != value.dtype:
                    raise Unfit(f"{names[role]} is {list(target.dims)}, the tuned one {list(value.shape)}")
                target.CopyFrom(numpy_helper.from_array(value, names[role]))


def _names(graph: onnx.ModelProto, weights: Mapping[str, Any], layer: int, part: str) -> dict[str, str]:
    """Role -> initializer's name."""
    inside = f"layer.{layer}/{part}/"
    dotted = f"layer.{layer}.{part.replace('/', '.')}"
    names: dict[str, str] = {}
    for name in weights:
        for role in ("bias", "weight"):
            if name.endswith(f".{dotted}.{role}"):
                names[role] = name
    if part in MATRICES:
        for node in graph.graph.node:
            if node.op_type == "MatMulInteger" and f"/{inside}" in node.name:
                matrix = node.input[1]
                names |= {
                    "weight": matrix,
                    "scale": matrix.removesuffix("_quantized") + "_scale",
                    "zero": node.input[3],
                }
    wanted = {"weight", "bias", "scale", "zero"} if part in MATRICES else {"weight", "bias"}
    if not wanted <= {role for role, name in names.items() if name in weights}:
        raise Unfit(f"it has no int8 weights for {inside.rstrip('/')}")
    return names
