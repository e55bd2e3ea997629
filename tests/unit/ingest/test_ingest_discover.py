"""Which documents are meant by what the user names, and what they are called."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.ingest.discover import Discovery, InputError, Root, Skipped, discover


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A working folder with documents in it, and others beside it."""
    work = tmp_path / "work"
    for name in (
        "README.md",
        "docs/guide.md",
        "docs/deep/er/notes.txt",
        "docs/.git/config.txt",
        "docs/.hidden.md",
        "docs/tool.bin",
        "docs/LICENSE",
        "../data/handbook/a.pdf",
        "../other/handbook/a.pdf",
        "../outside.md",
    ):
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("words")
    return work


def names(discovery: Discovery) -> list[str]:
    return [source.name for source in discovery.sources]


def test_a_folder_means_all_documents_in_it_named_as_typed(base: Path) -> None:
    discovery = discover(["docs"], base)
    assert names(discovery) == ["docs/deep/er/notes.txt", "docs/guide.md"]
    assert all(source.path.is_file() for source in discovery.sources)
    assert discovery.skipped == (
        Skipped("docs/LICENSE", "unsupported type (no suffix)"),
        Skipped("docs/tool.bin", "unsupported type .bin"),
    )


@pytest.mark.parametrize("typed", ["docs/", "./docs", "docs/../docs", "{base}/docs"])
def test_a_name_does_not_depend_on_how_the_folder_is_typed(base: Path, typed: str) -> None:
    assert names(discover([typed.format(base=base)], base)) == ["docs/deep/er/notes.txt", "docs/guide.md"]


def test_the_working_folder_itself_adds_nothing_to_names(base: Path) -> None:
    assert names(discover(["."], base)) == ["README.md", "docs/deep/er/notes.txt", "docs/guide.md"]


def test_what_lies_elsewhere_is_named_from_the_given_folder_on(base: Path) -> None:
    assert names(discover(["../data/handbook", "../outside.md"], base)) == ["handbook/a.pdf", "outside.md"]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("docs/*.md", ["docs/guide.md"]),
        ("docs/**/*.txt", ["docs/deep/er/notes.txt"]),
        ("docs/**", ["docs/deep/er/notes.txt", "docs/guide.md"]),
        ("**/[gn]*.[mt][!x]*", ["docs/guide.md"]),
        ("**/?u*.md", ["docs/guide.md"]),
        ("*/*/er/*", ["docs/deep/er/notes.txt"]),
    ],
)
def test_a_glob_means_the_files_it_matches(base: Path, glob: str, expected: list[str]) -> None:
    assert names(discover([glob], base)) == expected


def test_a_file_whose_name_looks_like_a_glob_is_that_file(base: Path) -> None:
    (base / "[draft] plan?.md").write_text("words")
    assert names(discover(["[draft] plan?.md"], base)) == ["[draft] plan?.md"]


def test_a_file_that_is_named_twice_is_one_document(base: Path) -> None:
    assert names(discover(["docs/guide.md", "docs", "docs/*.md"], base)) == [
        "docs/deep/er/notes.txt",
        "docs/guide.md",
    ]
    assert names(discover(["../data/handbook/a.pdf", "../data"], base)) == ["data/handbook/a.pdf"]


def test_hidden_files_are_left_out_unless_given(base: Path) -> None:
    assert names(discover(["docs/.hidden.md", "docs/.git"], base)) == ["docs/.git/config.txt", "docs/.hidden.md"]


def test_links_that_leave_the_folder_are_reported(base: Path) -> None:
    (base / "docs/out.md").symlink_to(base.parent / "outside.md")
    (base / "docs/elsewhere").symlink_to(base.parent / "data")
    (base / "docs/circle").symlink_to(base / "docs")
    (base / "docs/gone.md").symlink_to("nowhere")
    (base / "docs/self.md").symlink_to("self.md")
    discovery = discover(["docs/*", "docs"], base)
    assert names(discovery) == ["docs/deep/er/notes.txt", "docs/guide.md"]
    reasons = {file.name: file.reason for file in discovery.skipped}
    assert reasons["docs/out.md"] == "symbolic link that leaves the folder"
    assert reasons["docs/elsewhere"] == reasons["docs/circle"] == "symbolic link to a folder"
    assert reasons["docs/gone.md"] == reasons["docs/self.md"] == "broken symbolic link"


