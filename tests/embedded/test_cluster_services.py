"""The command of a service of docker-compose.yaml on one machine: the file's environment with local addresses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gmail_embedded import cluster_services, compose, dotenv, readonly_fs
from gmail_embedded.addresses import Addresses
from gmail_embedded.cluster_services import Commands
from gmail_embedded.compose import Service
from gmail_embedded.environment import base_environment
from gmail_embedded.errors import EmbeddedError
from gmail_embedded.runfolder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker-compose.yaml"
VARIABLES = dotenv.read_variables(ROOT / ".env.example") | dict.fromkeys(
    compose.find_required_variables(FILE.read_text()), "s3cret"
)
SERVICES = compose.read_services(FILE, VARIABLES | {"AIRFLOW__GMAIL_WARMUP__RAMP_CAP": "30"})
AIRFLOW = [name for name in SERVICES if name not in ("postgres", "redis")]
ON_TOP = {
    "HOSTNAME", "AIRFLOW_HOME", "AIRFLOW_CONFIG", "AIRFLOW__CORE__DAGS_FOLDER",
    "AIRFLOW__CORE__HOSTNAME_CALLABLE", "AIRFLOW__API__HOST", "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST",
}  # fmt: skip
PORTS = {
    "scheduler": "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT",
    "triggerer": "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT",
    "worker": "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT",
}


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder(tmp_path)
    made.prepare()
    return made


@pytest.fixture
def here() -> Addresses:
    return Addresses(SERVICES)


@pytest.fixture
def commands(folder: RunFolder, here: Addresses) -> Commands:
    return Commands(folder, here, {})


@pytest.mark.parametrize("name", AIRFLOW)
def test_a_service_gets_what_the_file_gives_it_and_no_more(
    name: str, commands: Commands, folder: RunFolder, here: Addresses
) -> None:
    given = SERVICES[name].environment
    found = commands.build_environment(SERVICES[name], name)
    own = found.keys() - base_environment(folder.airflow_home).keys() - given.keys()
    assert own == ON_TOP | ({PORTS[name]} if name in PORTS else set())
    moved = {key: value for key, value in given.items() if found[key] != value}
    assert all(here.rewrite(value) == found[key] for key, value in moved.items())
    assert found["AIRFLOW__GMAIL_WARMUP__RAMP_CAP"] == "30"
    assert ":5432" not in " ".join(found.values())
    assert "postgres:" not in " ".join(found.values()).replace("postgresql", "")


def test_workers_are_told_apart(commands: Commands) -> None:
    one, two = (commands.build_service(SERVICES["worker"], f"worker-{number}", long_running=True) for number in (1, 2))
    assert one.argv[-2:] == ["--celery-hostname", "worker-1"]
    assert two.environment["HOSTNAME"] == "worker-2"
    assert one.environment[PORTS["worker"]] != two.environment[PORTS["worker"]]
    bound = commands.build_service(SERVICES["worker"], "worker-3", long_running=True, core=1)
    names = [Path(word).name for word in bound.argv]
    assert names[(at := names.index("taskset")) : at + 3] == ["taskset", "--cpu-list", "1"]


def test_a_service_that_is_read_only_is_so_here_if_the_machine_allows_it(folder: RunFolder, here: Addresses) -> None:
    for sealing in (True, False):
        commands = Commands(folder, here, {}, read_only_possible=sealing)
        for name in ("redis", *AIRFLOW):
            service = SERVICES[name]
            made = [commands.build_service(service, name, long_running=True)]
            made += [commands.build_check(service.check, service, name)] if service.check else []
            for command in made:
                assert (readonly_fs.__file__ in command.argv) is (sealing and name in AIRFLOW), command.name


def test_no_secret_is_in_a_command_line(commands: Commands, folder: RunFolder) -> None:
    redis = commands.build_service(SERVICES["redis"], "redis", long_running=True)
    assert not any("s3cret" in word for word in redis.argv)
    assert "s3cret" not in repr(SERVICES)
    file = Path(redis.argv[1])
    assert 'requirepass "s3cret"' in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_a_program_that_is_missing_is_named_with_the_remedy(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {"redis-server": None}
    monkeypatch.setattr(cluster_services.shutil, "which", lambda name, path: found.get(name, f"/usr/bin/{name}"))
    with pytest.raises(EmbeddedError) as caught:
        commands.require_programs(SERVICES.values())
    assert str(caught.value) == (
        "The service redis needs redis-server, which is not installed. Install it: apt-get install redis-server"
    )


def lines(tmp_path: Path, *options: str, env: str | None = None) -> tuple[int, str]:
    argv = [sys.executable, "-m", "gmail_embedded", "cluster", "--folder", str(tmp_path / "run"), *options]
    if env is not None:
        (tmp_path / ".env").write_text(env)
    argv += ["--env-file", str(tmp_path / ".env")]
    done = subprocess.run(argv, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}, timeout=120)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("env", "options", "said"),
    [
        (None, (), "is missing. Create it with: make env"),
        ("POSTGRES_PASSWORD=x\n", (), "REDIS_PASSWORD: set it in .env (make env)"),
        ("", ("--exit",), "EXIT=1 exits after the demo"),
        ("", ("--workers", "0"), "a cluster needs at least one worker"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, env: str | None, options: tuple[str, ...], said: str) -> None:
    code, line = lines(tmp_path, *options, env=env)
    assert code == 2
    assert said in line
    assert len(line.splitlines()) == 1


def test_a_service_without_a_command_of_its_own_needs_no_program(commands: Commands) -> None:
    commands.require_programs([Service(name="it", command=(), environment={}, depends_on={}, check=None, published={})])
