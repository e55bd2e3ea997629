"""What is new, changed, unchanged and deleted."""

from pathlib import Path

import pytest

from app.ingest.attributes import SOURCE, Attributes
from app.ingest.discover import Root
from app.ingest.plan import Plan, make_plan
from app.ingest.scan import Hasher
from app.retrieval.types import StoredDocument


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "there.md").write_text("words")
    return Root("docs", tmp_path)


def stored(hashes: dict[str, str], source: str = "") -> list[StoredDocument]:
    metadata = {SOURCE: source} if source else {}
    return [StoredDocument(name, digest, 1, metadata=metadata) for name, digest in hashes.items()]


def test_documents_are_compared_by_their_hashes(root: Root) -> None:
    found = {"docs/new.md": "1", "docs/changed.md": "2", "docs/same.md": "3"}
    assert make_plan(found, stored({"docs/changed.md": "old", "docs/same.md": "3"}), [root]) == Plan(
        new=("docs/new.md",), changed=("docs/changed.md",), unchanged=("docs/same.md",), deleted=()
    )


def test_documents_whose_files_are_gone_from_the_root_are_deleted(root: Root) -> None:
    gone = stored({"docs/gone.md": "1", "docs/sub/gone.md": "2"})
    assert make_plan({}, gone, [root]).deleted == ("docs/gone.md", "docs/sub/gone.md")


def test_nothing_is_deleted_without_prune(root: Root) -> None:
    assert make_plan({}, stored({"docs/gone.md": "1"}), [root], prune=False).deleted == ()


def test_documents_of_other_roots_stay(root: Root) -> None:
    others = stored({"handbook/gone.md": "1", "docs2/gone.md": "2", "docs": "3"})
    assert make_plan({}, others, [root]).deleted == ()


def test_a_document_that_was_not_found_but_is_there_stays(root: Root) -> None:
    assert make_plan({}, stored({"docs/there.md": "1"}), [root]).deleted == ()


def test_a_record_goes_with_its_file_and_not_by_its_name(root: Root) -> None:
    records = stored({"docs/gone.md": "1", "other": "2"}, source="docs/there.md")
    assert make_plan({}, records, [root]).deleted == ()
    assert make_plan({}, records, [root], {"docs/there.md"}).deleted == ("docs/gone.md", "other")
    assert make_plan({}, stored({"other": "2"}, source="docs/gone.jsonl"), [root]).deleted == ("other",)
    assert make_plan({}, stored({"other": "2"}, source="elsewhere.jsonl"), [root]).deleted == ()


def test_the_hash_changes_with_content_model_recipe_and_what_the_run_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(data: bytes = b"words", model: str = "m", run: Attributes | None = None, kind: str = ".md") -> str:
        return Hasher(model, run or Attributes()).digest(kind, data)

    before = digest()
    others = [digest(b"word"), digest(model="n"), digest(run=Attributes(("hr",))), digest(kind=".txt")]
    others.append(digest(run=Attributes((), {"year": 2026})))
    assert before == digest()
    monkeypatch.setattr("app.ingest.scan.RECIPE_VERSION", 999)
    assert len({before, digest(), *others}) == 7
