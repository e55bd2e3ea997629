"""A function of one's own: `def check(text: str) -> Iterable[Hit]`."""

import importlib
import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from numbers import Real
from pathlib import Path
from typing import Any

from app.config.policy import PythonSettings
from app.guard.policy_rails.spans import bounded, version_of, whole
from app.guard.rail import RailMissing
from app.guard.types import Hit


class HookRail:
    """Calls it with one text at a time, in several threads at once. It answers with

    - True or False: whether the text is meant (score 1, all of the text),
    - a number from 0 to 1: how surely it is,
    - an iterable of `Hit`, or of tuples (rule, score, start, end).

    What it raises is the rail's failure; so is any other answer, None too, since a forgotten `return` is no verdict.
    """

    def __init__(self, settings: PythonSettings) -> None:
        """Raises RailMissing when there is no such function, or its module cannot be imported."""
        self._function = load(settings.hook, "python")
        self._rule = settings.hook.rpartition(":")[2]
        if inspect.iscoroutinefunction(self._function):
            raise RailMissing(
                f"the hook {settings.hook} is a coroutine; the rail calls it in a thread: make it a plain `def`"
            )
        self.version = version_of(settings, 1, source_of(self._function))

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Its hits; spans are cut to the text and scores to 0 to 1. Raises what it raises; TypeError or ValueError for
        another answer than those above."""
        return [bounded(self._read(self._function(text), text), len(text)) for text in texts]

    def _read(self, answer: Any, text: str) -> Iterator[Hit]:
        if isinstance(answer, bool) or type(answer).__name__ in ("bool_", "bool"):  # NumPy's is not Python's
            if answer:
                yield whole(self._rule, 1.0, text)
        elif isinstance(answer, Real):
            yield whole(self._rule, _score(answer), text)
        elif isinstance(answer, Iterable) and not isinstance(answer, (str, bytes, dict)):
            for item in answer:
                yield _hit(item, text)
        else:
            raise TypeError(f"the hook answered {type(answer).__name__}; it must answer a bool, a number or hits")


def load(name: str, rail: str) -> Callable[..., Any]:
    """What `module:name` names. Raises RailMissing, with what to do."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise RailMissing(
            f"the rail `{rail}` cannot import {module!r} ({error}); install it, or put its directory on PYTHONPATH, "
            "where the gateway and the Guard deployment run"
        ) from error
    except AttributeError:
        raise RailMissing(f"the rail `{rail}`: the module {module!r} has no {attribute!r}") from None
    except Exception as error:  # its module's own code
        raise RailMissing(f"the rail `{rail}`: importing {module!r} failed: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise RailMissing(f"the rail `{rail}`: {name} cannot be called")
    checked: Callable[..., Any] = found
    return checked


def source_of(function: Callable[..., Any]) -> str:
    """Its own `version`, else its module's source, else nothing: what changes when it finds something else."""
    declared = getattr(function, "version", None)
    if isinstance(declared, (str, int)):
        return str(declared)
    try:
        return Path(inspect.getfile(function)).read_text(errors="replace")
    except (OSError, TypeError):  # built in, or made at run time
        return ""


def _score(value: Any) -> float:
    score = float(value)
    if math.isnan(score):
        raise ValueError("the hook gave a score that is not a number")
    return min(1.0, max(0.0, score))


def _hit(item: Any, text: str) -> Hit:
    if isinstance(item, Hit):
        item = (item.rule, item.score, item.start, item.end)
    if not isinstance(item, (tuple, list)) or len(item) != 4:
        raise TypeError("the hook gave something else than a Hit or (rule, score, start, end)")
    rule, score, start, end = item
    if not isinstance(rule, str) or not rule or len(rule) > 100:
        raise TypeError("the hook gave a hit whose rule is no name")
    start = min(max(0, int(start)), len(text))
    return Hit(rule, _score(score), start, min(max(start, int(end)), len(text)))
