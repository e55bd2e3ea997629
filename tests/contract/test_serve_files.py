"""The Serve files, against Serve's own schema, and the application that is built from each of them."""

from typing import Any

import pytest

from app.config import StackConfig
from app.config.files import load_stack, read_serve_file
from tests.contract.conftest import SERVE_FILES, deployments


@pytest.mark.parametrize("name", SERVE_FILES)
def test_serve_accepts_the_file(name: str) -> None:
    from ray.serve.schema import ServeDeploySchema

    content = read_serve_file(SERVE_FILES[name])
    schema = ServeDeploySchema.model_validate(content)
    (application,) = schema.applications
    assert (application.name, application.import_path) == ("sextant", "deployments.application:build_app")
    # Serve lets unknown keys pass.
    assert set(content) <= set(ServeDeploySchema.model_fields)
    assert set(content["applications"][0]) <= set(type(application).model_fields)
    StackConfig.model_validate(application.args)


@pytest.mark.parametrize("name", SERVE_FILES)
def test_the_application_has_a_deployment_for_each_stage_and_model(name: str, built: dict[str, Any]) -> None:
    models = {"laptop": {"Model:smollm2-135m"}, "gpu": {"Model:qwen3-8b", "Model:qwen3-1_7b"}}
    assert set(deployments(built[name])) == {"Ingress", "Guard", "Cache", "Retriever", *models[name]}
    assert built[name].ingress_deployment_name == "Ingress"


@pytest.mark.parametrize("name", SERVE_FILES)
def test_every_model_scales_within_its_bounds_on_its_device(name: str, built: dict[str, Any]) -> None:
    stack = load_stack(SERVE_FILES[name])
    for model in stack.models:
        deployment = deployments(built[name])[f"Model:{model.id.replace('.', '_')}"]
        replicas, scaling = model.replicas, deployment._deployment_config.autoscaling_config
        if replicas.min == replicas.max:
            assert (scaling, deployment.num_replicas) == (None, replicas.max)
        else:
            assert (scaling.min_replicas, scaling.max_replicas) == (replicas.min, replicas.max)
            assert scaling.target_ongoing_requests == replicas.target_ongoing_requests
            assert scaling.downscale_delay_s == replicas.downscale_delay_s
        assert deployment.max_ongoing_requests == replicas.max_ongoing_requests
        assert deployment._deployment_config.graceful_shutdown_timeout_s > stack.gateway.request_timeout_s
        on_gpu = {"CPU": model.cpus or 0, "GPU": 1, f"accelerator_type:{model.accelerator_type}": 0.001}
        on_cpu = {"CPU": model.cpus, "GPU": 0}
        bundles = deployment._replica_config.placement_group_bundles
        assert bundles == [on_gpu if model.device == "gpu" else on_cpu]


def test_the_cluster_runs_several_ingresses_over_shared_stores(gpu_stack: StackConfig, built: dict[str, Any]) -> None:
    assert deployments(built["gpu"])["Ingress"].num_replicas == gpu_stack.gateway.replicas > 1
    assert deployments(built["gpu"])["Guard"].num_replicas == gpu_stack.guard.replicas > 1
    assert gpu_stack.cache.url
    assert gpu_stack.retrieval.url


def test_a_sleeping_model_is_not_shut_out_by_the_breaker_while_its_machine_starts(gpu_stack: StackConfig) -> None:
    assert any(model.replicas.min == 0 for model in gpu_stack.models)
    # Past its own time a request ends without counting against the model.
    assert gpu_stack.routing.first_token_timeout_s >= gpu_stack.gateway.request_timeout_s


def test_what_restarts_every_replica_is_what_docs_cluster_md_says() -> None:
    from ray.serve._private.deploy_utils import get_app_code_version
    from ray.serve.schema import ServeApplicationSchema

    application = read_serve_file(SERVE_FILES["gpu"])["applications"][0]

    def code_version(**changes: Any) -> str:
        return str(get_app_code_version(ServeApplicationSchema.model_validate({**application, **changes})))

    limit = {"gateway": {**application["args"]["gateway"], "request_timeout_s": 200}}
    assert code_version() != code_version(args={**application["args"], **limit})
    assert code_version() == code_version(deployments=[{"name": "Guard", "num_replicas": 3}])
    scaling = {"min_replicas": 2, "max_replicas": 3}
    assert code_version() != code_version(deployments=[{"name": "Model:qwen3-8b", "autoscaling_config": scaling}])


@pytest.mark.parametrize("name", SERVE_FILES)
def test_no_deployment_starts_new_replicas_before_it_ends_old_ones(name: str, built: dict[str, Any]) -> None:
    """Were it otherwise, docs/cluster.md could promise more."""
    assert {d._deployment_config.max_surge_percent for d in deployments(built[name]).values()} == {0}


@pytest.mark.parametrize("name", SERVE_FILES)
def test_vllm_has_the_tool_parsers(name: str) -> None:
    from vllm.tool_parsers import ToolParserManager

    assert all(ToolParserManager.get_tool_parser(m.tool_parser) for m in load_stack(SERVE_FILES[name]).models)
