"""Tuning of the embedding model's upper layers, in torch.

The layers below are the installed model's, as it runs: their output is computed once by ONNX Runtime and kept. The
upper ones begin as what the installed model has, and learn together with a head: attention pooling in the way of Ilse,
Tomczak and Welling (2018), so that each token has a part in the score and a report can say where an attack stands.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx.utils import Extractor
from onnxruntime import InferenceSession
from torch import nn
from torch.nn import functional

from app.guard.injection.encoder import MATRICES, NORMS, layer_name, read_layers
from app.retrieval.onnx_session import open_session
from jobs.guard.table import POSITIVE, UNKNOWN, UNUSED, Table

LAYERS = (2, 3, 4, 5)
WIDTH, ATTENTION_HEADS, EPSILON = 384, 12, 1e-12
POOLS = 4  # of the head
DROPOUT = 0.1  # of tokens
RATE, DECAY, WARM_UP = 2e-4, 0.02, 0.08
HEAD_RATE = 5.0  # times RATE
LAYER_RATE = 0.85  # of a layer's rate the one below has
EPOCHS = 3  # with six at a higher rate, fewer were found in cross-validation: scores saturate
BATCH_TOKENS = 3_000  # of a step
STEP = 16  # tokens that a batch's length is a multiple of
SMOOTHING = 0.04
AVERAGE_FROM = 0.5  # of all steps; the weights since then are averaged
AVERAGE_DECAY = 0.995

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tuned:
    """`layers` as `app.guard.injection.encoder.quantised` takes them; the head's `attention` and `value`, (POOLS,
    WIDTH), and `bias`; `scores` of the table's rows that did not train, else 0."""

    layers: dict[str, dict[str, Floats]]
    attention: Floats
    value: Floats
    bias: float
    scores: NDArray[np.float64]


