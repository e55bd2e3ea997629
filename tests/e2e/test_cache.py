"""The cache of a running stack with two ingress replicas: shared generations, tenants, meaning, purges."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
import httpx
import pytest

from app.config.files import PROJECT
from app.direct_calls import DirectClient, direct_path
from tests.chaos.fleet import Fleet, eventually, fleet, provider

CHAT = "/v1/chat/completions"
REPLICAS = 2


class Cached:
    """The fleet, its provider, and a key for each tenant."""

    def __init__(self, running: Fleet, upstream: str) -> None:
        self.fleet = running
        self.upstream = upstream
        self._keys: dict[str, str] = {}

    def key(self, tenant: str) -> str:
        if tenant not in self._keys:
            _, secret = self.fleet.create_key(tenant=tenant)
            headers = {"authorization": f"Bearer {secret}"}

            def is_known() -> bool:
                asked = (httpx.get(f"{self.fleet.stack.url}/v1/models", headers=headers) for _ in range(2 * REPLICAS))
                return all(answer.status_code == 200 for answer in asked)  # the proxy takes turns

            eventually(is_known, 10)
            self._keys[tenant] = secret
        return self._keys[tenant]

    @property
    def generations(self) -> int:
        """Requests that the provider has got so far."""
        return int(httpx.get(f"{self.upstream}/control").json()["requests"])

    @contextmanager
    def slow(self, delay_ms: float) -> Iterator[None]:
        """The provider takes its time for each token."""
        httpx.post(f"{self.upstream}/control", json={"delay_ms": delay_ms})
        yield
        httpx.post(f"{self.upstream}/control", json={"delay_ms": 1})

    def ask(self, question: str, tenant: str = "one", headers: Any = None, **fields: Any) -> httpx.Response:
        return self.post(body(question, **fields), tenant, headers)

    def post(self, request: dict[str, Any], tenant: str, headers: Any = None) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.key(tenant)}", **(headers or {})}
        return httpx.post(f"{self.fleet.stack.url}{CHAT}", json=request, headers=headers, timeout=30)

    def eventually_semantic(self, question: str) -> httpx.Response:
        """Ask in words that differ a little each time, until the question that was asked before is in the index and
        known well enough. (The same words would be an exact hit the second time.)"""
        answers: list[httpx.Response] = []

        def is_hit() -> bool:
            marks = "!" * len(answers)
            answers.append(self.ask(f"{question}{marks}"))
            return answers[-1].headers["x-sextant-cache"] == "semantic"

        eventually(is_hit, 10)
        return answers[-1]

    def sextant(self, *arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "app.cli", *arguments],
            env=self.fleet.stack.environment(),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return json.loads(done.stdout)


def body(question: str, **fields: Any) -> dict[str, Any]:
    return {"model": "steady", "messages": [{"role": "user", "content": question}], "temperature": 0, **fields}


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cached]:
    with provider("--tokens", "12", "--delay-ms", "1", "--varied") as (upstream, _):
        args: dict[str, Any] = {
            "providers": {"double": {"base_url": f"{upstream}/v1"}},
            "hosted": [{"id": "steady", "provider": "double", "max_output_tokens": 100}],
            "cache": {"semantic": {"enabled": True, "audit_share": 0}},
        }
        with fleet(tmp_path_factory.mktemp("cached") / "stack", args, REPLICAS) as running:
            yield Cached(running, upstream)


async def at_once(cached: Cached, bodies: list[dict[str, Any]], tenant: str) -> list[tuple[int, str, str]]:
    """Status, x-sextant-cache and text of each, all sent at the same time on connections of their own."""
    headers = {"authorization": f"Bearer {cached.key(tenant)}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(cached.fleet.stack.url, connector=connector, headers=headers) as session:

        async def ask(request: dict[str, Any]) -> tuple[int, str, str]:
            async with session.post(CHAT, json=request) as response:
                text = await response.text()
                if request.get("stream"):
                    chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
                    said = "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"])
                else:
                    said = json.loads(text)["choices"][0]["message"]["content"]
                return response.status, response.headers["x-sextant-cache"], said

        return list(await asyncio.gather(*map(ask, bodies)))


def test_a_hundred_identical_requests_over_two_replicas_make_one_generation(cached: Cached) -> None:
    before = cached.generations
    with cached.slow(delay_ms=300):  # so that all of them come while it is made
        bodies = [body("Tell me about rivers.", stream=bool(number % 2)) for number in range(100)]
        answers = asyncio.run(at_once(cached, bodies, "crowd"))

    states = Counter(state for _, state, _ in answers)
    assert {status for status, _, _ in answers} == {200}
    assert len({said for _, _, said in answers}) == 1
    assert cached.generations - before == 1
    assert states["miss"] == 1
    assert states["shared"] > 90

    def rows() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = cached.fleet.admin.get(
            "/requests", params={"tenant": "crowd", "limit": 1000}
        ).json()["data"]
        return found

    eventually(lambda: len(rows()) == 100, within_s=10)  # free ones of the other replica come some milliseconds later
    assert sum(row["cost_usd"] > 0 for row in rows()) <= 1


FORGED_HEADERS = [
    {},
    {"x-tenant": "one"},
    {"x-sextant-tenant": "one"},
    {"openai-organization": "one", "openai-project": "one"},
    {"x-forwarded-user": "one", "x-api-user": "one"},
    {"x-sextant-cache": "exact", "age": "5"},
    {"cache-control": "max-age=999999, only-if-cached"},
    {"x-request-id": "one"},
]
FORGED_FIELDS: list[dict[str, Any]] = [
    {},
    {"user": "one"},
    {"metadata": {"tenant": "one", "customer": "one"}},
    {"stream": True},
    {"sextant": {"cache": {"read": True, "max_age_s": 86400}}},
]


def test_two_tenants_share_nothing_in_200_tries_to_make_them(cached: Cached) -> None:
    cached.key("one"), cached.key("two")
    leaks = []
    for number in range(200):
        question = f"What is in drawer {number} of the {'red green blue white'.split()[number % 4]} cupboard?"
        before = cached.generations
        assert cached.ask(question).headers["x-sextant-cache"] == "miss"
        said = question.upper() if number % 3 == 2 else question  # in words that mean the same, too
        answer = cached.ask(
            said,
            tenant="two",
            headers=FORGED_HEADERS[number % len(FORGED_HEADERS)],
            **FORGED_FIELDS[number // 8 % len(FORGED_FIELDS)],
        )
        if answer.headers["x-sextant-cache"] != "miss" or cached.generations - before != 2:
            leaks.append((question, answer.headers["x-sextant-cache"]))
    assert leaks == []
    assert cached.ask("What is in drawer 0 of the red cupboard?").headers["x-sextant-cache"] == "exact"


@pytest.mark.parametrize(
    "field", [{"tenant": "one"}, {"sextant": {"tenant": "one"}}, {"sextant": {"cache": {"key": "x"}}}]
)
def test_fields_that_name_a_tenant_or_a_key_are_refused(cached: Cached, field: dict[str, Any]) -> None:
    assert cached.post({**body("Hello?"), **field}, "two").status_code == 400


def test_the_stages_on_every_requests_way_answer_on_their_sockets(cached: Cached) -> None:
    """Without them all works, by Serve's handles, 2 ms later."""
    home = cached.fleet.stack.home

    async def asked(stage: str, method: str, *arguments: Any) -> Any:
        client = DirectClient(direct_path(home, stage))
        try:
            return await asyncio.wait_for(client.call(method, *arguments), 30)
        finally:
            client.close()

    assert asyncio.run(asked("cache", "count_tokens", ["one two"])) == [2]
    assert asyncio.run(asked("retriever", "rerank", "a question", [], [])) == []


