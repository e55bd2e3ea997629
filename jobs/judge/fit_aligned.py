"""Training the network over aligned tokens (app/cache/judge/aligned.py): one for each fold, and one on all."""

import random
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.cache.judge.aligned import AlignedNet, averaged
from app.evals.cache_judge.groups import Source
from app.evals.cache_judge.table import Table

EPOCHS, GROUPS, RATE, DECAY = 5, 16, 2e-3, 0.1
WARM_UP = 0.15  # of all steps
# Of each group, an epoch; all that was written to its question comes besides.
WITHIN_SAME, WITHIN_OTHER, MADE = 8, 16, 6
WRITTEN_WEIGHT, OTHER_WEIGHT = 1.0, 0.4
SEEDS = (20240,)  # one network each; a second gained 0.1 to 0.5 points of the paraphrases in cross-validation

Rows = dict[tuple[Source, bool], list[int]]


def fit_aligned(table: Table, folds: int) -> tuple[AlignedNet, NDArray[np.float64]]:
    """The networks that all rows trained, and for each pair the score of some that have seen nothing of its group."""
    fold = np.array([pair.group.fold(folds) for pair in table.pairs])
    scores = np.zeros(len(table.pairs))
    for left_out in range(folds):
        net = train_aligned(table, np.flatnonzero(fold != left_out))
        for row in np.flatnonzero(fold == left_out):
            scores[row] = net.score(table.tokens[row])
    return train_aligned(table, np.arange(len(table.pairs))), scores


def train_aligned(table: Table, taught: NDArray[np.intp]) -> AlignedNet:
    """Train on these rows of the table."""
    return averaged([_train(table, taught, seed) for seed in SEEDS])


def _train(table: Table, taught: NDArray[np.intp], seed: int) -> AlignedNet:
    import torch

    from jobs.judge.aligned_torch import Aligner

    torch.manual_seed(seed)
    draw = random.Random(seed)  # noqa: S311 - chance, not a secret
    net = Aligner(table.tokens[0].vectors[0].shape[1])
    groups = _by_group(table, taught)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    steps = EPOCHS * -(-len(groups) // GROUPS)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=WARM_UP)
    for _ in range(EPOCHS):
        draw.shuffle(groups)
        for start in range(0, len(groups), GROUPS):
            rows = _drawn(groups[start : start + GROUPS], draw)
            same = torch.tensor([float(table.pairs[row].is_same) for row in rows])
            weight = torch.tensor([_weight(table.pairs[row].source) for row in rows])
            logits = net([table.tokens[row] for row in rows])
            losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, same, reduction="none")
            # Those that ask the same and those that do not count a half each.
            halves = [
                (losses * side).sum() / side.sum().clamp(min=1e-9) for side in (weight * same, weight * (1 - same))
            ]
            optimizer.zero_grad()
            ((halves[0] + halves[1]) / 2).backward()  # type: ignore[no-untyped-call]  # torch gives it no types
            optimizer.step()
            schedule.step()
    return net.finished()


def _weight(source: Source) -> float:
    return WRITTEN_WEIGHT if source == "written" else OTHER_WEIGHT


def _by_group(table: Table, taught: NDArray[np.intp]) -> list[Rows]:
    groups: dict[str, Rows] = {}
    for row in taught.tolist():
        pair = table.pairs[row]
        if table.tokens[row].relation.size:
            groups.setdefault(pair.group.name, {}).setdefault((pair.source, pair.is_same), []).append(row)
    return list(groups.values())


def _drawn(groups: Sequence[Rows], draw: random.Random) -> list[int]:
    rows: list[int] = []
    for group in groups:
        rows += group.get(("written", True), []) + group.get(("written", False), [])
        made = group.get(("made", True), []) + group.get(("made", False), [])
        within = group.get(("within", True), []), group.get(("within", False), [])
        for some, most in zip((*within, made), (WITHIN_SAME, WITHIN_OTHER, MADE), strict=True):
            rows += draw.sample(some, min(len(some), most))
    return rows
