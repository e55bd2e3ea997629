"""Datasets are read as written, and every mistake names its line and the remedy."""

import hashlib
from pathlib import Path

import pytest

from app.evals import DatasetError, Sample, load_dataset

GOOD = '{"id": "a", "question": "Which?", "documents": ["docs/x.md"], "answers": ["this"], "tags": ["t"]}\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "questions.jsonl"
    path.write_text(text)
    return path


def test_samples_keep_their_order_and_the_file_its_digest(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD + "\n" + '{"id": "b", "question": "Line\u2028break?"}\n')
    dataset = load_dataset(path)
    assert dataset.samples == (
        Sample("a", "Which?", ("docs/x.md",), ("this",), ("t",)),
        Sample("b", "Line\u2028break?"),
    )
    assert dataset.name == "questions"
    assert dataset.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_limit_keeps_the_first_samples(tmp_path: Path) -> None:
    dataset = load_dataset(write(tmp_path, GOOD + GOOD.replace('"a"', '"b"')))
    assert [sample.id for sample in dataset.first(1).samples] == ["a"]
    assert dataset.first(None) is dataset


@pytest.mark.parametrize(
    ("second", "says"),
    [
        (GOOD, "questions.jsonl:2: id 'a' is taken by line 1; rename one"),
        (
            '{"id": "b", "question": "?", "anwers": []}',
            "questions.jsonl:2: unknown key 'anwers'; known keys: id,",
        ),
        ('{"id": "b",', "questions.jsonl:2: not JSON"),
        ("[1]", "questions.jsonl:2: not an object"),
        ('{"question": "?"}', "questions.jsonl:2: 'id' is missing or empty"),
        ('{"id": "b", "question": " "}', "questions.jsonl:2: 'question' is missing or empty"),
        ('{"id": "b", "question": 3}', "questions.jsonl:2: 'question' is missing or empty"),
        (
            '{"id": "b", "question": "?", "answers": "8000"}',
            "questions.jsonl:2: 'answers' is not a list of texts",
        ),
        (
            '{"id": "b", "question": "?", "documents": [1]}',
            "questions.jsonl:2: 'documents' is not a list of texts",
        ),
        (
            '{"id": "b", "question": "?", "answers": [" "]}',
            "questions.jsonl:2: 'answers' is not a list of texts",
        ),
    ],
)
def test_a_mistake_names_its_line(tmp_path: Path, second: str, says: str) -> None:
    with pytest.raises(DatasetError) as caught:
        load_dataset(write(tmp_path, GOOD + second + "\n"))
    assert says in str(caught.value)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no samples; write one object a line"):
        load_dataset(write(tmp_path, "\n \n"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such file"):
        load_dataset(tmp_path / "nowhere.jsonl")


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "questions.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DatasetError, match="cannot be read as UTF-8"):
        load_dataset(path)