def test_a_question_that_means_the_same_is_answered_at_once(cached: Cached) -> None:
    first = cached.ask("How do I reset my password?")
    again = cached.eventually_semantic("how do i reset my password please")

    assert again.json()["choices"] == first.json()["choices"]
    assert float(again.headers["x-sextant-cache-similarity"]) > 0.8
    assert int(again.headers["age"]) < 60
    assert again.json()["sextant"]["cost_usd"] == 0
    assert again.json()["usage"]["prompt_tokens_details"]["cached_tokens"] == again.json()["usage"]["prompt_tokens"]


@pytest.mark.parametrize(
    "trap",
    [
        "How do I reset my PIN?",
        "How do I not reset my password?",
        "How often do I reset my password?",
    ],
)
def test_a_question_that_only_looks_the_same_is_not(cached: Cached, trap: str) -> None:
    cached.ask("How do I reset my password?")
    cached.eventually_semantic("how do i reset my password, please")

    assert cached.ask(trap).headers["x-sextant-cache"] == "miss"


def test_another_context_is_another_question(cached: Cached) -> None:
    cached.ask("Where is the nearest office?")
    cached.eventually_semantic("where is the nearest office please")
    question = [{"role": "user", "content": "where is the nearest office please"}]
    for before in (
        [{"role": "system", "content": "You speak for Lisbon."}],
        [{"role": "user", "content": "I am in Rome."}, {"role": "assistant", "content": "Noted."}],
    ):
        answer = cached.ask("", messages=[*before, *question])
        assert answer.headers["x-sextant-cache"] == "miss"


def test_the_client_decides(cached: Cached) -> None:
    question = "What does the moon weigh?"
    cached.ask(question)

    def state(headers: Any = None, **cache: Any) -> str:
        return str(cached.ask(question, headers=headers, sextant={"cache": cache}).headers["x-sextant-cache"])

    assert state() == "exact"
    assert state({"cache-control": "no-store"}) == "bypass"
    assert state({"cache-control": "no-cache"}) == "bypass"
    assert state(read=False) == "bypass"
    assert state({"cache-control": "max-age=3600"}) == "exact"
    assert cached.ask(question, temperature=0.7).headers["x-sextant-cache"] == "bypass"


def test_what_is_purged_is_gone_in_both_tiers_for_that_tenant_alone(cached: Cached) -> None:
    for tenant in ("one", "two"):
        cached.ask("Who painted the ceiling?", tenant=tenant)
    cached.eventually_semantic("who painted the ceiling please")
    purged = cached.sextant("cache", "purge", "--tenant", "one", "--yes", "--json")["purged"]
    assert purged["exact"] > 0
    assert purged["semantic"] > 0

    def is_miss() -> bool:
        fresh = {"cache-control": "max-age=3600"}
        return cached.ask("Who painted the ceiling?", headers=fresh, sextant={"cache": {"write": False}}).headers[
            "x-sextant-cache"
        ] in ("miss", "bypass")

    eventually(lambda: all(is_miss() for _ in range(2 * REPLICAS)), 2)  # each replica, within its second
    assert cached.ask("Who painted the ceiling?", tenant="two").headers["x-sextant-cache"] == "exact"
    stats = cached.sextant("cache", "stats", "--json")
    assert stats["exact"]["dropped"] == 0
    assert stats["semantic"]["entries"] >= 0
