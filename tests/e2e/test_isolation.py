"""Who sees which documents: four keys of two tenants, 500 adversarial searches, and the cache between them."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Stack

SEED, QUERIES = 11, 500
# A document's name -> tenant, its groups, the secret that only its readers may see.
DOCUMENTS = {
    "everybody.md": ("acme", (), "canary-everybody-4417"),
    "staff.md": ("acme", ("staff",), "canary-staff-9026"),
    "board.md": ("acme", ("board",), "canary-board-1358"),
    "both.md": ("acme", ("staff", "board"), "canary-both-7741"),
    "rival.md": ("rival", (), "canary-rival-6093"),
    "rival-staff.md": ("rival", ("staff",), "canary-rivalstaff-5519"),
}
KEYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "acme": ("acme", ()),
    "acme-staff": ("acme", ("staff",)),
    "acme-board": ("acme", ("board",)),
    "rival": ("rival", ()),
}


@dataclass(frozen=True)
class Reader:
    """A key, and what it may see."""

    name: str
    http: httpx.Client
    seen: frozenset[str]

    @property
    def hidden(self) -> set[str]:
        return {secret for _, _, secret in DOCUMENTS.values()} - self.seen

    def leaked(self, text: str) -> set[str]:
        return {secret for secret in self.hidden if secret in text}


@pytest.fixture(scope="module")
def readers(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Reader]]:
    folder = tmp_path_factory.mktemp("documents")
    for (tenant, groups), names in itertools.groupby(DOCUMENTS, key=lambda name: DOCUMENTS[name][:2]):
        place = folder / f"{tenant}-{'-'.join(groups) or 'all'}"
        place.mkdir()
        for name in names:
            write(place / name, DOCUMENTS[name][2])
        options = ["--groups", ",".join(groups)] if groups else []
        done = stack.job("jobs.ingest", str(place), "--tenant", tenant, "--no-prune", *options)
        assert done.returncode == 0, done.stdout + done.stderr
    admin = {"authorization": f"Bearer {(stack.home / 'admin_key').read_text().strip()}"}
    made = []
    for name, (tenant, groups) in KEYS.items():
        body = {"tenant": tenant, "name": name, "groups": list(groups)}
        issued = httpx.post(f"{stack.url}/admin/v1/keys", json=body, headers=admin)
        assert issued.status_code == 201, issued.text
        headers = {"authorization": f"Bearer {issued.json()['key']}"}
        seen = {
            secret
            for owner, wanted, secret in DOCUMENTS.values()
            if owner == tenant and (not wanted or set(wanted) & set(groups))
        }
        made.append(Reader(name, httpx.Client(base_url=stack.url, headers=headers, timeout=60), frozenset(seen)))
    yield made
    for reader in made:
        reader.http.close()


def write(path: Path, secret: str) -> None:
    # The same words in each, so that nothing but rights tells them apart.
    path.write_text(f"# The plan\n\nThe code word of the plan is {secret}. The plan starts in spring.\n")


def test_everybody_finds_what_is_theirs(readers: list[Reader]) -> None:
    for reader in readers:
        found = reader.http.post("/v1/search", json={"query": "What is the code word of the plan?", "limit": 50})
        assert found.status_code == 200, found.text
        assert {secret for secret in reader.seen if secret in found.text} == reader.seen, reader.name
        assert not reader.leaked(found.text)


def test_no_search_shows_what_is_somebody_elses(readers: list[Reader]) -> None:
    draw = random.Random(SEED)  # chance, not a secret
    answered = 0
    for _ in range(QUERIES):
        reader = draw.choice(readers)
        body, headers = attack(draw, sorted(reader.hidden))
        found = reader.http.post("/v1/search", json=body, headers=headers)
        assert found.status_code in (200, 400, 422), (found.status_code, body)
        # The query itself is in the answer; what it holds was the asker's own.
        text = found.text.replace(str(body["query"]), "") if found.status_code == 200 else ""
        answered += found.status_code == 200
        assert not reader.leaked(text), (reader.name, body, headers)
    assert answered > QUERIES // 2  # or nothing was tried


def attack(draw: random.Random, secrets: list[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """A search that wants what is another's: by its words, by filters, by fields and headers that it hopes for."""
    secret = draw.choice(secrets)
    name = next(name for name, (_, _, word) in DOCUMENTS.items() if word == secret)
    tenant, groups, _ = DOCUMENTS[name]
    body: dict[str, Any] = {
        "query": draw.choice(
            [
                secret,
                f"code word of the plan {secret}",
                "What is the code word of the plan?",
                f"tenant:{tenant} plan",
                f'" OR audience:* OR tenant:"{tenant}',
                f"{name} {' '.join(groups)}",
                "*",
            ]
        ),
        "limit": draw.choice([1, 10, 50]),
        "mode": draw.choice(["hybrid", "dense", "sparse"]),
        "min_score": 0,
        "neighbours": draw.choice([0, 5]),
    }
    keys = ["tenant", "audience", "groups", "document", "since", "until", "metadata.tenant", "metadata", "*", "text"]
    values: list[Any] = [tenant, name, secret, "*", *groups, True, 0]

    def leaf() -> dict[str, Any]:
        kind = draw.choice(["eq", "ne", "in", "nin", "gte", "lt"])
        value: Any = draw.choice(values)
        if kind in ("in", "nin"):
            value = draw.sample(values, 2)
        elif kind in ("gte", "lt"):
            value = draw.choice([0, 10**9])
        return {"type": kind, "key": draw.choice(keys), "value": value}

    if draw.random() < 0.6:
        body["filters"] = leaf()
        if draw.random() < 0.5:
            body["filters"] = {"type": "or", "filters": [leaf(), leaf(), {"type": "and", "filters": [leaf()]}]}
    if draw.random() < 0.1:
        body[draw.choice(["tenant", "groups", "reader", "user"])] = draw.choice([tenant, list(groups), ["*"]])
    headers = {}
    if draw.random() < 0.3:
        headers[draw.choice(["x-sextant-tenant", "x-tenant", "x-sextant-groups", "x-forwarded-user"])] = tenant
    return body, headers


def test_answers_citations_and_the_cache_keep_them_apart(readers: list[Reader]) -> None:
    question = {"role": "user", "content": "What is the code word of the plan?"}
    body = {"model": "docs", "messages": [question], "temperature": 0, "max_tokens": 32}
    body["sextant"] = {"retrieval": {"top_k": 8, "min_score": 0}}
    for _ in range(3):
        for reader in readers:
            answer = reader.http.post("/v1/chat/completions", json=body)
            assert answer.status_code == 200, answer.text
            cited = [citation["text"] for citation in answer.json()["sextant"]["citations"]]
            assert not reader.leaked(answer.text), reader.name
            assert {secret for secret in reader.seen if any(secret in text for text in cited)} == reader.seen
    # Nobody got another's answer, though all asked the same; each got its own again.
    states = [reader.http.post("/v1/chat/completions", json=body).headers["x-sextant-cache"] for reader in readers]
    assert states == ["exact"] * len(readers)
