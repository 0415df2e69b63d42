"""docker-compose.yaml and .env.example agree with each other, with the package and with the installed commands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema.validators import validator_for

from gmail_embedded import compose, dotenv
from gmail_warmup.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = sorted(set(SERVICES) - {"postgres", "redis"})
PARSER_SETTINGS = ("AIRFLOW__CORE__EXECUTOR", "AIRFLOW__CORE__AUTH_MANAGER")  # they add `celery` and `users`
EXAMPLE = dotenv.read_variables(ROOT / ".env.example")
VARIABLE = re.compile(r"(?<!\$)\$\{([A-Z_]+)(:[-?][^}]*)?\}")
SECRETS = {"FERNET_KEY", "JWT_SECRET", "API_SECRET_KEY", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "ADMIN_PASSWORD"}
NO_DATABASE = "sqlite://"
"""An empty database in memory."""
SECRETS |= {"GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"}


def strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from strings(key)
            yield from strings(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from strings(entry)
    elif isinstance(value, str):
        yield value


def test_the_file_follows_the_compose_specification() -> None:
    vendored = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(vendored.read_text())
    validator = validator_for(schema)(schema)
    assert [f"{error.json_path}: {error.message}" for error in validator.iter_errors(COMPOSE)] == []
    broken = {"services": {"worker": {"healthcheck": {"tests": []}}}}
    assert not validator.is_valid(broken), "the schema checks nothing"


def test_every_variable_is_in_the_example() -> None:
    used = {match[0] for match in VARIABLE.findall(" ".join(strings(COMPOSE)))}
    assert used - EXAMPLE.keys() == set()


def test_every_secret_is_required_and_says_what_to_do() -> None:
    for name, default in VARIABLE.findall(" ".join(strings(COMPOSE))):
        if name in SECRETS:
            assert default.startswith(":?set it in .env"), name
    assert {name for name in SECRETS if EXAMPLE[name]} == set(), "the example holds a secret"


def test_no_secret_is_written_down() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if value != NO_DATABASE and re.search(r"PASSWORD|SECRET|KEY|CONN$|BROKER_URL|RESULT_BACKEND|AUTH$", name):
                assert value is None or VARIABLE.search(value), name


def test_every_setting_of_the_product_reaches_every_service() -> None:
    expected = {f"AIRFLOW__GMAIL_WARMUP__{name.upper()}" for name in Settings.model_fields}
    for name in OWN:
        given = {key for key in SERVICES[name]["environment"] if key.startswith("AIRFLOW__GMAIL_WARMUP__")}
        assert given == expected, name


@pytest.mark.parametrize(
    ("service", "database", "tokens", "queue"),
    [
        ("init", True, False, False),
        ("api-server", True, True, False),
        ("scheduler", True, True, True),
        ("dag-processor", True, False, False),
        ("triggerer", True, False, False),
        ("worker", False, False, True),
    ],
)
def test_a_service_has_the_credentials_that_it_needs_and_no_others(
    service: str, database: bool, tokens: bool, queue: bool
) -> None:
    names = SERVICES[service]["environment"].keys()
    address = SERVICES[service]["environment"].get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", NO_DATABASE)
    assert (address != NO_DATABASE) is database
    assert ("AIRFLOW__API_AUTH__JWT_SECRET" in names) is tokens
    assert ("AIRFLOW__CELERY__BROKER_URL" in names) is queue
    assert ("POSTGRES_PASSWORD" in " ".join(strings(SERVICES[service]))) is database
    assert ("ADMIN_PASSWORD" in names) is (service == "init")
    assert ("GOOGLE_CLIENT_SECRET" in names) is (service == "init")


def test_nothing_of_ours_can_change_its_image_or_has_a_privilege() -> None:
    for name in OWN:
        service = SERVICES[name]
        assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"]), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert re.search(r"^USER 50000$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_every_service_but_init_is_checked_and_comes_back() -> None:
    for name, service in SERVICES.items():
        assert ("healthcheck" in service) is (name != "init"), name
        assert service["restart"] == ("no" if name == "init" else "unless-stopped"), name


def test_the_others_wait_for_init_and_init_for_what_it_needs() -> None:
    for name in set(OWN) - {"init"}:
        assert SERVICES[name]["depends_on"]["init"] == {"condition": "service_completed_successfully"}, name
    assert SERVICES["init"]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }


def test_a_check_needs_no_variable_that_a_shell_may_not_set() -> None:
    for name, service in SERVICES.items():
        for word in service.get("healthcheck", {}).get("test", []):
            assert not re.search(r"\$\$?\{?[A-Z]*HOST", word), name


def test_the_number_of_workers_is_a_variable_and_so_survives_an_upgrade() -> None:
    assert SERVICES["worker"]["scale"] == "${WORKERS:-1}"
    for number in ("1", "3"):
        found = compose.parse_services(TEXT, dict.fromkeys(SECRETS, "x") | {"WORKERS": number})
        assert found["worker"].scale == int(number)


def test_airflow_listens_where_env_says_and_believes_the_proxies_that_env_names() -> None:
    assert SERVICES["api-server"]["ports"] == ["${BIND:-127.0.0.1}:${PORT:-8080}:8080"]
    found = compose.parse_services(TEXT, dict.fromkeys(SECRETS, "x") | {"FORWARDED_ALLOW_IPS": "172.18.0.1"})
    assert found["api-server"].environment["FORWARDED_ALLOW_IPS"] == "172.18.0.1"


def test_a_starting_worker_logs_nothing_about_a_database(tmp_path: Path) -> None:
    """Every command of Airflow records its start in its database; the file system of a worker is read-only."""
    home = tmp_path / "home"
    environment = {"AIRFLOW_HOME": str(home), "PATH": "/usr/bin:/bin"}
    variable = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
    environment[variable] = SERVICES["worker"]["environment"][variable]
    names = ("sub_command", "user", "task_id", "dag_id", "logical_date", "host_name", "full_command")
    code = "import logging; logging.basicConfig(); from airflow.utils import cli_action_loggers as l; "
    code += f"l.default_action_log(*{('worker', *[None] * (len(names) - 1))!r})"
    for given, warned in (
        (environment, False),
        (environment | {variable: f"sqlite:///{tmp_path}/none/airflow.db"}, True),
    ):
        argv = [sys.executable, "-c", code]
        result = subprocess.run(argv, env=given, capture_output=True, text=True, timeout=120)
        assert result.returncode == 0, result.stderr
        assert ("Failed to log action" in result.stderr + result.stdout) is warned


def test_the_worker_can_be_multiplied() -> None:
    assert not {"container_name", "ports", "hostname"} & SERVICES["worker"].keys()
    assert "container_name" not in TEXT


def test_commands_are_lists_of_installed_programs() -> None:
    programs = Path(sys.prefix) / "bin"
    for name in OWN:
        command = SERVICES[name]["command"]
        assert isinstance(command, list), name
        if command[0] != "bash":
            assert (programs / command[0]).exists(), name
            continue
        for part in command[-1].split("&&"):
            assert (programs / part.split()[0]).exists(), part


PARSE = """
import json, sys
from airflow.cli import cli_parser
parser = cli_parser.get_parser()
for command in json.loads(sys.argv[1]):
    parser.parse_args(command)
