"""The rail: each text is one request to the safety model, and a long one a request for each of its windows.

All requests of a call are under way at the same time, and so are those of other calls: vLLM takes whatever is there
into its running batch at each step (continuous batching), and computes what all prompts begin with, the task and the
categories, only once (prefix caching). So nothing is gathered or delayed here.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from app.config.policy import SafetyModelSettings
from app.digests import KeyedDigests
from app.errors import ContextTooLong
from app.guard.safety import quoting
from app.guard.safety.answers import Judgement
from app.guard.safety.formats import Exchange, Format
from app.guard.safety.windows import CONTEXT_CHARACTERS, MOST_HALVINGS, excerpt, halves, window_characters, windows
from app.guard.types import Context, Hit
from app.pipeline.ports import Task
from app.recent import Recent

Answer = TypeVar("Answer")
Ask = Callable[[Task, dict[str, Any]], Awaitable[dict[str, Any]]]

VERSION = 1
REMEMBERED = 4096  # texts: a conversation comes again with each of its turns
AT_ONCE = 32  # requests of one rail in a process; what is above waits here, not in the engine's bounded queue
LEAST_SCORE = 0.01  # under it a text that was called safe is no hit
TOP_LOGPROBS = 10


class SafetyModelRail:
    """A ContextRail. `judges_answers`: the texts are answers to the context's question, else what users wrote."""

    def __init__(
        self,
        settings: SafetyModelSettings,
        ask: Ask,
        form: Format,
        *,
        judges_answers: bool = False,
        is_local: bool = True,
        context_tokens: int | None = None,
        revision: str = "",
    ) -> None:
        """`ask` sends a request and gives its answer. `is_local`: to an engine of this stack, which takes vLLM's
        fields. `context_tokens`: the model's context, where it is known. `revision`: of the weights, for `version`."""
        self._ask = ask
        self._form = form
        self._ignored = frozenset(settings.ignore)
        self._judges_answers = judges_answers
        self._options: dict[str, Any] = {"temperature": 0, "max_tokens": form.max_tokens}
        if is_local:
            self._options |= _engine_options(form, settings)
        taken = form.max_tokens + len(str(form.body(Exchange("")))) // 3
        if judges_answers:
            taken += CONTEXT_CHARACTERS // 4
        self._window = window_characters(context_tokens, taken, settings.window_characters)
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._recent: Recent[tuple[Hit, ...]] = Recent(REMEMBERED)
        self._digests = KeyedDigests()
        told = settings.model_dump(include={"model", "format", "categories", "ignore", "constrained"})
        self.version = _digest(
            f"{VERSION} {quoting.VERSION} {self._window} {judges_answers} {revision} {sorted(told.items())!r}".encode()
        )

    async def examine(self, texts: Sequence[str], context: Context) -> list[list[Hit]]:
        """A hit for each category, about the whole text.

        Raises SextantError of the model, Unreadable when it says neither safe nor unsafe, and TextTooLong.
        """
        # Llama Guard is trained on answers with their question: one without is judged as what a user wrote.
        question = excerpt(context.question) if self._judges_answers and context.question.strip() else ""
        new = [text for text in dict.fromkeys(texts) if text.strip() and self._known(text, question) is None]
        found = dict(zip(new, await _all([self._judge(Exchange(text, question)) for text in new]), strict=True))
        for text, hits in found.items():
            self._recent.put(self._digest(text, question), hits)
        return [list(found[text] if text in found else self._known(text, question) or ()) for text in texts]

    def _known(self, text: str, question: str) -> tuple[Hit, ...] | None:
        return self._recent.get(self._digest(text, question))

    def _digest(self, text: str, question: str) -> str:
        """Stands for both in memory, so that no text stays there."""
        return self._digests.of(question, text)

    async def _judge(self, exchange: Exchange) -> tuple[Hit, ...]:
        pieces = [Exchange(piece, exchange.question) for piece in windows(exchange.text, self._window)]
        judged = [one for some in await _all([self._ask_for(piece) for piece in pieces]) for one in some]
        return self._hits(judged, len(exchange.text))

    async def _ask_for(self, exchange: Exchange, halvings: int = 0) -> list[Judgement]:
        if not exchange.text.strip():
            return []
        try:
            async with self._slots:
                answer = await self._ask(self._form.task, {**self._form.body(exchange), **self._options})
        except ContextTooLong:
            if halvings == MOST_HALVINGS:
                raise
            pieces = [Exchange(piece, exchange.question) for piece in halves(exchange.text)]
            return [one for some in await _all([self._ask_for(p, halvings + 1) for p in pieces]) for one in some]
        return [self._form.read(answer)]

    def _hits(self, judgements: Sequence[Judgement], length: int) -> tuple[Hit, ...]:
        """Of the windows' judgements, each category's worst."""
        scores: dict[str, float] = {}
        for judgement in judgements:
            for rule in self._rules(judgement):
                scores[rule] = max(scores.get(rule, 0.0), round(judgement.score, 4))
        return tuple(Hit(rule, score, 0, length) for rule, score in sorted(scores.items(), key=lambda item: -item[1]))

    def _rules(self, judgement: Judgement) -> list[str]:
        if not judgement.unsafe:
            return ["unsafe"] if judgement.score >= LEAST_SCORE else []
        if not judgement.codes:
            return ["unsafe"]  # it did not say what for, so that nothing can be ignored
        named = {code: self._form.names[code] for code in judgement.codes if code not in self._ignored}
        return [code if code == name else f"{code} {name}" for code, name in named.items()]


def _engine_options(form: Format, settings: SafetyModelSettings) -> dict[str, Any]:
    """vLLM's own fields: log probabilities in the shape of the task, and an answer that cannot be but a verdict."""
    options: dict[str, Any] = (
        {"logprobs": TOP_LOGPROBS} if form.task == "completions" else {"logprobs": True, "top_logprobs": TOP_LOGPROBS}
    )
    if settings.constrained:
        options["structured_outputs"] = {"regex": form.pattern}
    return options


async def _all(work: Sequence[Coroutine[Any, Any, Answer]]) -> list[Answer]:
    """All answers in order. The first failure ends the others, and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
