"""What `make serve` decides before it starts anything."""

import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.config import ConfigError, StackConfig
from app.config.files import PROJECT
from app.config.places import short_directory
from deployments import plan as planning
from deployments import submit
from deployments.haproxy import MAX_DIRECTORY, find_haproxy, private_places, write_wrapper
from deployments.laptop import lock_home, prepare, remove_haproxy_files
from deployments.plan import (
    Ports,
    haproxy_directory,
    make_plan,
    ray_directory,
    read_env_file,
    serve_file,
    without_proxy,
)
from deployments.submit import absolute_paths
from deployments.waiting import all_up, answers
from tests.unit.server import listening

PORTS = Ports(*range(9001, 9011))


def stack_of(home: Path, model: str | None = None) -> StackConfig:
    return StackConfig.model_validate(serve_file(home, PORTS, model)["applications"][0]["args"])


def test_the_plan_is_laptop_yaml_with_places_filled_in(tmp_path: Path) -> None:
    content = serve_file(tmp_path, PORTS, None)
    assert content["http_options"] == {"host": "127.0.0.1", "port": 9001}
    config = stack_of(tmp_path)
    assert config.home == tmp_path
    assert config.observability.mlflow_url == "http://127.0.0.1:9002"
    assert set(config.aliases) == {"chat", "docs"}


def test_a_hub_model_takes_the_place_of_the_small_one_and_may_be_downloaded(tmp_path: Path) -> None:
    config = stack_of(tmp_path, "Qwen/Qwen3-0.6B")
    assert [(m.id, m.source) for m in config.models] == [("qwen3-0.6b", "Qwen/Qwen3-0.6B")]
    assert {alias.model for alias in config.aliases.values()} == {"qwen3-0.6b"}
    assert "HF_HUB_OFFLINE" not in config.models[0].environment


def test_a_directory_is_served_under_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "My-Model"
    folder.mkdir()
    (model,) = stack_of(tmp_path, str(folder)).models
    assert (model.id, model.source) == ("my-model", str(folder))
    assert model.environment["HF_HUB_OFFLINE"] == "1"


def test_the_revision_of_the_replaced_weights_goes_with_them(tmp_path: Path) -> None:
    config = written(tmp_path, "applications: [{args: {models: [{id: m, source: /weights, revision: '7'}]}}]")
    content = serve_file(tmp_path, PORTS, "Org/New", config)
    assert StackConfig.model_validate(content["applications"][0]["args"]).models[0].revision is None


NAMED_EVERYWHERE = """
applications:
- args:
    models:
    - {id: small, source: there}
    - {id: other, source: there}
    aliases:
      one: {model: small, prompt: small}
      many: {targets: [{model: small}, {model: other}], fallbacks: {any: [small], down: [other, "small:adapter"]}}
      split: {model: other, canary: {model: small, percent: 1}, shadow: {model: small, percent: 1}}
      tiered: {policy: cost-tiered, tiers: {small: small, large: other, classifier: small}, budget_fallback: small}
"""


def test_a_replaced_model_is_replaced_wherever_an_alias_names_it(tmp_path: Path) -> None:
    config = written(tmp_path, NAMED_EVERYWHERE)
    stack = StackConfig.model_validate(serve_file(tmp_path, PORTS, "Org/New", config)["applications"][0]["args"])
    assert [model.id for model in stack.models] == ["new", "other"]
    assert {name: alias.mentioned for name, alias in stack.aliases.items()} == {
        "one": {"new"},
        "many": {"new", "other", "new:adapter"},
        "split": {"new", "other"},
        "tiered": {"new", "other"},
    }
    assert stack.aliases["one"].prompt == "small"
    assert stack.aliases["tiered"].tiers is not None
    assert stack.aliases["tiered"].tiers.classifier == "small"


