"""A provider dies in the middle of the traffic. Real sockets, real time."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

from app.config import StackConfig
from app.config.money import PriceConfig
from app.config.routing import RoutingConfig
from app.errors import SextantError
from app.pipeline.draft import Draft
from app.pipeline.ports import ModelPort
from app.providers.build import build_providers
from app.routing.board import TargetBoard
from app.routing.dispatch import Dispatcher
from app.routing.events import BreakerChanged, RoutingEvent
from app.routing.target import Target
from app.routing.types import Plan, Trip
from tests.provider_double import ProviderDouble

REQUESTS, CLIENTS = 500, 25
CONFIG = RoutingConfig(breaker_failures=5, breaker_window_s=2, breaker_cooldown_s=0.3, retries_per_target=0)


class Traffic:
    """`CLIENTS` clients at a time over two doubles, `REQUESTS` requests; every second one is a stream."""

    def __init__(self, ports: Mapping[str, ModelPort]) -> None:
        self.events: list[tuple[float, RoutingEvent]] = []  # with the time of each
        self.board = TargetBoard(CONFIG, listeners=[lambda event: self.events.append((time.monotonic(), event))])
        self.targets = {name: Target(name, name, "double", PriceConfig()) for name in ports}
        self._dispatcher = Dispatcher(CONFIG, ports, self.board)
        self._random = Random(0)
        self.errors: list[SextantError] = []  # that a client saw before anything else
        self.cut = 0  # streams that ended with an error after their first content
        self.answered_by: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    async def ask(self, number: int) -> None:
        is_stream = number % 2 == 0
        order = list(self.targets.values())
        self._random.shuffle(order)  # the planner would put one that is out behind; here nobody does
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": is_stream}
        deadline = asyncio.get_running_loop().time() + 30
        trip = Trip(Plan(tuple(order), "test"), Draft("chat", body), f"answer-{number}", deadline, _reserve)
        has_begun = False
        try:
            if is_stream:
                async for _ in self._dispatcher.stream(trip):
                    has_begun = True
            else:
                await self._dispatcher.complete(trip)
        except SextantError as error:
            if has_begun:
                self.cut += 1
            else:
                self.errors.append(error)
        else:
            assert trip.answered_by
            self.answered_by[trip.answered_by.id] += 1
        self.calls.update(attempt.target.id for attempt in trip.attempts)

    async def run(self, in_the_middle: Callable[[], Awaitable[None]]) -> None:
        numbers = iter(range(REQUESTS))

        async def client() -> None:
            for number in numbers:
                if number == REQUESTS // 2:
                    await in_the_middle()
                await self.ask(number)

        await asyncio.gather(*(client() for _ in range(CLIENTS)))

    def states(self, name: str) -> list[tuple[str, float]]:
        """The states that a breaker went through, and when it entered them."""
        changes = [(at, event) for at, event in self.events if isinstance(event, BreakerChanged)]
        return [(event.after, at) for at, event in changes if event.target == name]


async def _reserve(target: Target) -> None:
    return None


@asynccontextmanager
async def traffic_over(home: Path, **doubles: ProviderDouble) -> AsyncIterator[Traffic]:
    """Traffic through the ports of hosted models."""
    config = StackConfig.model_validate(
        {
            "home": home,
            "providers": {name: {"base_url": f"{double.url}/v1"} for name, double in doubles.items()},
            "hosted": [{"id": name, "provider": name} for name in doubles],
        }
    )
    providers = build_providers(config, home, {})
    try:
        yield Traffic(providers.models)
    finally:
        await providers.aclose()


async def test_no_client_sees_an_error_when_one_of_two_providers_dies(tmp_path: Path) -> None:
    async with (
        ProviderDouble(delay_ms=1) as dying,
        ProviderDouble(delay_ms=1) as healthy,
        traffic_over(tmp_path, dying=dying, healthy=healthy) as traffic,
    ):
        died_at = 0.0

        async def die() -> None:
            nonlocal died_at
            died_at = time.monotonic()
            await dying.stop()

        await traffic.run(die)
        assert traffic.errors == []
        assert traffic.answered_by.total() + traffic.cut == REQUESTS
        assert traffic.cut <= CLIENTS, "only what the dying provider had begun to say"
        assert min(traffic.answered_by.values()) > REQUESTS / 10, "both had answered"
        assert traffic.states("healthy") == []
        states = traffic.states("dying")
        assert states[0][0] == "open"
        assert states[0][1] - died_at < CONFIG.breaker_window_s
        # Out of rotation: those that were on their way, and after that one trial for each cool-down.
        failed = traffic.calls["dying"] - traffic.answered_by["dying"]
        trials = [state for state, _ in states].count("half-open")
        assert failed <= CLIENTS + CONFIG.breaker_failures + trials

        await dying.start()
        async with asyncio.timeout(5):
            while traffic.board.snapshot()["dying"].state != "closed":
                await traffic.ask(1)
                await asyncio.sleep(0.01)


async def test_no_client_sees_an_error_when_a_provider_fails_now_and_then(tmp_path: Path) -> None:
    async with (
        ProviderDouble() as flaky,
        ProviderDouble() as healthy,
        traffic_over(tmp_path, flaky=flaky, healthy=healthy) as traffic,
    ):
        for fault in ("500", "reset", "503"):
            flaky.fail(fault, share=0.2)
        await traffic.run(lambda: asyncio.sleep(0))
        assert (traffic.errors, traffic.cut) == ([], 0)
        assert traffic.answered_by.total() == REQUESTS
        assert traffic.answered_by["flaky"] > 0
