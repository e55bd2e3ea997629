"""What is new, changed, unchanged and deleted."""

from pathlib import Path

import pytest

from app.ingest.discover import Root
from app.ingest.plan import Plan, content_hash, make_plan


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "there.md").write_text("words")
    return Root("docs", tmp_path)


def test_documents_are_compared_by_their_hashes(root: Root) -> None:
    found = {"docs/new.md": "1", "docs/changed.md": "2", "docs/same.md": "3"}
    stored = {"docs/changed.md": "old", "docs/same.md": "3"}
    assert make_plan(found, stored, [root]) == Plan(
        new=("docs/new.md",), changed=("docs/changed.md",), unchanged=("docs/same.md",), deleted=()
    )


def test_documents_whose_files_are_gone_from_the_root_are_deleted(root: Root) -> None:
    stored = {"docs/gone.md": "1", "docs/sub/gone.md": "2"}
    assert make_plan({}, stored, [root]).deleted == ("docs/gone.md", "docs/sub/gone.md")


def test_nothing_is_deleted_without_prune(root: Root) -> None:
    assert make_plan({}, {"docs/gone.md": "1"}, [root], prune=False).deleted == ()


def test_documents_of_other_roots_stay(root: Root) -> None:
    assert make_plan({}, {"handbook/gone.md": "1", "docs2/gone.md": "2", "docs": "3"}, [root]).deleted == ()


def test_a_document_that_was_not_found_but_is_there_stays(root: Root) -> None:
    assert make_plan({}, {"docs/there.md": "1"}, [root]).deleted == ()


def test_the_hash_changes_with_content_model_and_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = content_hash(b"words", "model")
    assert before == content_hash(b"words", "model")
    assert before != content_hash(b"word", "model")
    assert before != content_hash(b"words", "other")
    monkeypatch.setattr("app.ingest.plan.RECIPE_VERSION", 999)
    assert before != content_hash(b"words", "model")