def test_a_link_within_the_folder_is_no_second_document(base: Path) -> None:
    (base / "docs/a-longer-name-than-guide.md").symlink_to("guide.md")
    (base / "docs/visible.md").symlink_to(".hidden.md")  # as Kubernetes mounts its files
    assert names(discover(["docs"], base)) == ["docs/deep/er/notes.txt", "docs/guide.md", "docs/visible.md"]


def test_a_given_folder_may_be_a_link(base: Path) -> None:
    (base / "link").symlink_to(base.parent / "data")
    assert names(discover(["link"], base)) == ["link/handbook/a.pdf"]


def test_two_files_that_would_share_a_name_are_refused(base: Path) -> None:
    with pytest.raises(InputError, match=r"data/handbook/a\.pdf and .*other/handbook/a\.pdf would both be called"):
        discover(["../data/handbook", "../other/handbook"], base)
    assert len(names(discover(["../data", "../other"], base))) == 2


@pytest.mark.parametrize("typed", ["nope", "nope/*.md", "docs/*.nope", "docs/guide.md/x", "a\0b", "x" * 5000, "[z-a]*"])
def test_an_input_that_does_not_exist_is_refused(base: Path, typed: str) -> None:
    with pytest.raises(InputError):
        discover(["docs", typed], base)


def test_inputs_without_any_document_are_refused_with_what_was_left_out(base: Path) -> None:
    with pytest.raises(InputError, match=r"no documents in docs/tool\.bin \(1 left out: unsupported type \.bin\)"):
        discover(["docs/tool.bin"], base)


def test_special_files_and_names_that_are_not_text_are_reported(base: Path) -> None:
    os.mkfifo(base / "docs/pipe.txt")
    (base / "docs" / os.fsdecode(b"caf\xe9.md")).write_text("words")
    reasons = {file.name: file.reason for file in discover(["docs"], base).skipped}
    assert reasons["docs/pipe.txt"] == "not a regular file"
    assert reasons["docs/caf?.md"] == "its name is not valid UTF-8"


def test_what_lies_in_a_folder_whose_name_is_not_text_is_reported(base: Path) -> None:
    folder = base / "docs" / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    (folder / "readme.md").write_text("words")
    discovery = discover(["docs"], base)
    assert names(discovery) == ["docs/deep/er/notes.txt", "docs/guide.md"]
    assert Skipped("docs/caf?/readme.md", "its name is not valid UTF-8") in discovery.skipped


def test_a_folder_that_cannot_be_listed_is_reported(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = Path.iterdir

    def iterdir(path: Path) -> Iterator[Path]:
        if path.name == "deep":  # a mode would not do: the tests may run as root
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    discovery = discover(["docs"], base)
    assert names(discovery) == ["docs/guide.md"]
    assert Skipped("docs/deep", "cannot be listed: permission denied") in discovery.skipped


def test_the_order_of_inputs_does_not_matter(base: Path) -> None:
    inputs = ["docs", "README.md", "../data"]
    assert discover(inputs, base).sources == discover(inputs[::-1], base).sources


def test_a_document_is_lost_when_its_file_is_gone_from_its_root(base: Path) -> None:
    (root,) = discover(["docs"], base).roots
    assert root == Root("docs", base / "docs")
    assert root.lost("docs/old.md")
    assert root.lost("docs/guide.md/below.md")
    assert not root.lost("docs/guide.md")
    assert not root.lost("documents/old.md")
    assert not root.lost("handbook/a.pdf")


def test_the_working_folder_lays_no_claim_to_names_from_elsewhere(base: Path) -> None:
    roots = discover(["."], base).roots
    assert not any(root.lost("handbook/a.pdf") for root in roots)
    assert any(root.lost("docs/old.md") for root in roots)
