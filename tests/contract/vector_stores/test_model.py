"""Random knowledge bases and questions, beside a model that looks at every chunk."""

import random
from math import log

import numpy as np
import pytest

from app.retrieval.conditions import comparable
from app.retrieval.points import may_see
from app.retrieval.terms import document_terms, query_terms
from app.retrieval.types import Chunk, Comparison, Compound, Reader, VectorStore, Where
from tests.contract.vector_stores.making import chunk, vector

WORDS = "heron bear otter crane snake_case v1.2 otters run running".split()
GROUPS = ("hr", "law", "ops")


def holds(where: Where | None, seen: Chunk) -> bool:
    """What the operators mean, in Python."""
    if where is None:
        return True
    if isinstance(where, Compound):
        return (all if where.operator == "and" else any)(holds(each, seen) for each in where.filters)
    value = seen.metadata.get(where.key)
    match where.operator, where.value:
        case "eq", wanted:
            return value == wanted
        case "ne", wanted:
            return value != wanted
        case "in", tuple(wanted):
            return value in wanted
        case "nin", tuple(wanted):
            return value not in wanted
        case operator, (int() | float()) as bound:
            if value is None or comparable("", value) is None:
                return False
            number = float(value)
            return {"gt": number > bound, "gte": number >= bound, "lt": number < bound, "lte": number <= bound}[
                operator
            ]
    raise AssertionError(where)


class Model:
    """A knowledge base as a dict."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], list[Chunk]] = {}
        self.staged: dict[tuple[str, str], list[Chunk] | None] = {}

    def commit(self, tenant: str) -> None:
        for key in [key for key in self.staged if key[0] == tenant]:
            made = self.staged.pop(key)
            self.seen.pop(key, None)
            if made is not None:
                self.seen[key] = made

    def readable(self, reader: Reader) -> list[Chunk]:
        return [each for made in self.seen.values() for each in made if may_see(reader, each)]

    def bm25(self, words: str, seen: Chunk) -> float:
        of_tenant = [each for made in self.seen.values() for each in made if each.tenant == seen.tenant]
        corpus = [dict(zip(t.indices, t.values, strict=True)) for t in map(document_terms, of_tenant)]
        terms, own = query_terms(words).indices, document_terms(seen)
        weights = dict(zip(own.indices, own.values, strict=True))
        having = {term: sum(term in each for each in corpus) for term in terms}
        return sum(weights.get(term, 0.0) * log((len(corpus) - n + 0.5) / (n + 0.5) + 1) for term, n in having.items())


class Chance:
    """What is drawn."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)

    def document(self, tenant: str) -> list[Chunk]:
        draw = self.draw
        groups = tuple(draw.sample(GROUPS, draw.choice((0, 0, 1, 2))))
        metadata = {key: draw.choice((1, 2.5, -3, "x", "y", True)) for key in draw.sample("klm", draw.randrange(4))}
        name, version = f"{draw.randrange(8)}.md", f"v{draw.randrange(3)}"
        return [
            chunk(name, at, " ".join(draw.choices(WORDS, k=5)), tenant, version, groups, metadata)
            for at in range(draw.randrange(1, 4))
        ]

    def where(self, depth: int = 0) -> Where | None:
        draw = self.draw
        if depth == 0 and draw.random() < 0.3:
            return None
        if depth < 3 and draw.random() < 0.4:
            filters = [self.where(depth + 1) for _ in range(draw.randrange(3))]
            return Compound(draw.choice(("and", "or")), tuple(each for each in filters if each is not None))
        if draw.random() < 0.4:
            return Comparison(draw.choice("klm"), draw.choice(("gt", "gte", "lt", "lte")), draw.choice((0, 1, 2.5, -3)))
        if draw.random() < 0.5:
            return Comparison(draw.choice("klm"), draw.choice(("eq", "ne")), draw.choice((2.5, -3, "x", "y")))
        return Comparison(draw.choice("klm"), draw.choice(("in", "nin")), tuple(draw.sample((2.5, -3, "x", "y"), 2)))


@pytest.mark.parametrize("seed", range(6))
async def test_a_store_does_what_the_model_does(store: VectorStore, seed: int) -> None:
    chance, model = Chance(seed), Model()
    draw = chance.draw
    for _ in range(40):
        tenant = draw.choice(("acme", "rival"))
        match draw.choice(("stage", "stage", "stage", "remove", "commit", "discard", "delete")):
            case "stage":
                made = chance.document(tenant)
                await store.stage(tenant, made, [vector(each.ordinal + 10 * len(each.text)) for each in made])
                model.staged[tenant, made[0].document] = made
            case "remove":
                name = f"{draw.randrange(8)}.md"
                await store.stage_removal(tenant, [name])
                model.staged.pop((tenant, name), None)
                if (tenant, name) in model.seen:
                    model.staged[tenant, name] = None
            case "commit":
                await store.commit(tenant)
                model.commit(tenant)
            case "discard":
                await store.discard(tenant)
                model.staged = {key: made for key, made in model.staged.items() if key[0] != tenant}
            case "delete":
                name = f"{draw.randrange(8)}.md"
                await store.delete(tenant, [name])
                model.seen.pop((tenant, name), None)
                if model.staged.get((tenant, name), []) is None:
                    del model.staged[tenant, name]
        await compare(store, model, chance, draw.choice(("acme", "rival")))


async def compare(store: VectorStore, model: Model, chance: Chance, tenant: str) -> None:
    """All that a store says, beside what the model says."""
    draw = chance.draw
    staged = {key[1]: made and made[0].content_hash for key, made in model.staged.items() if key[0] == tenant}
    assert await store.staged(tenant) == staged
    own = {key[1]: made for key, made in model.seen.items() if key[0] == tenant}
    described = await store.describe(tenant)
    assert described.hashes == {name: made[0].content_hash for name, made in own.items()}
    assert described.chunks == sum(map(len, own.values()))

    reader, where = Reader(tenant, tuple(draw.sample(GROUPS, draw.randrange(3)))), chance.where()
    words, seed, limit = " ".join(draw.choices(WORDS, k=2)), draw.randrange(60), draw.choice((3, 1000))
    found = await store.search(reader, vector(seed), query_terms(words), limit, where)
    expected = [each for each in model.readable(reader) if holds(where, each)]
    assert all(candidate.chunk in expected for candidate in found)
    cosines = sorted((c.cosine for c in found if c.cosine is not None), reverse=True)
    exact = sorted(
        (float(np.dot(vector(seed), vector(each.ordinal + 10 * len(each.text)))) for each in expected), reverse=True
    )
    assert cosines == pytest.approx(exact[:limit], abs=1e-5)
    scores = sorted((c.bm25 for c in found if c.bm25 is not None), reverse=True)
    bm25s = sorted((score for each in expected if (score := model.bm25(words, each)) > 0), reverse=True)
    assert scores == pytest.approx(bm25s[:limit], rel=1e-4)
