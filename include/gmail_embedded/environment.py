"""Build the environment of every process: Airflow's settings, and only selected variables of the caller."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from gmail_embedded.ports import LOCAL
from gmail_embedded.runfolder import CHECKOUT, USER, RunFolder

_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# Variables of the caller that are passed on: time zones, certificates, temporary files and proxies.
_PASSED = ("TMPDIR", "TZDIR", "LD_LIBRARY_PATH", *_CERTIFICATES)
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def base_environment(home: Path) -> dict[str, str]:
    """Return the minimal environment of a Python process."""
    found = {name: value for name in _PASSED if (value := os.environ.get(name))}
    for name in _PROXIES:
        if value := os.environ.get(name) or os.environ.get(name.lower()):
            found[name] = found[name.lower()] = value
    own = {LOCAL, "localhost", "::1"}
    excepted = {part for name in ("NO_PROXY", "no_proxy") for part in os.environ.get(name, "").split(",") if part}
    found["NO_PROXY"] = found["no_proxy"] = ",".join(sorted(own | excepted))
    return found | {
        "PATH": f"{Path(sys.prefix) / 'bin'}:/usr/local/bin:/usr/bin:/bin",
        "VIRTUAL_ENV": sys.prefix,
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONUNBUFFERED": "1",
        "NO_COLOR": "1",
    }


def build_setting_variables(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of options of the section [gmail_warmup]."""
    return {f"AIRFLOW__GMAIL_WARMUP__{name.upper()}": value for name, value in settings.items()}


def airflow_environment(
    folder: RunFolder,
    *,
    database_url: str,
    port: int,
    base_url: str,
    settings: Mapping[str, str],
    paused: bool = True,
    parallelism: int = 8,
    dags: Path = CHECKOUT / "dags",
) -> dict[str, str]:
    """Return the environment of Airflow's processes.

    Args:
        folder: the prepared run folder.
        database_url: the administrator's address of Airflow's database.
        port: the api-server's port.
        base_url: address of the api-server for the browser.
        settings: options of the section [gmail_warmup] by name, in lower case.
        paused: whether a new DAG starts paused.
        parallelism: maximum number of running tasks.
        dags: folder of the DAG bundle.
    """
    secrets = folder.secrets
    options: dict[str, dict[str, object]] = {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": parallelism,
            "max_active_tasks_per_dag": parallelism,
            "load_examples": False,
            "dags_folder": dags,
            "dags_are_paused_at_creation": paused,
            "fernet_key": secrets.fernet_key,
            "execution_api_server_url": f"http://{LOCAL}:{port}/execution/",
            # The default resolves the host name, which takes seconds without a working resolver.
            "hostname_callable": "socket.gethostname",
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "simple_auth_manager_users": f"{USER}:admin",
            "simple_auth_manager_passwords_file": folder.passwords,
        },
        "database": {"sql_alchemy_conn": database_url},
        "api": {
            "host": LOCAL,
            "port": port,
            "base_url": base_url,
            "workers": 1,
            "secret_key": secrets.api_secret,
        },
        "api_auth": {"jwt_secret": secrets.jwt_secret},
        # The default of five seconds is too short when two cores start eight tasks at the same time.
        "workers": {"execution_api_timeout": 20},
        "scheduler": {
            "scheduler_idle_sleep_time": 0.5,
            "max_tis_per_query": 32,
            "scheduler_health_check_threshold": 60,
        },
        "dag_processor": {
            "dag_bundle_config_list": json.dumps(
                [
                    {
                        "name": "dags-folder",
                        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                        "kwargs": {"path": str(dags), "refresh_interval": 30},
                    }
                ]
            ),
            # Parsing costs seconds of processor time, and the DAG files do not change during a run.
            "min_file_process_interval": 60,
            "health_check_threshold": 60,
        },
        "triggerer": {"triggerer_health_check_threshold": 60},
        "logging": {
            "base_log_folder": folder.logs / "tasks",
            "dag_processor_child_process_log_directory": folder.logs / "dags",
            "colored_console_log": False,
            "file_task_handler_new_folder_permissions": "0o700",
            "file_task_handler_new_file_permissions": "0o600",
        },
    }
    variables = {
        f"AIRFLOW__{section.upper()}__{name.upper()}": str(value)
        for section, entries in options.items()
        for name, value in entries.items()
    }
    return (
        base_environment(folder.airflow_home)
        | {"AIRFLOW_HOME": str(folder.airflow_home), "AIRFLOW_CONFIG": str(folder.airflow_config)}
        | variables
        | build_setting_variables(settings)
    )
