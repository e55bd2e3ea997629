"""What several topics share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# As the guard's process has it; before anything imports NumPy.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from tests.unit.bench import Bench, stack_config

MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(tmp_path: Path) -> MakeBench:
    """Benches by configuration sections: `make_bench(guard={"on_failure": "open"})`."""

    def make(**sections: Any) -> Bench:
        return Bench(stack_config(tmp_path, **sections))

    return make


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """A bench as it comes: guard and cache on."""
    return make_bench()
