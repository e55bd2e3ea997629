"""The Serve files, and the applications built from them, for all who look at them."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.config import StackConfig
from app.config.files import PROJECT, load_stack

SERVE_FILES = {"laptop": PROJECT / "deployments" / "laptop.yaml", "gpu": PROJECT / "deployments" / "gpu.yaml"}


@pytest.fixture(scope="session")
def gpu_stack() -> StackConfig:
    return load_stack(SERVE_FILES["gpu"])


@pytest.fixture(scope="package")  # ends before the end-to-end tests: a second Ray on this node would be in their way
def built() -> Iterator[dict[str, Any]]:
    """Both applications, built as `serve deploy` does, in a Ray of their own and without a network."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "HF_HUB_OFFLINE": "1",
            "RAY_AUTH_MODE": "disabled",  # or Ray would leave a token in the user's home
            "RAY_USAGE_STATS_ENABLED": "0",
            "SEXTANT_API_KEY": "sk-test",
            "SEXTANT_ADMIN_KEY": "sk-admin-of-a-test",
            "SEXTANT_SECRET": "secret-of-a-test-stack",
        }.items():
            patch.setenv(name, value)
        patch.delenv("RAY_ADDRESS", raising=False)
        import ray

        # Ray Serve LLM asks the runtime context, which needs a Ray; one without CPUs will do.
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
        ray.init(address="local", num_cpus=0, object_store_memory=80 * 1024**2, **quiet)
        try:
            from ray.serve._private.build_app import build_app as flatten

            import deployments.application
            from deployments.application import build_app

            # There is no database of the cluster's here; what it does is tested with the accounts.
            patch.setattr(deployments.application, "migrate", lambda url: None)
            yield {name: flatten(build_app(load_stack(path)), name="sextant") for name, path in SERVE_FILES.items()}
        finally:
            ray.shutdown()


def deployments(application: Any) -> dict[str, Any]:
    return {deployment.name: deployment for deployment in application.deployments}
