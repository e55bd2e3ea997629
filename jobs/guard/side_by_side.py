"""Several trainings at once, one process and one core each: three of one core are faster than one of three."""

import multiprocessing
import queue
from collections.abc import Callable, Sequence
from multiprocessing.queues import Queue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.guard.data import Example
from jobs.guard.fit import Fitted, fit
from jobs.guard.table import Table
from jobs.guard.tune import Lower

_PATIENCE = 5.0  # seconds until it is looked whether a process still lives


def fit_side_by_side(
    table: Table,
    lower: Lower,
    examples: Sequence[Example],
    taught: Sequence[NDArray[np.bool_]],
    advance: Callable[[float], object],
) -> list[Fitted]:
    """One training for each of `taught`, whose number is its seed. `advance` is called with shares of one training.

    Processes are forked: the table is large, and is shared. Raises RuntimeError when one of them ends early.
    """
    context = multiprocessing.get_context("fork")
    told: Queue[Any] = context.Queue()

    def work(number: int) -> None:
        import torch

        torch.set_num_threads(1)
        fitted = fit(table, lower, examples, taught[number], number, lambda share: told.put(share))
        told.put((number, fitted))

    processes = [context.Process(target=work, args=(number,), daemon=True) for number in range(len(taught))]
    for process in processes:
        process.start()
    found: dict[int, Fitted] = {}
    while len(found) < len(taught):
        try:
            news = told.get(timeout=_PATIENCE)
        except queue.Empty:
            if any(process.exitcode for process in processes):
                raise RuntimeError("a training process ended early; there may be too little memory") from None
            continue
        if isinstance(news, float):
            advance(news)
        else:
            found[news[0]] = news[1]
    for process in processes:
        process.join()
    return [found[number] for number in range(len(taught))]