"""


def test_airflow_accepts_the_commands_and_the_checks(tmp_path: Path) -> None:
    commands = []
    for name in OWN:
        check = " ".join(SERVICES[name].get("healthcheck", {}).get("test", [""])[1:])
        lines = [*SERVICES[name]["command"][-1].split("&&"), check] if name == "init" else [check]
        commands += [shlex.split(line)[1:] for line in lines if line.split()[:1] == ["airflow"]]
        if name != "init":
            commands.append(SERVICES[name]["command"][1:])
    commands = [[VARIABLE.sub("8", word) for word in command] for command in commands]
    assert len(commands) == 5 + 2 + 2

    environment = {"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    environment |= {name: str(SERVICES["worker"]["environment"][name]) for name in PARSER_SETTINGS}
    argv = [sys.executable, "-c", PARSE, json.dumps(commands)]
    result = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr


def make_env(folder: Path) -> subprocess.CompletedProcess[str]:
    script = ROOT / "scripts" / "make_env.py"
    argv = [sys.executable, str(script), "--example", str(folder / ".env.example"), "--output", str(folder / ".env")]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copy(ROOT / ".env.example", tmp_path)
    return tmp_path


def test_make_env_generates_every_secret_of_ours_and_shows_none(folder: Path) -> None:
    result = make_env(folder)
    values = dotenv.read_variables(folder / ".env")

    assert result.returncode == 0, result.stderr
    assert {name for name in SECRETS if not values[name]} == {"GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"}
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o600
    assert not [name for name in SECRETS if values[name] and values[name] in result.stdout]
    for name in ("POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        assert re.fullmatch(r"[A-Za-z0-9_-]{32,}", values[name]), name
    from cryptography.fernet import Fernet

    Fernet(values["FERNET_KEY"])


def test_make_env_keeps_what_is_set_and_adds_what_is_missing(folder: Path) -> None:
    (folder / ".env").write_text("# mine\nJWT_SECRET=kept\nFERNET_KEY=\nMY_OWN=1\n")
    make_env(folder)
    text = (folder / ".env").read_text()
    values = dotenv.parse_variables(text)

    assert text.startswith("# mine\nJWT_SECRET=kept\n")
    assert (values["JWT_SECRET"], values["MY_OWN"]) == ("kept", "1")
    assert values["FERNET_KEY"]
    assert values.keys() >= EXAMPLE.keys()


def test_make_env_changes_nothing_the_second_time(folder: Path) -> None:
    make_env(folder)
    before = (folder / ".env").read_text()
    result = make_env(folder)
    assert (folder / ".env").read_text() == before
    assert "generated: nothing" in result.stdout


def test_the_executor_and_the_worker_can_be_loaded_without_the_database(tmp_path: Path) -> None:
    environment = {"AIRFLOW_HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor"}
    environment |= {f"AIRFLOW__CELERY__{name}": "redis://localhost:1/0" for name in ("BROKER_URL", "RESULT_BACKEND")}
    code = "from airflow.executors.executor_loader import ExecutorLoader as L; L.import_default_executor_cls(); "
    code += "import airflow.providers.celery.executors.celery_executor_utils"
    argv = [sys.executable, "-c", code]
    result = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr[-1000:]
