"""What is new, changed, unchanged and deleted."""

from pathlib import Path

import pytest

from app.ingest.attributes import SOURCE, Attributes
from app.ingest.discover import Root, Skipped, Source
from app.ingest.plan import Plan, make_plan
from app.ingest.scan import Found, Hasher, Scan
from app.retrieval.types import StoredDocument

NOTHING = Scan()


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "there.md").write_text("words")
    return Root("docs", tmp_path)


def found(hashes: dict[str, str], file: str = "") -> Scan:
    """Documents that are there; with `file`, its records."""
    index = 0 if file else None
    return Scan({n: Found(n, Source(file or n, Path(n)), digest, 1, index=index) for n, digest in hashes.items()})


def stored(hashes: dict[str, str], source: str = "") -> list[StoredDocument]:
    metadata = {SOURCE: source} if source else {}
    return [StoredDocument(name, digest, 1, metadata=metadata) for name, digest in hashes.items()]


def test_documents_are_compared_by_their_hashes(root: Root) -> None:
    there = found({"docs/changed.md": "2", "docs/new.md": "1", "docs/same.md": "3"})
    assert make_plan(there, stored({"docs/changed.md": "old", "docs/same.md": "3"}), [root]) == Plan(
        new=("docs/new.md",), changed=("docs/changed.md",), unchanged=("docs/same.md",), deleted=()
    )


def test_documents_whose_files_are_gone_from_the_root_are_deleted(root: Root) -> None:
    gone = stored({"docs/gone.md": "1", "docs/sub/gone.md": "2"})
    assert make_plan(NOTHING, gone, [root]).deleted == ("docs/gone.md", "docs/sub/gone.md")


def test_nothing_is_deleted_without_prune(root: Root) -> None:
    assert make_plan(NOTHING, stored({"docs/gone.md": "1"}), [root], prune=False).deleted == ()


def test_documents_of_other_roots_stay(root: Root) -> None:
    others = stored({"handbook/gone.md": "1", "docs2/gone.md": "2", "docs": "3"})
    assert make_plan(NOTHING, others, [root]).deleted == ()


def test_a_document_that_was_not_found_but_is_there_stays(root: Root) -> None:
    assert make_plan(NOTHING, stored({"docs/there.md": "1"}), [root]).deleted == ()


def test_a_record_goes_with_its_file_and_not_by_its_name(root: Root) -> None:
    records = stored({"docs/gone.md": "1", "other": "2"}, source="docs/there.md")
    assert make_plan(NOTHING, records, [root]).deleted == ()
    assert make_plan(Scan(complete={"docs/there.md"}), records, [root]).deleted == ("docs/gone.md", "other")
    assert make_plan(NOTHING, stored({"other": "2"}, source="docs/gone.jsonl"), [root]).deleted == ("other",)
    assert make_plan(NOTHING, stored({"other": "2"}, source="elsewhere.jsonl"), [root]).deleted == ()


def test_a_record_in_another_file_than_before_is_a_change() -> None:
    records = stored({"r": "1"}, source="docs/a.jsonl")
    assert make_plan(found({"r": "1"}, "docs/a.jsonl"), records, []).unchanged == ("r",)
    assert make_plan(found({"r": "1"}, "docs/b.jsonl"), records, []).changed == ("r",)


def test_a_file_that_was_one_document_goes_when_there_are_records_in_it(root: Root) -> None:
    whole = stored({"docs/there.md": "1"})
    assert make_plan(Scan(split={"docs/there.md"}), whole, [root]).deleted == ("docs/there.md",)
    assert make_plan(found({"docs/there.md": "2"}), whole, [root]).changed == ("docs/there.md",)


@pytest.mark.parametrize("prune", [True, False])
def test_what_is_stored_of_a_file_with_unclear_groups_is_withdrawn(root: Root, prune: bool) -> None:
    there = found({"moved": "1"}, "docs/b.json")
    there.skipped = [Skipped("docs/there.md", "its groups are blank", withdraws=True), Skipped("docs/c.md", "empty")]
    before = [*stored({"r": "1", "moved": "1"}, "docs/there.md"), *stored({"docs/there.md": "1", "docs/c.md": "1"})]
    (root.path / "c.md").write_text("")
    plan = make_plan(there, before, [root], prune=prune)
    assert (plan.withdrawn, plan.deleted, plan.changed) == (("docs/there.md", "r"), (), ("moved",))


def test_the_hash_changes_with_content_model_recipe_and_what_the_run_says(monkeypatch: pytest.MonkeyPatch) -> None:
    def digest(data: bytes = b"words", model: str = "m", run: Attributes | None = None, kind: str = ".md") -> str:
        return Hasher(model, run or Attributes()).digest(kind, data)

    before = digest()
    others = [digest(b"word"), digest(model="n"), digest(run=Attributes(("hr",))), digest(kind=".txt")]
    others.append(digest(run=Attributes((), {"year": 2026})))
    assert before == digest()
    monkeypatch.setattr("app.ingest.scan.RECIPE_VERSION", 999)
    assert len({before, digest(), *others}) == 7
