"""Object stores, as fsspec reaches them: files, folders and globs, and what is gone from them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]  # it has no types
import pytest

from app.ingest.discover import InputError, Skipped
from app.ingest.document import Limits
from app.ingest.remote.gather import gather
from app.ingest.remote.web import Web
from tests.unit.ingest.targets import MemoryTarget, run

HERE = "memory://bucket"


@pytest.fixture
def store() -> Iterator[Any]:
    files = fsspec.filesystem("memory")
    for name, words in {
        "a.md": "# A\n\nOf a.",
        "deep/b.txt": "Of b.",
        "deep/c.png": "x",
        ".git/d.md": "hidden",
    }.items():
        files.pipe(f"/bucket/{name}", words.encode())
    yield files
    files.rm("/bucket", recursive=True)


def found(spool: Path, *inputs: str, limits: Limits | None = None) -> Any:
    return gather(inputs, spool, limits or Limits(), Web([], Limits()))


@pytest.mark.parametrize(
    ("url", "names"),
    [
        (HERE, ["a.md", "deep/b.txt"]),
        (f"{HERE}/", ["a.md", "deep/b.txt"]),
        (f"{HERE}/deep", ["deep/b.txt"]),
        (f"{HERE}/a.md", ["a.md"]),
        (f"{HERE}/**/*.txt", ["deep/b.txt"]),
        (f"{HERE}/*.md", ["a.md"]),
    ],
)
def test_a_file_a_folder_or_a_glob_means_its_documents(store: Any, tmp_path: Path, url: str, names: list[str]) -> None:
    sources = found(tmp_path, url).sources
    assert [source.name.removeprefix("memory://").removeprefix("/bucket/") for source in sources] == names
    assert all(source.path.is_relative_to(tmp_path) for source in sources)


def test_what_cannot_be_read_is_reported(store: Any, tmp_path: Path) -> None:
    discovery = found(tmp_path, HERE, limits=Limits(max_bytes=6))
    assert [source.name for source in discovery.sources] == ["memory:///bucket/deep/b.txt"]
    assert Skipped("memory:///bucket/deep/c.png", "unsupported type .png") in discovery.skipped
    assert Skipped("memory:///bucket/a.md", "larger than 6e-06 MB") in discovery.skipped


async def test_changes_and_deletions_propagate(store: Any, tmp_path: Path) -> None:
    target = MemoryTarget()
    await run(tmp_path, target, discovery=found(tmp_path, HERE))
    assert target.names() == ["memory:///bucket/a.md", "memory:///bucket/deep/b.txt"]
    store.pipe("/bucket/a.md", b"Changed.")
    store.rm("/bucket/deep/b.txt")
    report = await run(tmp_path, target, discovery=found(tmp_path, HERE))
    assert (report.changed, report.deleted) == (("memory:///bucket/a.md",), ("memory:///bucket/deep/b.txt",))
    assert (await run(tmp_path, target, discovery=found(tmp_path, f"{HERE}/deep/*.png", HERE))).deleted == ()


def test_files_of_this_machine_may_be_urls(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text("words")
    (source,) = found(tmp_path, f"file://{tmp_path}/docs").sources
    assert source.name == f"file://{tmp_path}/docs/a.md"
    assert source.path.read_text() == "words"


async def test_files_under_a_url_keep_the_rules_of_paths(tmp_path: Path) -> None:
    docs, spool = tmp_path / "docs", tmp_path / "spool"
    (docs / "deep").mkdir(parents=True)
    spool.mkdir()
    (tmp_path / "outside.md").write_text("secret")
    (docs / "deep/a.md").write_text("words")
    (docs / ".hidden.md").write_text("hidden")
    (docs / "out.md").symlink_to("../outside.md")
    (docs / "elsewhere").symlink_to(tmp_path)
    os.mkfifo(docs / "pipe.md")
    here = f"file://{docs}"
    for url in (here, f"{here}/", f"{here}/**"):
        discovery = found(spool, url)
        assert [source.name for source in discovery.sources] == [f"{here}/deep/a.md"]
        assert discovery.skipped == (
            Skipped(f"{here}/elsewhere", "symbolic link to a folder"),
            Skipped(f"{here}/out.md", "symbolic link that leaves the folder"),
            Skipped(f"{here}/pipe.md", "not a regular file"),
        )
    target = MemoryTarget()
    await run(tmp_path, target, discovery=discovery)
    (docs / "deep/a.md").rename(docs / "b.md")
    report = await run(tmp_path, target, discovery=found(spool, here))
    assert (report.new, report.deleted) == ((f"{here}/b.md",), (f"{here}/deep/a.md",))
    assert found(spool, f"{here}/b.md").sources[0].name == f"{here}/b.md"


@pytest.mark.parametrize(
    ("url", "package"),
    [
        ("abfs://container@account.dfs.core.windows.net/a.md", "adlfs"),
        ("abfss://container@account.dfs.core.windows.net/docs", "adlfs"),
        ("az://container@account.blob.core.windows.net/a.md", "adlfs"),
        ("oci://bucket@namespace/a.md", "ocifs"),
    ],
)
def test_a_container_before_an_at_is_no_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, package: str
) -> None:
    asked: list[str] = []

    def url_to_fs(url: str) -> None:
        asked.append(url)
        raise ImportError

    monkeypatch.setattr("fsspec.core.url_to_fs", url_to_fs)
    with pytest.raises(InputError, match=f"needs the package {package}"):
        found(tmp_path, url)
    assert asked == [url]


def test_containers_of_two_accounts_are_told_apart(store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """adlfs, as this file system here, knows a file by its container and leaves out the account."""
    files = fsspec.filesystem("dir", path="/bucket", fs=store)
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url: (files, "deep"))
    url = "abfs://deep@account.dfs.core.windows.net"
    discovery = found(tmp_path, url)
    assert [source.name for source in discovery.sources] == [f"{url}/b.txt"]
    assert [root.lost(f"{url}/gone.md") for root in discovery.roots] == [True]


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("memory://bucket/none.md", "there is nothing at"),
        ("memory://bucket/*.none", "nothing matches"),
        ("ftp://host/a.md", "ftp:// is not read"),
        ("simplecache::http://127.0.0.1/a.md", "is not read"),
        ("s3://key:secret@bucket/a.md", "credentials"),
        ("s3://key@bucket/a.md", "credentials"),
        ("abfs://key:secret@account.dfs.core.windows.net/a.md", "credentials"),
    ],
)
def test_what_is_not_there_or_not_taken_is_refused(store: Any, tmp_path: Path, url: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        found(tmp_path, url)


def test_a_protocol_whose_package_is_missing_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def url_to_fs(url: str) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", url_to_fs)
    with pytest.raises(InputError, match="s3:// needs the package s3fs: pip install s3fs"):
        found(tmp_path, "s3://bucket/a.md")
