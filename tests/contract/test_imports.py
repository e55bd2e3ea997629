"""The direction of imports: app/ knows neither Ray nor vLLM, and neither of its neighbours."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config.files import PROJECT

FORBIDDEN_IN_APP = {"ray", "vllm", "torch", "transformers", "deployments", "jobs"}
# A classifier of the user's own is a transformer, and runs where the user has put torch.
MAY_USE_TORCH = {"app/guard/injection/transformer.py"}
MODULES = [
    ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((PROJECT / "app").rglob("*.py"))
    if "migrations" not in path.parts  # Alembic's: they run inside a migration alone
]


def imported(path: Path) -> Iterator[str]:
    """Names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("path", sorted((PROJECT / "app").rglob("*.py")), ids=lambda p: str(p.relative_to(PROJECT)))
def test_app_imports_nothing_of_the_cluster(path: Path) -> None:
    allowed = {"torch", "transformers"} if str(path.relative_to(PROJECT)) in MAY_USE_TORCH else set()
    assert {name.partition(".")[0] for name in imported(path)} & FORBIDDEN_IN_APP <= allowed


def test_app_can_be_imported_where_neither_ray_nor_vllm_is_installed() -> None:
    blocked = "import sys; sys.modules.update({n: None for n in ('ray', 'vllm', 'deployments', 'jobs')}); "
    code = blocked + "".join(f"import {module}; " for module in MODULES if not module.endswith("reference"))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stderr


def test_only_the_model_deployment_imports_ray_serve_llm() -> None:
    using = {
        path.name
        for folder in ("deployments", "jobs")
        for path in (PROJECT / folder).rglob("*.py")
        if any(name.startswith(("ray.serve.llm", "ray.llm", "vllm")) for name in imported(path))
    }
    assert using == {"model.py", "engine_load.py", "prefix_router.py"}


def test_files_stay_small() -> None:
    """Half of all files under 150 lines, none past 400: past that there are two things in it."""
    folders = ("app", "deployments", "jobs")
    lengths = sorted(
        len(path.read_text().splitlines()) for folder in folders for path in (PROJECT / folder).rglob("*.py")
    )
    assert lengths[len(lengths) // 2] < 150
    assert lengths[-1] <= 400
