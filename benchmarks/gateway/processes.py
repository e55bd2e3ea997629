"""What the processes of a server cost: CPU seconds of whole process trees."""

import contextlib
import time
from collections.abc import Sequence

import psutil

_LOOK_S = 0.25
_QUIET_LOOKS = 2
_NOISE_SHARE = 0.05


def cpu_seconds(roots: Sequence[int]) -> float:
    """User and system time of these processes and all below them, of the ended ones too.

    A parent's account holds the children that it has waited for, which are in the tree no more.
    """
    total = 0.0
    for member in _members(roots):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def machine_cpu_seconds() -> float:
    """Time that all cores together have worked, for whomever."""
    times = psutil.cpu_times()
    return float(times.user + times.nice + times.system + times.irq + times.softirq + times.steal)


def niceness(roots: Sequence[int]) -> list[int]:
    """The different scheduling priorities in these trees; Ray starts workers with 15."""
    found: set[int] = set()
    for member in _members(roots):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.add(member.nice())
    return sorted(found)


def cpu_share(roots: Sequence[int], during_s: float) -> float:
    """What the trees take of one core, looked at for so long; more than 1 where they take several."""
    before, begin = cpu_seconds(roots), time.monotonic()
    time.sleep(during_s)
    return (cpu_seconds(roots) - before) / (time.monotonic() - begin)


def settle(roots: Sequence[int], idle_share: float, at_most_s: float) -> None:
    """Wait until the trees have done what they put off until after the answers (traces, rows, callbacks).

    `idle_share` is what they take of a core when nobody asks them anything.
    """
    deadline = time.monotonic() + at_most_s
    quiet = 0
    while quiet < _QUIET_LOOKS and time.monotonic() < deadline:
        quiet = quiet + 1 if cpu_share(roots, _LOOK_S) < idle_share * 1.5 + _NOISE_SHARE else 0


def _members(roots: Sequence[int]) -> set[psutil.Process]:
    """The roots that live and all below them, each once."""
    members: set[psutil.Process] = set()
    for root in roots:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(root)
            members |= {process, *process.children(recursive=True)}
    return members
