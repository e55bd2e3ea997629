"""The file that `serve run` takes: read by the stack's own tools too."""

from pathlib import Path

import pytest

from app.config import ConfigError, StackConfig
from app.config.files import PROJECT, load_stack, read_serve_file
from deployments.batches import write_config

GOOD = """
applications:
  - name: sextant
    import_path: deployments.application:build_app
    args:
      models: [{id: m, source: org/m, device: cpu}]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "serve.yaml"
    path.write_text(text)
    return path


def test_the_arguments_of_the_application_are_the_configuration(tmp_path: Path) -> None:
    assert [model.id for model in load_stack(write(tmp_path, GOOD)).models] == ["m"]


@pytest.mark.parametrize("name", [path.name for path in sorted((PROJECT / "deployments").glob("*.yaml"))])
def test_the_files_in_deployments_are_right(name: str) -> None:
    assert load_stack(PROJECT / "deployments" / name).models


def test_without_a_path_the_running_configuration_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEXTANT_HOME", str(tmp_path))
    laptop = load_stack()
    assert "deployments/laptop.yaml" in capsys.readouterr().err

    write_config(StackConfig.model_validate({"home": tmp_path, "models": [{"id": "cluster", "source": "org/c"}]}))
    on_a_cluster = load_stack()
    (tmp_path / "run").mkdir()
    write(tmp_path / "run", GOOD)

    assert laptop.models[0].id not in ("cluster", "m")
    assert on_a_cluster.models[0].id == "cluster"
    assert load_stack().models[0].id == "m"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("applications: [", "is not YAML"),
        ("", "needs `applications:`"),
        ("just a sentence", "needs `applications:`"),
        ("applications: []", "needs `applications:`"),
        ("applications: sextant", "needs `applications:`"),
        ("applications: [sextant]", "needs `applications:`"),
        ("applications: [{name: x, args: {}}]", "models: names no model"),
        ("applications: [{name: x, args: }]", "models: names no model"),
        ("applications: [{name: x}]", "models: names no model"),
        (GOOD.replace("models:", "modles:"), "modles: unknown key; did you mean 'models'?"),
    ],
)
def test_a_file_that_is_wrong_is_told_in_a_sentence(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)

    with pytest.raises(ConfigError) as raised:
        load_stack(path)

    assert any(told in problem for problem in raised.value.problems)


def test_a_file_that_is_not_there_or_no_text_is_told_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xfa")

    for name in ("absent.yaml", "bytes.yaml", "."):
        with pytest.raises(ConfigError) as raised:
            read_serve_file(tmp_path / name)
        assert str(tmp_path / name) in str(raised.value)


def test_a_yaml_file_cannot_make_objects(tmp_path: Path) -> None:
    path = write(tmp_path, "applications: !!python/object/apply:os.system ['true']")

    with pytest.raises(ConfigError, match="is not YAML"):
        read_serve_file(path)
