"""docs/going-live.md, "In an existing Airflow", followed literally with the wheel in a fresh environment."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet

from support.fresh_environment import CHECKOUT, FreshEnvironment, build_wheel

pytestmark = pytest.mark.e2e

PAGE = (CHECKOUT / "docs" / "going-live.md").read_text()
SECTION = PAGE.split("### In an existing Airflow\n")[1].split("\n### ")[0]
CLIENT = ("123-abc.apps.googleusercontent.com", "GOCSPX-x")


def read_commands() -> list[str]:
    blocks = re.findall(r"^```console\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    return [line.removeprefix("$ ") for block in blocks for line in block.splitlines()]


def read_setting() -> tuple[str, str]:
    (block,) = re.findall(r"^```ini\n(.*?)^```", SECTION, re.MULTILINE | re.DOTALL)
    name, _, value = block.strip().partition("=")
    return name, value


class ExistingAirflow:
    """An Airflow on PostgreSQL, as it was before this package came, with an ordinary owner of its database."""

    def __init__(self, environment: FreshEnvironment, home: Path, database: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.home = home
        self.variables = environment.build_variables(
            home,
            AIRFLOW__CORE__FERNET_KEY=Fernet.generate_key().decode(),
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
            AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS="True",
            AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://127.0.0.1:{self.port}/execution/",
            AIRFLOW__API__BASE_URL=f"http://127.0.0.1:{self.port}",
            AIRFLOW__API__SECRET_KEY="test-secret-key",
            AIRFLOW__API_AUTH__JWT_SECRET="test-jwt-secret-test-jwt-secret-test-jwt-secret-test-jwt-secret-0",
            AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=database,
        )

    def run(self, command: str, *, code: int | None = 0) -> str:
        """Run a command line; return what it printed."""
        done = subprocess.run(
            ["bash", "-ec", command], env=self.variables, cwd=self.home, capture_output=True, text=True, timeout=300
        )
        assert code is None or done.returncode == code, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def start(self) -> subprocess.Popen[bytes]:
        """Start the api-server and wait until it answers."""
        log = (self.home / "api-server.log").open("wb")
        argv = ["bash", "-c", f"exec airflow api-server --host 127.0.0.1 --workers 1 --port {self.port}"]
        server = subprocess.Popen(argv, env=self.variables, cwd=self.home, stdout=log, stderr=log)
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and server.poll() is None:
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/api/v2/version", timeout=2, trust_env=False)
            except httpx.TransportError:
                time.sleep(0.5)
            else:
                return server
        server.kill()
        raise AssertionError((self.home / "api-server.log").read_text()[-3000:])


@pytest.fixture(scope="module")
def installed(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExistingAirflow]:
    """Follow the section from its first to its last command."""
    home = tmp_path_factory.mktemp("existing")
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE ROLE existing LOGIN CREATEROLE")
        connection.exec_driver_sql("CREATE DATABASE existing OWNER existing")
    database = sa.make_url(postgres).set(database="existing", username="existing")
    environment = FreshEnvironment(tmp_path_factory.mktemp("environment") / "venv")
    airflow = ExistingAirflow(environment, home, database.render_as_string(hide_password=False))
    airflow.run("airflow db migrate")
    name, value = read_setting()
    airflow.variables[name] = value
    for command in read_commands():
        if command == "make wheel":
            build_wheel(home / "dist")
            continue
        if command.startswith("pip install"):
            command += " --no-index --no-build-isolation"  # whatever it requires is there, as in an existing Airflow
        elif command.startswith("airflow dags unpause gmail_warmup"):
            airflow.run("airflow dag-processor --num-runs 1")  # the component that an existing Airflow runs
        for credential in CLIENT:
            command = re.sub(r"(GOOGLE_CLIENT_\w+)=\.\.\.", rf"\1={credential}", command, count=1)
        airflow.run(command)
    server = airflow.start()
    try:
        yield airflow
    finally:
        server.terminate()
        server.wait(60)


def test_the_section_is_four_commands_and_one_option() -> None:
    assert [command.split(" ")[0] for command in read_commands()][1:] == [
        "pip",
        "airflow",
        "GOOGLE_CLIENT_ID=...",
        "airflow",
        "airflow",
    ]
    assert read_setting()[0] == "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"


def test_the_wheel_is_what_runs(installed: ExistingAirflow) -> None:
    code = "import gmail_warmup, importlib.util as u; print(gmail_warmup.__file__, u.find_spec('gmail_sandbox'))"
    said = installed.run(f'python -c "{code}"')
    assert f"/venv/lib/python{sys.version_info.major}" in said
    assert str(CHECKOUT) not in said
    assert said.strip().endswith("None")


def test_the_page_works(installed: ExistingAirflow) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{installed.port}", trust_env=False, timeout=60) as http:
        token = http.get("/auth/token").json()["access_token"]
        http.headers["Authorization"] = f"Bearer {token}"
        page = http.get("/gmail-warmup/")
        assert page.status_code == 200, page.text[:2000]
        assert "Gmail accounts" in page.text
        plugins = http.get("/api/v2/plugins").json()["plugins"]
        assert [plugin["name"] for plugin in plugins].count("gmail_warmup") == 1
        assert http.get("/api/v2/plugins/importErrors").json()["total_entries"] == 0
        dags = http.get("/api/v2/dags").json()["dags"]
    known = {dag["dag_id"]: (dag["is_paused"], dag["bundle_name"]) for dag in dags}
    assert known == dict.fromkeys(("gmail_warmup", "gmail_token_health", "gmail_monitor"), (False, "gmail-warmup"))


def test_doctor_finds_nothing_missing_but_google(installed: ExistingAirflow) -> None:
    document = json.loads(installed.run("gmail-warmup doctor --json", code=None))
    status = {check["name"]: check["status"] for check in document["checks"]}
    for name in ("database", "schema", "database role", "pool", "DAGs", "delegation", "redirect URI"):
        assert status[name] == "ok", document
    installed.run("airflow dags pause gmail_warmup")
    checks = json.loads(installed.run("gmail-warmup doctor --json", code=None))["checks"]
    (paused,) = [check for check in checks if check["name"] == "DAGs"]
    assert paused["status"] == "warning"
    assert "airflow dags unpause gmail_warmup" in paused["step"]


def test_the_plugin_is_loaded_once_when_its_file_is_there_too(installed: ExistingAirflow) -> None:
    folder = installed.home / "plugins"
    shutil.copytree(CHECKOUT / "plugins", folder)
    try:
        plugins = json.loads(installed.run("airflow plugins --output json"))
    finally:
        shutil.rmtree(folder)
    assert [plugin["name"] for plugin in plugins].count("gmail_warmup") == 1
