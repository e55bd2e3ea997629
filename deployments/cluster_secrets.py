"""Make the secrets of a cluster, once, on the machine that runs `ray up`.

    python -m deployments.cluster_secrets

| file in .sextant/cluster | holds | who reads it |
| --- | --- | --- |
| ray_token | Ray's token: who has it can run code on the cluster | every Ray process, `ray job`, `serve` |
| secrets.env | SEXTANT_API_KEY, SEXTANT_ADMIN_KEY, SEXTANT_SECRET, PGPASSWORD | the replicas |
| stores.env | PostgreSQL's password, and MLflow's address of it | the head's PostgreSQL and MLflow |

cluster.yaml mounts the folder on every machine. What is there already is kept, so add what replicas need,
such as HF_TOKEN for a gated model, to secrets.env, and run this again at any time.
"""

import secrets
from pathlib import Path

import typer
from rich.console import Console

from app.config.files import PROJECT
from app.config.places import make_private
from app.config.secrets import ensure_private, write_private
from deployments.plan import read_env_file

# cluster.yaml names this folder, so SEXTANT_HOME does not move it.
CLUSTER = PROJECT / ".sextant" / "cluster"
RAY_TOKEN, SECRETS, STORES = "ray_token", "secrets.env", "stores.env"
DATABASE = "mlflow"


def ensure_cluster_secrets(directory: Path) -> list[Path]:
    """Make what is missing, readable by this user alone. Returns the files that were made or added to."""
    make_private(directory)
    token = directory / RAY_TOKEN
    # As `ray get-auth-token --generate` makes it.
    changed = [token] if ensure_private(token, secrets.token_hex(32)) else []
    changed += _ensure_variables(directory)
    for name in (SECRETS, STORES):
        (directory / name).chmod(0o600)
    return changed


def _ensure_variables(directory: Path) -> list[Path]:
    # Letters, digits, - and _ alone: a shell, systemd, Docker and a URL read them as they stand.
    password = _read(directory / STORES).get("POSTGRES_PASSWORD") or secrets.token_urlsafe(32)
    wanted = {
        SECRETS: {
            "SEXTANT_API_KEY": f"sk-sextant-{secrets.token_urlsafe(32)}",
            "SEXTANT_ADMIN_KEY": f"sk-admin-{secrets.token_urlsafe(32)}",
            "SEXTANT_SECRET": secrets.token_urlsafe(32),
            "PGPASSWORD": password,
        },
        STORES: {
            "POSTGRES_USER": DATABASE,
            "POSTGRES_DB": DATABASE,
            "POSTGRES_PASSWORD": password,
            "MLFLOW_BACKEND_STORE_URI": f"postgresql+psycopg2://{DATABASE}:{password}@127.0.0.1:5432/{DATABASE}",
        },
    }
    return [directory / name for name, values in wanted.items() if _add_missing(directory / name, values)]


def _add_missing(path: Path, wanted: dict[str, str]) -> bool:
    """Add the variables that the file lacks; False when it lacks none."""
    present = _read(path)
    missing = [f"{name}={value}\n" for name, value in wanted.items() if not present.get(name)]
    if missing:
        before = path.read_text() if path.is_file() else ""
        write_private(path, before + ("\n" if before and not before.endswith("\n") else "") + "".join(missing))
    return bool(missing)


def _read(path: Path) -> dict[str, str]:
    return read_env_file(path) if path.is_file() else {}


def main() -> None:
    """Make the secrets of a cluster in .sextant/cluster. What is there already is kept."""
    console = Console(highlight=False)
    changed = ensure_cluster_secrets(CLUSTER)
    for name in (RAY_TOKEN, SECRETS, STORES):
        state = "made" if CLUSTER / name in changed else "kept"
        console.print(f"[green]✓[/] {CLUSTER / name} [dim]({state})[/]", soft_wrap=True)
    console.print(
        "Keep them: who has them owns the cluster. Without stores.env its database cannot be read, without "
        "SEXTANT_SECRET no key of an account is valid."
    )
    console.print("Next, from this folder: ray up --yes cluster.yaml (docs/cluster.md)")


if __name__ == "__main__":
    typer.run(main)
