"""deploy/helm/values.yaml agrees with docker-compose.yaml, as far as Airflow's chart allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
VALUES: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "helm" / "values.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]
COMPONENTS = {
    "init": "migrateDatabaseJob",
    "api-server": "apiServer",
    "scheduler": "scheduler",
    "dag-processor": "dagProcessor",
    "triggerer": "triggerer",
}
RESTRICTED = {
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "GOOGLE_CLIENT_ID",
    "GOOGLE_CLIENT_SECRET",
}
WORKER = {name: value for name, value in SERVICES["worker"]["environment"].items() if value != "sqlite://"}
"""The environment of a worker, without the address that keeps it from using a database of Airflow's."""
OTHERWISE = {"AIRFLOW__API__BASE_URL", "AIRFLOW__KUBERNETES_EXECUTOR__WORKER_PODS_CREATION_BATCH_SIZE"}
"""What has a value of its own here, or exists here alone."""


def entries(value: object) -> Iterator[tuple[str, object]]:
    """Yield every key with what it holds, at any depth."""
    if isinstance(value, dict):
        for key, entry in value.items():
            yield key, entry
            yield from entries(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from entries(entry)


@pytest.mark.parametrize(("service", "component"), COMPONENTS.items())
def test_a_component_has_the_credentials_of_its_service_and_no_others(service: str, component: str) -> None:
    given = {entry["name"] for entry in VALUES[component]["env"]}
    assert given == RESTRICTED & SERVICES[service]["environment"].keys()


def test_a_task_has_none_of_them() -> None:
    switched_off = {name for name, on in VALUES["enableBuiltInSecretEnvVars"].items() if not on}
    assert switched_off >= {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW_CONN_AIRFLOW_DB"}
    assert switched_off >= RESTRICTED & {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "AIRFLOW__API_AUTH__JWT_SECRET"}
    assert not RESTRICTED & {entry["name"] for entry in VALUES["env"]}
    assert "workers" not in VALUES
    assert not RESTRICTED & WORKER.keys()


def test_settings_have_the_values_of_the_compose_file() -> None:
    common = WORKER
    for entry in VALUES["env"]:
        if entry["name"] not in OTHERWISE:
            assert entry["value"] == common[entry["name"]], entry["name"]
    literal = {name for name, value in common.items() if value is not None and "$" not in str(value)}
    by_the_chart = {"AIRFLOW__CORE__EXECUTOR", "AIRFLOW__CORE__EXECUTION_API_SERVER_URL"}
    of_celery = {name for name in literal if name.startswith("AIRFLOW__CELERY__")}
    assert literal - by_the_chart - of_celery <= {entry["name"] for entry in VALUES["env"]}


def test_no_secret_is_written_down() -> None:
    for key, value in entries(VALUES):
        if key.endswith("SecretName") or key == "jwtSecretName":
            assert value == "gmail-warmup"
        if key == "secretKeyRef":
            assert value["name"] == "gmail-warmup"
        assert not re.search(r"^(fernetKey|apiSecretKey|jwtSecret|pass|password|metadataConnection)$", key), key
    assert VALUES["createUserJob"] == {"enabled": False}, "the chart's first user is admin with the password admin"


def test_versions_and_initialisation_are_those_of_the_image() -> None:
    pinned = re.search(r"^apache-airflow==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned
    assert VALUES["airflowVersion"] == VALUES["defaultAirflowTag"] == pinned[1]
    assert VALUES["migrateDatabaseJob"]["args"][-1] in SERVICES["init"]["command"][-1]
    lock = (ROOT / "requirements-kubernetes.lock").read_text()
    assert f"apache-airflow=={pinned[1]} " in lock
    assert "apache-airflow-providers-cncf-kubernetes==" in lock


KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str, "boolean": bool, "integer": int, "array": list, "null": type(None), "any": object,
}  # fmt: skip


def leaves(value: dict[str, Any], path: str = "") -> Iterator[tuple[str, object]]:
    """Yield every key that has a value of its own, as a dotted path."""
    for key, entry in value.items():
        if isinstance(entry, dict):
            yield from leaves(entry, f"{path}{key}.")
        else:
            yield f"{path}{key}", entry


def test_the_chart_accepts_every_key() -> None:
    """Compare with the keys of the chart's JSON schema, which refuses every key that it does not define."""
    lines = (ROOT / "deploy" / "helm" / "chart-keys.txt").read_text().splitlines()[1:]
    known = dict(line.split() for line in lines)
    for path, value in leaves(VALUES):
        assert path in known, f"{path} is not a key of the chart: compare it with the chart's values.schema.json"
        assert isinstance(value, tuple(KINDS[kind] for kind in known[path].split("/"))), path  # type: ignore[arg-type]
