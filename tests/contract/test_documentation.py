"""What is written about the project is true of it."""

import json
import re
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from app.config.files import PROJECT
from app.config.reference import reference
from app.evals import load_dataset
from app.gateway import admin, batches, conversations, dialects, memories, operations, routes, usage

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


def test_the_configuration_reference_is_the_models_own() -> None:
    assert (PROJECT / "docs" / "configuration.md").read_text() == reference(), "run `make config-reference`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    for name in re.findall(r"`((?:app|deployments|jobs|evals|prompts|requirements)/[\w./-]+)`", page.read_text()):
        assert (PROJECT / name).exists(), f"{page.name}: {name}"


def test_every_route_is_documented_and_no_other() -> None:
    routers = (
        routes.router,
        dialects.responses,
        dialects.messages,
        batches.router,
        conversations.router,
        memories.router,
        usage.router,
        admin.router,
        operations.router,
    )
    served = {
        f"{method} {_shape(route.path)}"
        for router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    documented = {
        f"{method} {_shape(path)}"
        for page in PAGES
        for method, path in re.findall(r"\b(GET|POST|PUT|PATCH|DELETE) (/[\w/{}.-]*)", page.read_text())
    }
    documented -= {"POST /control"}  # of the provider double
    plumbing = {"GET /", "GET /console", "GET /favicon.ico", "GET /console/links"}
    assert documented - served == set(), "documented, but not there"
    assert served - documented - plumbing == set(), "there, but not documented"


def _shape(path: str) -> str:
    """A path with its parameters' names left out."""
    return re.sub(r"\{[^}]*\}", "{}", path.replace("/console/{name:path}", "/console/")).rstrip(".")


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = set(re.findall(r"`?make ([a-z][a-z-]+)", page.read_text()))
        assert named <= targets | {"it", "sure", "batches"}, page.name


def test_the_smoke_questions_name_documents_that_are_ingested() -> None:
    dataset = load_dataset(PROJECT / "evals" / "smoke.jsonl")
    assert len(dataset.samples) >= 20
    for sample in dataset.samples:
        for document in sample.documents:
            assert (PROJECT / document).is_file(), f"{sample.id}: {document}"


def test_the_extension_field_is_documented_as_it_is() -> None:
    """The JSON examples in docs/api.md parse, and name the fields that the code makes."""
    from app.retrieval.passages import citations
    from tests.unit.fakes import passage

    examples = [
        json.loads(block) for block in re.findall(r"```json\n(.*?)```", (PROJECT / "docs/api.md").read_text(), re.S)
    ]
    answer = next(example["sextant"] for example in examples if "citations" in example["sextant"])
    assert set(answer["citations"][0]) == set(citations([passage("x")])[0])