@pytest.mark.parametrize("arguments", ["", " {aliases: }", " 3", " {models: [{}]}", " {models: {}}"])
def test_a_file_of_another_shape_is_refused_in_a_sentence(tmp_path: Path, arguments: str) -> None:
    config = written(tmp_path, f"applications:\n- args:{arguments}\n")
    with pytest.raises(ConfigError):
        serve_file(tmp_path, PORTS, "Org/New", config)


def written(directory: Path, content: str) -> Path:
    path = directory / "stack.yaml"
    path.write_text(content)
    return path


def test_a_jobs_paths_are_made_absolute_and_its_words_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").touch()
    assert absolute_paths(["docs", "docs/a.md", "gone/a.md"]) == [
        f"{tmp_path}/docs",
        f"{tmp_path}/docs/a.md",
        "gone/a.md",
    ]
    assert absolute_paths(["--model", "docs", "--grades", "./docs"]) == [
        "--model",
        "docs",
        "--grades",
        f"{tmp_path}/docs",
    ]


def test_a_taken_port_is_refused_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigError, match="set SEXTANT_PORT"):
            Ports.choose(taken.getsockname()[1], usual=True)


def test_no_port_is_chosen_twice() -> None:
    ports = Ports.choose(planning._any_free(), usual=False)
    values = [getattr(ports, name) for name in ports.__dataclass_fields__]
    assert len(set(values)) == len(values)


