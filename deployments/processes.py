"""Starting the processes of a laptop stack, and ending every one of them.

The launcher becomes the reaper of all its descendants, so whatever a child leaves behind (Ray's
daemons, engine workers) is still found and ended.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from app.child_process import die_with_parent

_PR_SET_CHILD_SUBREAPER = 36
MAX_LINE = 4096  # bytes of a log's last line that are looked at


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


@dataclass(frozen=True)
class Child:
    """A process that belongs to the stack."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    essential: bool  # the stack cannot go on without it

    def tail(self, lines: int = 12) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def last_line(self) -> str:
        """What it said last; empty when that is nothing."""
        with self.log.open("rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - MAX_LINE, 0))
            lines = log.read().decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def last_words(self) -> str:
        """That it has ended, and what it said before."""
        return f"ended by itself; the end of {self.log}:\n{self.tail()}"


@dataclass
class Supervisor:
    """Knows the children; ends everything below this process."""

    logs: Path
    children: list[Child] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str], *, essential: bool) -> Child:
        """Start a process that writes to `<logs>/<name>.log` and gets SIGTERM when this one dies."""
        log = self.logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A terminal's Ctrl-C goes to the launcher alone, which ends the others in order.
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        child = Child(name, process, log, essential)
        self.children.append(child)
        return child

    def fallen(self) -> Child | None:
        """An essential child that has ended, if any."""
        return next((c for c in self.children if c.essential and c.process.poll() is not None), None)

    def named(self, name: str) -> Child:
        """The child of that name. Raises StopIteration."""
        return next(child for child in self.children if child.name == name)

    def stop_all(self, grace_s: float = 8.0) -> None:
        """Ask all descendants to end, then end them."""
        deadline = time.monotonic() + grace_s
        for child in reversed(self.children):
            if child.process.poll() is None:
                child.process.terminate()
        asked: set[int] = set()
        while (alive := _descendants()) and time.monotonic() < deadline:
            for process in alive:
                if process.pid not in asked and time.monotonic() > deadline - grace_s / 2:
                    asked.add(process.pid)
                    _signal(process, signal.SIGTERM)
            time.sleep(0.05)
        # Killed processes can have left children of their own, which are ours only now.
        while alive := _descendants():
            for process in alive:
                _signal(process, signal.SIGKILL)
            time.sleep(0.05)
        buried_by = time.monotonic() + 2
        while psutil.Process().children(recursive=True) and time.monotonic() < buried_by:
            _bury()
            time.sleep(0.01)


def _descendants() -> list[psutil.Process]:
    """Living processes below this one; the dead ones among them are buried on the way."""
    _bury()
    return [p for p in psutil.Process().children(recursive=True) if p.is_running() and not _is_dead(p)]


def _bury() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _is_dead(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)