class Layer(nn.Module):
    """One of BERT's."""

    def __init__(self, own: dict[str, dict[str, Floats]], number: int) -> None:
        super().__init__()
        self.parts = nn.ModuleDict()
        for part in MATRICES:
            weight, bias = own[layer_name(number, part)]["weight"], own[layer_name(number, part)]["bias"]
            linear = nn.Linear(*weight.shape)
            linear.weight.data, linear.bias.data = torch.tensor(weight.T.copy()), torch.tensor(bias)
            self.parts[part] = linear
        for part in NORMS:
            norm = nn.LayerNorm(WIDTH, eps=EPSILON)
            norm.weight.data = torch.tensor(own[layer_name(number, part)]["weight"])
            norm.bias.data = torch.tensor(own[layer_name(number, part)]["bias"])
            self.parts[part] = norm

    def forward(self, seen: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = seen.shape

        def split(part: str) -> torch.Tensor:
            made: torch.Tensor = self.parts[part](seen)
            return made.view(batch, tokens, ATTENTION_HEADS, -1).transpose(1, 2)

        query, key, value = (split(f"attention/self/{name}") for name in ("query", "key", "value"))
        looks = (query @ key.transpose(-1, -2) * float(query.shape[-1]) ** -0.5 + mask).softmax(dim=-1)
        mixed = self.parts["attention/output/dense"]((looks @ value).transpose(1, 2).reshape(batch, tokens, width))
        seen = self.parts["attention/output/LayerNorm"](seen + mixed)
        inner = self.parts["output/dense"](functional.gelu(self.parts["intermediate/dense"](seen)))
        out: torch.Tensor = self.parts["output/LayerNorm"](seen + inner)
        return out

    def arrays(self, number: int) -> dict[str, dict[str, Floats]]:
        return {
            layer_name(number, part): {
                "weight": self.parts[part].get_parameter("weight").detach().numpy().T.copy(),
                "bias": self.parts[part].get_parameter("bias").detach().numpy().copy(),
            }
            for part in (*MATRICES, *NORMS)
        }


class Judge(nn.Module):
    """Layers and head: a logit for each window."""

    def __init__(self, own: dict[str, dict[str, Floats]]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(own, number) for number in LAYERS)
        self.attention = nn.Parameter(torch.randn(POOLS, WIDTH) * 0.02)
        self.value = nn.Parameter(torch.randn(POOLS, WIDTH) * 0.02)
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, seen: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        hidden = torch.arange(seen.shape[1])[None, :] >= lengths[:, None]
        if self.training:  # some tokens are not seen: what dropout is for, and much cheaper
            dropped = torch.rand(hidden.shape) < DROPOUT
            dropped[:, 0] = False
            hidden = hidden | dropped
        mask = torch.zeros(hidden.shape).masked_fill(hidden, -1e4)
        for layer in self.layers:
            seen = layer(seen, mask[:, None, None, :].to(seen.dtype))
        seen = seen.float()
        parts = (seen @ self.attention.float().T + mask[:, :, None]).softmax(dim=1)
        return (parts * (seen @ self.value.float().T)).sum(dim=(1, 2)) + self.bias.float()


class Lower:
    """What the layers below give for each of many windows: float16, kept in memory."""

    def __init__(self, directory: Path, ids: Sequence[Sequence[int]], advance: Callable[[], object]) -> None:
        self.lengths = np.array([len(one) for one in ids])
        graph = onnx.load(directory / "model.onnx")
        self.own = read_layers(graph, LAYERS)
        session = _cut_below(graph, LAYERS[0])
        self._starts = np.concatenate(([0], np.cumsum(self.lengths)))
        self._all = np.zeros((int(self._starts[-1]), WIDTH), dtype=np.float16)
        for one, tokens in enumerate(ids):
            row = np.array([tokens], dtype=np.int64)
            given = {"input_ids": row, "attention_mask": np.ones_like(row), "token_type_ids": np.zeros_like(row)}
            wanted = {name.name for name in session.get_inputs()}
            out = session.run(None, {name: value for name, value in given.items() if name in wanted})[0]
            self._all[self._starts[one] : self._starts[one + 1]] = out[0]
            advance()

    def batch(self, rows: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Padded, bfloat16 (rows, tokens, WIDTH), and their lengths."""
        lengths = self.lengths[rows]
        padded = np.zeros((len(rows), int(padded_lengths(lengths).max()), WIDTH), dtype=np.float16)
        for at, row in enumerate(rows):
            padded[at, : lengths[at]] = self._all[self._starts[row] : self._starts[row + 1]]
        return torch.from_numpy(padded).to(torch.bfloat16), torch.from_numpy(lengths)


def _cut_below(graph: onnx.ModelProto, layer: int) -> InferenceSession:
    norm = next(
        node.output[0]
        for node in graph.graph.node
        if node.op_type == "LayerNormalization" and f"layer.{layer - 1}/output/LayerNorm" in node.name
    )
    given = [one.name for one in graph.graph.input]
    lower = Extractor(onnx.shape_inference.infer_shapes(graph)).extract_model(given, [norm])
    return open_session(lower.SerializeToString(), threads=0)


def tune(
    lower: Lower,
    table: Table,
    weight: NDArray[np.float64],
    taught: NDArray[np.bool_],
    seed: int,
    advance: Callable[[float], object],
    epochs: int = EPOCHS,
) -> Tuned:
    """`weight`: of each row; `taught`: which rows train; `advance` is called with the share that each step is."""
    torch.manual_seed(0)
    judge = Judge(lower.own)  # always the same one to begin with: see `averaged`
    torch.manual_seed(seed)
    draw = np.random.default_rng(seed)
    fast = copy.deepcopy(judge).to(torch.bfloat16).train()  # computes; the float32 one is what learns
    optimizer = torch.optim.AdamW(_groups(judge), weight_decay=DECAY, fused=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    rows = np.flatnonzero(taught & (table.label != UNUSED))
    steps_an_epoch = len(batches(rows, lower.lengths, np.random.default_rng(0)))
    total, step = steps_an_epoch * epochs + 1, 0
    average = [parameter.detach().clone() for parameter in judge.parameters()]
    last = np.zeros(len(table.owner))
    for epoch in range(epochs):
        chosen = rows[_teaches(table, rows, last, epoch)]
        target = (table.label != 0).astype(np.float32)
        for some in batches(chosen, lower.lengths, draw):
            step += 1
            share = step / total
            factor = min(1.0, share / WARM_UP, max(0.02, (1 - share) / (1 - WARM_UP)))
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            seen, lengths = lower.batch(some)
            logits = fast(seen, lengths)
            wanted = torch.from_numpy(target[some] * (1 - 2 * SMOOTHING) + SMOOTHING)
            loss = functional.binary_cross_entropy_with_logits(
                logits, wanted, torch.from_numpy(weight[some].astype(np.float32)), reduction="sum"
            ) / float(weight[rows].mean() * len(some))
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no type for it
            for parameter, small in zip(judge.parameters(), fast.parameters(), strict=True):
                parameter.grad, small.grad = small.grad.float(), None  # type: ignore[union-attr]  # backward has run
            nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
            optimizer.step()
            last[some] = logits.detach().numpy()
            kept = AVERAGE_DECAY if share >= AVERAGE_FROM else 0.0
            with torch.no_grad():
                for mean, parameter in zip(average, judge.parameters(), strict=True):
                    mean.lerp_(parameter, 1 - kept)
                for small, parameter in zip(fast.parameters(), judge.parameters(), strict=True):
                    small.copy_(parameter)
            advance(1 / total)
    for mean, parameter in zip(average, judge.parameters(), strict=True):
        parameter.data.copy_(mean)
    layers: dict[str, dict[str, Floats]] = {}
    for number, layer in zip(LAYERS, judge.layers, strict=True):
        assert isinstance(layer, Layer)
        layers |= layer.arrays(number)
    return Tuned(
        layers,
        judge.attention.detach().numpy().copy(),
        judge.value.detach().numpy().copy(),
        float(judge.bias.detach()),
        scores_of(judge, lower, np.flatnonzero(~taught)),
    )


def averaged(trainings: Sequence[Tuned]) -> tuple[dict[str, dict[str, Floats]], Floats, Floats, float]:
    """Layers, attention, value and bias of a model between several that began as the same one and learned with other
    seeds, from other parts of the texts. It errs less than any of them, and costs no more than one (model soups, arXiv
    2203.05482)."""

    def mean(arrays: Iterable[Floats]) -> Floats:
        means: Floats = np.mean(np.stack(list(arrays)), axis=0, dtype=np.float32)
        return means

    first = trainings[0].layers
    return (
        {name: {role: mean(one.layers[name][role] for one in trainings) for role in first[name]} for name in first},
        mean(one.attention for one in trainings),
        mean(one.value for one in trainings),
        float(np.mean([one.bias for one in trainings])),
    )


def scores_of(judge: Judge, lower: Lower, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Logits of rows."""
    fast = copy.deepcopy(judge).to(torch.bfloat16).eval()
    scores = np.zeros(len(lower.lengths))
    with torch.inference_mode():
        for some in batches(rows, lower.lengths, np.random.default_rng(0)):
            scores[some] = fast(*lower.batch(some)).numpy()
    return scores


def batches(rows: NDArray[np.intp], lengths: NDArray[np.int64], draw: np.random.Generator) -> list[NDArray[np.intp]]:
    """Rows of like lengths together, `BATCH_TOKENS` tokens each, in random order. Few shapes: a new one costs time."""
    padded = padded_lengths(lengths[rows])
    found: list[NDArray[np.intp]] = []
    for length in np.unique(padded):
        same = draw.permutation(rows[padded == length])
        found += np.split(same, range(BATCH_TOKENS // length, len(same), BATCH_TOKENS // length))
    return [found[at] for at in draw.permutation(len(found))]


def padded_lengths(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """To multiples of `STEP`."""
    return -(-lengths // STEP) * STEP


def _teaches(table: Table, rows: NDArray[np.intp], last: NDArray[np.float64], epoch: int) -> NDArray[np.bool_]:
    """Of a text whose windows' labels are not known only the one that scored highest in the epoch before."""
    teaches = np.ones(len(rows), dtype=np.bool_)
    if epoch == 0:
        return teaches
    best: dict[int, int] = {}
    for at in np.flatnonzero(table.label[rows] == UNKNOWN):
        owner = int(table.owner[rows[at]])
        if owner not in best or last[rows[at]] > last[rows[best[owner]]]:
            best[owner] = int(at)
    unknown = table.label[rows] == UNKNOWN
    teaches[unknown] = False
    teaches[list(best.values())] = True
    return teaches


def _groups(judge: Judge) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = [
        {"params": list(layer.parameters()), "lr": RATE * LAYER_RATE ** (len(LAYERS) - 1 - at)}
        for at, layer in enumerate(judge.layers)
    ]
    groups.append({"params": [judge.attention, judge.value, judge.bias], "lr": RATE * HEAD_RATE, "weight_decay": 0.0})
    return groups


__all__ = ["LAYERS", "POSITIVE", "Lower", "Tuned", "averaged", "tune"]