def test_serves_own_proxy_is_used_where_there_is_no_haproxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "find_haproxy", lambda: None)
    environment = make_plan(tmp_path, planning._any_free(), None, {}).environment
    assert environment["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
    assert "RAY_SERVE_HAPROXY_BINARY_PATH" not in environment


def test_with_haproxy_the_tuned_variables_are_set_and_the_users_own_stand(tmp_path: Path) -> None:
    environment = make_plan(tmp_path, planning._any_free(), None, {"RAY_worker_niceness": "5"}).environment
    assert environment["RAY_SERVE_ENABLE_HA_PROXY"] == "1"
    assert environment["RAY_worker_niceness"] == "5"
    assert set(read_env_file(PROJECT / "deployments" / "serve.env")) <= set(environment)
    wrapper = Path(environment["RAY_SERVE_HAPROXY_BINARY_PATH"])
    assert wrapper.stat().st_mode & stat.S_IXUSR
    version = subprocess.run([wrapper, "-v"], capture_output=True, text=True, check=True)
    assert "HAProxy version" in version.stdout


def test_another_cluster_that_the_shell_names_gets_neither_jobs_nor_the_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = {"RAY_API_SERVER_ADDRESS": "http://elsewhere.example:8265", "RAY_ADDRESS": "elsewhere.example:6379"}
    plan = make_plan(tmp_path, planning._any_free(), None, elsewhere)
    assert asked_by_rays_client(plan.environment, monkeypatch) == plan.ports.dashboard_url


def asked_by_rays_client(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Where `ray job submit --address http://given:8265` goes to."""
    from ray.dashboard.utils import get_address_for_submission_client

    for name in ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS"):
        monkeypatch.setenv(name, environment[name])
    return str(get_address_for_submission_client("http://given:8265"))


def test_nor_does_what_is_submitted_to_the_running_stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stack.json").write_text('{"dashboard_url": "http://127.0.0.1:1234"}')
    monkeypatch.setenv("SEXTANT_HOME", str(tmp_path))
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://elsewhere.example:8265")
    monkeypatch.setenv("RAY_ADDRESS", "elsewhere.example:6379")
    monkeypatch.setattr(sys, "argv", ["submit", "jobs.evaluate"])
    environments: list[dict[str, str]] = []

    def run(command: list[str], env: dict[str, str], check: bool) -> subprocess.CompletedProcess[str]:
        environments.append(env)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(subprocess, "run", run)
    assert submit.main() == 0
    (environment,) = environments
    assert asked_by_rays_client(environment, monkeypatch) == "http://127.0.0.1:1234"
    assert "127.0.0.1" in environment["no_proxy"].split(",")


@pytest.mark.parametrize(
    ("given", "exceptions"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": "corp.example, localhost"}, "corp.example,localhost,127.0.0.1"),
        ({"no_proxy": "*"}, "*"),
    ],
)
def test_no_proxy_of_the_shell_stands_before_the_stacks_own_addresses(
    tmp_path: Path, given: dict[str, str], exceptions: str
) -> None:
    proxy = {"HTTP_PROXY": "http://proxy.example:3128", **given}
    environment = make_plan(tmp_path, planning._any_free(), None, proxy).environment
    assert (environment["no_proxy"], environment["NO_PROXY"]) == (exceptions, exceptions)
    assert environment["HTTP_PROXY"] == proxy["HTTP_PROXY"]


def test_each_of_the_two_variables_keeps_its_own_exceptions() -> None:
    given = {"no_proxy": "a.example", "NO_PROXY": "b.example"}
    assert without_proxy(given) == {
        "no_proxy": "a.example,127.0.0.1,localhost",
        "NO_PROXY": "b.example,127.0.0.1,localhost",
    }


def test_the_start_asks_no_proxy_whether_something_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")  # nobody listens there
    with listening(FastAPI()) as url:
        assert answers(f"{url}/openapi.json")()


@pytest.mark.parametrize("state", ["up", "down"])
def test_a_start_waits_for_each_model_though_another_one_would_do(state: str) -> None:
    app = FastAPI()
    dependencies = {
        "model slow": {"state": state, "required": True},
        "model hosted": {"state": "up", "required": False},
        "mlflow": {"state": "down", "required": False},
    }
    app.get("/readyz")(lambda: {"status": "degraded", "dependencies": dependencies})
    with listening(app) as url:
        assert all_up(f"{url}/readyz")() is (state == "up")


NODE = "f" * 56  # Serve puts a folder of the Ray node's name between the directory and the file


def test_haproxys_files_are_where_nobody_else_can_enter(tmp_path: Path) -> None:
    plan = make_plan(tmp_path / ("x" * 80), planning._any_free(), None, {})
    assert plan.haproxy_directory is not None
    places = {name: Path(plan.environment[name]) for name in private_places(plan.haproxy_directory)}
    for place in places.values():
        assert place.is_relative_to(plan.haproxy_directory)
    for directory in (plan.haproxy_directory, plan.haproxy_directory.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    sockets = [path.parent / NODE / path.name for path in places.values() if path.suffix == ".sock"]
    assert [path for path in sockets if len(str(path)) > 97] == []


def test_every_file_that_serve_keeps_of_haproxy_has_a_private_place() -> None:
    from ray.serve._private import constants

    shared = {name for name, value in vars(constants).items() if str(value).startswith("/tmp/haproxy-serve")}
    assert shared == set(private_places(Path("/anywhere")))


def test_the_longest_directory_leaves_room_for_haproxys_sockets() -> None:
    binary = find_haproxy()
    assert binary
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="sextant-tests-") as name:
        assert len(name) == MAX_DIRECTORY
        admin = Path(name, NODE, Path(private_places(Path(name))["RAY_SERVE_HAPROXY_SOCKET_PATH"]).name)
        admin.parent.mkdir()
        config = Path(name, "haproxy.cfg")
        config.write_text(f"global\n  stats socket {admin} level admin\nlisten x\n  mode http\n  bind {name}/x\n")
        with subprocess.Popen([binary, "-db", "-f", config], stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 10
            while not admin.is_socket() and process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.02)
            is_there = admin.is_socket()
            process.terminate()
            assert is_there, process.stderr and process.stderr.read()
        # The name under which it is bound first, with the largest process id that Linux gives.
        assert len(f"{admin}.4194304.tmp") <= 107


def test_without_room_for_a_sockets_path_serves_own_proxy_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    home = tmp_path / "home"
    assert haproxy_directory(home) is None
    environment = make_plan(home, planning._any_free(), None, {}).environment
    assert environment["RAY_SERVE_ENABLE_HA_PROXY"] == "0"
    assert not any("/tmp/haproxy-serve" in value for value in environment.values())


def test_a_place_that_somebody_else_has_taken_is_refused_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    home = tmp_path / "home"
    taken = short_directory(home)
    taken.rmdir()
    taken.symlink_to("/")
    with pytest.raises(ConfigError, match="SEXTANT_HOME"):
        make_plan(home, planning._any_free(), None, {})


def test_what_haproxy_has_left_of_earlier_sessions_is_removed(tmp_path: Path) -> None:
    plan = make_plan(tmp_path, planning._any_free(), None, {})
    assert plan.haproxy_directory is not None
    for node in ("1" * 56, "2" * 56):
        (plan.haproxy_directory / node).mkdir()
        (plan.haproxy_directory / node / "admin.sock.17.1.stderr.log").touch()
    remove_haproxy_files(plan)
    assert list(plan.haproxy_directory.iterdir()) == []


def test_the_wrapper_turns_splicing_off_and_hands_the_rest_on(tmp_path: Path) -> None:
    echo = tmp_path / "echo me"
    echo.write_text('#!/bin/sh\necho "$@"\n')
    echo.chmod(0o755)
    wrapper = write_wrapper(tmp_path / "deep" / "haproxy", str(echo))
    done = subprocess.run([wrapper, "-f", "a b.cfg"], capture_output=True, text=True, check=True)
    assert done.stdout == "-dS -f a b.cfg\n"


def test_on_a_laptop_what_serve_binds_everywhere_listens_here_alone(tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "frontend prometheus\n    bind :9101\nfrontend http\n    bind 127.0.0.1:80\nlisten s\n  bind *:84\n"
    )
    wrapper = write_wrapper(tmp_path / "haproxy", "/bin/true", loopback_only=True)
    subprocess.run([wrapper, "-f", config], check=True)
    binds = [line.strip() for line in config.read_text().splitlines() if "bind" in line]
    assert binds == ["bind 127.0.0.1:9101", "bind 127.0.0.1:80", "bind 127.0.0.1:84"]


def test_rays_sockets_fit_into_their_108_bytes(tmp_path: Path) -> None:
    short, long = Path("/srv/sextant"), tmp_path / ("x" * 80)
    assert ray_directory(short) == short / "ray"
    assert len(str(ray_directory(long))) < 40
    assert ray_directory(long) == ray_directory(long) != ray_directory(tmp_path / ("y" * 80))


def test_one_stack_a_home(tmp_path: Path) -> None:
    lock = lock_home(tmp_path)
    with pytest.raises(ConfigError, match="another stack runs on"):
        lock_home(tmp_path)
    lock.close()
    lock_home(tmp_path).close()


def test_a_home_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    (home / "ray_token").write_text("token")
    (home / "api_key").write_text("key")
    lock = lock_home(home)
    prepare(home, planning._any_free(), None, planning.LAPTOP, usual_ports=False)
    lock.close()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    for name in ("ray_token", "api_key", "admin_key", "secret"):
        assert stat.S_IMODE((home / name).stat().st_mode) == 0o600


def test_a_short_directory_is_private_and_not_anothers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    made = short_directory(Path("/a/home"))
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    made.rmdir()
    made.symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="SEXTANT_HOME"):
        short_directory(Path("/a/home"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["--docs", "/nowhere"], "DOCS: there is no /nowhere"), (["--port", "1"], "SEXTANT_PORT")],
)
def test_what_cannot_work_is_told_in_a_sentence(tmp_path: Path, arguments: list[str], told: str) -> None:
    if "--port" in arguments:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            done = run(tmp_path, "--port", str(taken.getsockname()[1]))
    else:
        done = run(tmp_path, *arguments)
    assert done.returncode == 1
    assert told in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "deployments.laptop", "--home", str(home), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=60, check=False)
