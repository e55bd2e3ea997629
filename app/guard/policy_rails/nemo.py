"""NVIDIA NeMo Guardrails (nemoguardrails, Apache-2.0): the input or output rails of a configuration of its own."""

import asyncio
import hashlib
import os
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from app.config.policy import NemoSettings
from app.guard.policy_rails.spans import version_of
from app.guard.rail import RailMissing
from app.guard.types import Hit

# What it answers when an action of its own fails, as if a rail had refused.
_INTERNAL_ERROR = "internal error has occurred"
_AT_ONCE = 8


class NemoRail:
    """Asks `LLMRails.check_async`, in an event loop of its own that lives as long as the rail: the clients of models
    that it may use are bound to the loop they were first used in, and calls come from several threads."""

    def __init__(self, settings: NemoSettings) -> None:
        """Raises RailMissing when the package or the configuration is not there, or has no such rails."""
        # It reports to its makers what is configured, unless told otherwise before it is made.
        os.environ.setdefault("NEMO_GUARDRAILS_NO_USAGE_STATS", "1")
        try:
            import nemoguardrails  # type: ignore[import-not-found, unused-ignore] # an extra
            from nemoguardrails.rails.llm.options import RailType  # type: ignore[import-not-found, unused-ignore] # same
        except ImportError:
            raise RailMissing("the rail `nemo` needs NeMo Guardrails: `pip install 'sextant[nemo]'`") from None
        directory = Path(settings.config)
        if not directory.is_dir():
            raise RailMissing(
                f"the rail `nemo`: there is no directory {settings.config}; set `config` to that of config.yml"
            )
        try:
            config = nemoguardrails.RailsConfig.from_path(settings.config)
            if not getattr(config.rails, settings.rails).flows:
                raise ValueError(f"it has no {settings.rails} rails (rails.{settings.rails}.flows)")
            self._rails = nemoguardrails.LLMRails(config)
        except Exception as error:
            raise RailMissing(
                f"the rail `nemo` cannot use {settings.config}: {type(error).__name__}: {error}"
            ) from error
        if not hasattr(self._rails, "check_async"):
            raise RailMissing("the rail `nemo` needs NeMo Guardrails 0.24 or newer: `pip install -U nemoguardrails`")
        self._rails.events_history_cache = _Forgets()
        self._types = [RailType(settings.rails)]
        self._role = "assistant" if settings.rails == "output" else "user"
        self._deadline_s = settings.deadline_ms / 1000
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="guard-nemo-loop", daemon=True).start()
        self.version = version_of(settings, 1, _files(directory), getattr(nemoguardrails, "__version__", ""))

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Rule: the flow that refused, over all of the text; `modified` over the part that a flow rewrote. Score 1.

        Raises TimeoutError past the rail's deadline, RuntimeError where an action of the configuration failed.
        """
        return self._run(self._all(texts))

    async def _all(self, texts: Sequence[str]) -> list[list[Hit]]:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(text: str) -> list[Hit]:
            async with gate:
                # Lone surrogates cannot be sent to any model.
                readable = text.encode(errors="replace").decode()
                answer = await self._rails.check_async(
                    [{"role": self._role, "content": readable}], rail_types=self._types
                )
            return _hits(answer, readable)

        async with asyncio.timeout(self._deadline_s):
            return await asyncio.gather(*(one(text) for text in texts))

    def _run(self, work: Coroutine[Any, Any, list[list[Hit]]]) -> list[list[Hit]]:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


def _hits(answer: Any, text: str) -> list[Hit]:
    status = str(getattr(answer.status, "value", answer.status))
    if status == "passed":
        return []
    content = str(answer.content or "")
    if status == "blocked":
        if _INTERNAL_ERROR in content:
            raise RuntimeError(f"NeMo Guardrails: an action of {answer.rail!r} failed; its log says how")
        return [Hit(str(answer.rail or "blocked"), 1.0, 0, len(text))]
    if status != "modified":
        raise ValueError(f"NeMo Guardrails answered {status!r}")
    start = _common(text, content)
    end = len(text) - _common(text[start:][::-1], content[start:][::-1])
    return [Hit("modified", 1.0, start, end) if start < end else Hit("modified", 1.0, 0, len(text))]


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


class _Forgets(dict[str, Any]):
    """Keeps nothing. NeMo remembers the events of every conversation, for ever: they hold what users wrote, and no text
    here continues another."""

    def __setitem__(self, key: str, value: Any) -> None:
        pass


def _files(directory: Path) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(directory.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(directory)).encode(errors="replace") + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
