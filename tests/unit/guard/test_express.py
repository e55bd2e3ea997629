"""One thread for all rails of a short text that comes alone, in which no rail waits for another that is slow."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from app.config import Policy
from app.config.policy import AnyRail, InjectionSettings, PiiSettings, SecretsSettings
from app.guard import engine, runner
from app.guard.engine import EXPRESS_CHARACTERS, Engine, Job
from app.guard.rail import Examination
from app.guard.types import Examined, Hit

DEADLINE_MS = 20_000  # never reached, where nothing hangs


class Rail:
    """Notes in which thread it examines; `held` waits there for `release`."""

    version = "1"

    def __init__(self, held: str = "") -> None:
        self.threads: list[str] = []
        self.asked, self.begun, self.release = threading.Event(), threading.Event(), threading.Event()
        self._held = held

    def examine(self, texts: Sequence[str]) -> list[list[Hit]]:
        self.threads.append(threading.current_thread().name)
        self.asked.set()
        if self._held in texts:
            self.begun.set()
            assert self.release.wait(60)
        return [[Hit("found", 1.0, 0, len(text))] for text in texts]


class Heavy(Rail):
    """Needs a network for texts that begin with "net"; `held` waits in the network."""

    def __init__(self, held: str = "", *, error: str = "") -> None:
        super().__init__(held)
        self.begun_in: list[str] = []
        self._error = error

    def begin(self, texts: Sequence[str]) -> Examination:
        self.begun_in.append(threading.current_thread().name)
        if self._error == "begin":
            raise ValueError("no")
        if not any(text.startswith("net") for text in texts):
            return [[Hit("light", 1.0, 0, 1)] for _ in texts]
        return lambda: self._rest(texts)

    def _rest(self, texts: Sequence[str]) -> list[list[Hit]]:
        if self._error == "rest":
            raise ValueError("no")
        return self.examine(texts)


class Desk:
    """An engine with three rails in the order of the policy: `first`, `second` and `third`."""

    def __init__(self, first: Rail, second: Rail, third: Rail, *, deadline_ms: int = DEADLINE_MS) -> None:
        self.rails = {"pii": first, "secrets": second, "injection": third}
        settings: list[AnyRail] = [
            PiiSettings(rail="pii", deadline_ms=deadline_ms),
            SecretsSettings(rail="secrets", deadline_ms=deadline_ms),
            InjectionSettings(rail="injection", deadline_ms=deadline_ms),
        ]
        policy = Policy(input=settings, retrieved=[], tool_result=[], output=[])
        self.engine = Engine({"default": policy}, lambda rail: self.rails[rail.rail])

    async def ask(self, text: str) -> list[Examined]:
        """Once the express has gone to sleep: it does so after it has told what it found."""
        await asyncio.to_thread(self._rest)
        return await self.ask_at_once(text)

    def _rest(self) -> None:
        until = time.monotonic() + 10
        while not self.engine.express.is_free and time.monotonic() < until:
            time.sleep(0.001)

    async def ask_at_once(self, text: str) -> list[Examined]:
        (examined,) = await self.engine.examine("default", [Job("input", (text,))])
        return examined

    @property
    def threads(self) -> list[str]:
        return [name for rail in self.rails.values() for name in rail.threads]


async def test_who_is_alone_has_all_rails_in_one_thread() -> None:
    desk = Desk(Rail(), Rail(), Rail())
    for text in ("one", "two"):
        assert [len(each.hits) for each in await desk.ask(text)] == [1, 1, 1]
    assert set(desk.threads) == {"guard-express"}
    assert len(desk.threads) == 6


async def test_long_texts_have_each_rail_in_its_own() -> None:
    desk = Desk(Rail(), Rail(), Rail())
    await desk.ask("x" * (EXPRESS_CHARACTERS + 1))
    assert sorted(desk.threads) == ["guard-injection", "guard-pii", "guard-secrets"]


@pytest.mark.parametrize("place", [0, 1, 2])
async def test_a_rail_that_hangs_costs_no_other_its_answer(place: int) -> None:
    rails = [Rail("held" if number == place else "") for number in range(3)]
    desk = Desk(rails[0], rails[1], rails[2], deadline_ms=1_000)

    examined = await desk.ask("held")

    assert [each.failure for each in examined] == ["timeout" if number == place else "" for number in range(3)]
    others = [each.latency_ms for number, each in enumerate(examined) if number != place]
    assert max(others) < 900  # they did not wait for the deadline
    rails[place].release.set()


async def test_what_took_its_time_does_not_wait_for_what_hangs_behind_it() -> None:
    first, second = Rail("held"), Rail("held")
    desk = Desk(first, second, Rail(), deadline_ms=2_000)
    asked = asyncio.create_task(desk.ask("held"))
    assert await asyncio.to_thread(second.begun.wait, 10)  # in its own thread, for the first one is slow
    first.release.set()

    examined = await asked

    assert [each.failure for each in examined] == ["", "timeout", ""]
    assert examined[0].latency_ms < 1_500
    second.release.set()


async def test_who_comes_meanwhile_waits_for_nobody() -> None:
    first = Rail("held")
    desk = Desk(first, Rail(), Rail())
    held = asyncio.create_task(desk.ask("held"))
    assert await asyncio.to_thread(first.begun.wait, 10)

    assert [each.failure for each in await desk.ask_at_once("other")] == ["", "", ""]
    assert first.threads == ["guard-express", "guard-pii"]

    first.release.set()
    assert [each.failure for each in await held] == ["", "", ""]


async def test_a_text_is_examined_once_though_it_waited_in_two_places() -> None:
    first, second = Rail("held"), Rail()
    desk = Desk(first, second, Rail())
    held = asyncio.create_task(desk.ask("held"))
    assert await asyncio.to_thread(first.begun.wait, 10)
    assert await asyncio.to_thread(second.asked.wait, 10)  # in its own thread
    first.release.set()
    await held
    await desk.ask("another")  # what is left in the express would be examined before it
    assert second.threads == ["guard-secrets", "guard-express"]


async def test_what_a_network_is_needed_for_goes_on_beside_the_others() -> None:
    first, heavy = Rail("net 1"), Heavy("net 1")
    desk = Desk(first, Rail(), heavy)
    held = asyncio.create_task(desk.ask("net 1"))
    assert await asyncio.to_thread(first.begun.wait, 10)
    assert await asyncio.to_thread(heavy.begun.wait, 10)  # though the express is with the first one
    assert heavy.begun_in == ["guard-express"]
    assert heavy.threads == ["guard-injection"]
    first.release.set()
    heavy.release.set()
    assert [each.failure for each in await held] == ["", "", ""]


async def test_what_needs_no_network_after_all_ends_where_it_began() -> None:
    heavy = Heavy()
    desk = Desk(Rail(), Rail(), heavy)
    assert [hit.rule for each in await desk.ask("plain") for hits in each.hits for hit in hits] == [
        "found",
        "found",
        "light",
    ]
    assert (heavy.begun_in, heavy.threads) == (["guard-express"], [])


@pytest.mark.parametrize("where", ["begin", "rest"])
async def test_a_rail_that_fails_at_either_end_takes_no_other_with_it(where: str) -> None:
    desk = Desk(Rail(), Rail(), Heavy(error=where))
    assert [each.failure for each in await desk.ask("net 1")] == ["", "", "error"]
    assert [each.failure for each in await desk.ask("net 2")] == ["", "", "error"]


async def test_a_network_that_hangs_costs_no_other_its_answer() -> None:
    heavy = Heavy("net 1")
    desk = Desk(Rail(), Rail(), heavy, deadline_ms=1_000)
    examined = await desk.ask("net 1")
    assert [each.failure for each in examined] == ["", "", "timeout"]
    assert max(each.latency_ms for each in examined[:2]) < 900
    heavy.release.set()


async def test_what_is_moved_away_from_a_slow_express_is_examined_where_it_came() -> None:
    """It does not begin there, to wait in the same lane once more."""
    heavy = Heavy()
    desk = Desk(Rail(), Rail(), heavy)
    settings = desk.engine._policies["default"].at("input")
    engine_runner = desk.engine._runners[id(settings[2])]
    asked = engine_runner.begin(("net 1",))
    assert asked.call is not None
    assert asked.call.own is not None
    assert (await engine_runner.end(asked)).failure == ""  # no express had it
    assert (heavy.begun_in, heavy.threads) == ([], ["guard-injection"])


async def test_where_no_thread_takes_it_on_it_is_ended_in_the_express(monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = Heavy()
    desk = Desk(Rail(), Rail(), heavy)
    put = runner.Lane.put
    monkeypatch.setattr(runner.Lane, "put", lambda lane, *given: lane.name != "injection" and put(lane, *given))
    assert [len(each.hits) for each in await desk.ask("net 1")] == [1, 1, 1]
    assert heavy.threads == ["guard-express"]


async def test_what_is_known_of_a_text_is_not_asked_again() -> None:
    desk = Desk(Rail(), Rail(), Rail())
    first = await desk.ask("one")
    again = await desk.ask("one")
    assert [each.hits for each in again] == [each.hits for each in first]
    assert len(desk.threads) == 3


async def test_who_leaves_has_nothing_examined_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE_S", 60)
    first, second = Rail("held"), Rail()
    desk = Desk(first, second, Rail())
    leaving = asyncio.create_task(desk.ask("held"))
    assert await asyncio.to_thread(first.begun.wait, 10)
    leaving.cancel()
    await asyncio.wait([leaving])
    first.release.set()
    await desk.ask("another")
    assert second.threads == ["guard-express"]  # for the other one alone


async def test_a_rail_for_which_no_thread_is_left_is_busy_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "MOST_WAITING", 0)
    desk = Desk(Rail(), Rail(), Rail())
    assert [each.failure for each in await desk.ask("one")] == ["busy"] * 3


async def test_a_deadline_shorter_than_the_patience_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "PATIENCE_S", 60)
    first = Rail("held")
    desk = Desk(first, Rail(), Rail(), deadline_ms=50)
    async with asyncio.timeout(30):
        assert (await desk.ask_at_once("held"))[0].failure == "timeout"
    first.release.set()
