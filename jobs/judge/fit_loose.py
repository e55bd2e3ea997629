"""Training the network over left-over words (app/cache/judge/loose.py), one for each fold of groups."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.loose import LooseNet
from app.evals.cache_judge.table import Table

if TYPE_CHECKING:
    import torch

HIDDEN, EPOCHS, BATCH = 32, 6, 64
RATE, DECAY = 1.5e-3, 0.2
DROPPED_INPUTS, DROPPED_HIDDEN = 0.2, 0.3
SEED = 20240

Rows = NDArray[np.float32]


def fit_loose(table: Table, weights: NDArray[np.float64], folds: int) -> tuple[LooseNet, NDArray[np.float64]]:
    """The averaged networks, and for each pair the score of the one that has seen nothing of its group.

    The trees train on the latter: what they learn to trust is what the networks give for new questions.
    """
    fold = np.array([pair.group.fold(folds) for pair in table.pairs])
    nets, scores = [], np.zeros(len(table.pairs))
    for left_out in range(folds):
        net = _fit(table, weights, np.flatnonzero(fold != left_out))
        nets.append(net)
        for row in np.flatnonzero(fold == left_out):
            scores[row] = net.score(table.loose[row].astype(np.float32))
    stacked = (
        np.concatenate([getattr(net, name) for net in nets]) for name in ("inner", "inner_bias", "outer", "outer_bias")
    )
    return LooseNet(*stacked), scores


def _fit(table: Table, weights: NDArray[np.float64], taught: NDArray[np.intp]) -> LooseNet:
    import torch

    torch.manual_seed(SEED)
    draw = np.random.default_rng(SEED)
    width = table.loose[0].shape[1]
    inner, outer = torch.nn.Linear(width, HIDDEN), torch.nn.Linear(2 * HIDDEN + 1, 1)
    optimizer = torch.optim.AdamW([*inner.parameters(), *outer.parameters()], lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(taught) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    same, weight = torch.from_numpy(table.same.astype(np.float32)), torch.from_numpy(weights.astype(np.float32))
    for _ in range(EPOCHS):
        order = draw.permutation(taught)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            logits = _forward(inner, outer, [table.loose[row].astype(np.float32) for row in rows])
            losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, same[rows], reduction="none")
            loss = (losses * weight[rows]).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return LooseNet(
            inner.weight.T.numpy()[None].copy(),
            inner.bias.numpy()[None].copy(),
            outer.weight.numpy().copy(),
            outer.bias.numpy().copy(),
        )


def _forward(inner: "torch.nn.Linear", outer: "torch.nn.Linear", pairs: list[Rows]) -> "torch.Tensor":
    """Logits of a batch; the same sums as `LooseNet.score`, with dropout."""
    import torch

    counts = torch.tensor([len(rows) for rows in pairs])
    owner = torch.repeat_interleave(torch.arange(len(pairs)), counts)
    items = torch.from_numpy(np.concatenate(pairs))
    drop = torch.nn.functional.dropout
    found = drop(torch.relu(inner(drop(items, DROPPED_INPUTS))), DROPPED_HIDDEN)
    mean = torch.zeros(len(pairs), HIDDEN).index_add(0, owner, found) / counts.clamp(min=1)[:, None]
    most = torch.zeros(len(pairs), HIDDEN).scatter_reduce(0, owner[:, None].expand_as(found), found, "amax")
    logits: torch.Tensor = outer(torch.cat([mean, most, counts.sqrt()[:, None]], dim=1))[:, 0]
    return logits
