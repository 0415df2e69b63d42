"""Turn the services of a compose file into commands for this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from gmail_embedded import readonly_fs
from gmail_embedded.addresses import Addresses
from gmail_embedded.compose import HealthCheck, Service
from gmail_embedded.environment import base_environment
from gmail_embedded.errors import EmbeddedError
from gmail_embedded.ports import LOCAL
from gmail_embedded.postgres import find_programs_folder
from gmail_embedded.processes import Command
from gmail_embedded.runfolder import CHECKOUT, RunFolder, write_private

POSTGRES, POSTGRES_PORT = "postgres", 5432
REDIS, INIT, WORKER = "redis", "init", "worker"

_NO_AIRFLOW = (POSTGRES, REDIS)
_PACKAGES = {"redis-server": "redis-server", "redis-cli": "redis-server", "curl": "curl", "taskset": "util-linux"}
"""Debian package of each required system program."""

# The port that each service listens on by default; on one machine each needs its own.
_PORT_VARIABLES = {
    "scheduler": ("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT", 8974),
    "triggerer": ("AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT", 8794),
    "worker": ("AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT", 8793),
}
_LOCAL_ONLY = {
    "AIRFLOW__API__HOST": LOCAL,
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": LOCAL,
}


class Commands:
    """Builds the commands. An *instance* is one process of a service; there may be several workers.

    Args:
        folder: the prepared run folder.
        addresses: the local addresses of the services.
        overrides: variables of Airflow's processes that override the file's, for tests.
        read_only_possible: whether services that are read-only in the file run on a read-only file system.
    """

    def __init__(
        self, folder: RunFolder, addresses: Addresses, overrides: Mapping[str, str], *, read_only_possible: bool = True
    ) -> None:
        self._folder, self._addresses, self._overrides = folder, addresses, dict(overrides)
        self._read_only_possible = read_only_possible

    def build_environment(self, service: Service, instance: str) -> dict[str, str]:
        """Return the environment of an instance: the file's variables with local addresses, and this machine's."""
        given = {name: self._addresses.rewrite(value) for name, value in service.environment.items()}
        base = base_environment(self._folder.airflow_home) | {"HOSTNAME": instance}
        if service.name in _NO_AIRFLOW:
            return base | {"PATH": f"{find_programs_folder()}:{base['PATH']}"} | given
        return base | given | self._build_overrides(service, instance) | self._overrides

    def build_service(self, service: Service, instance: str, *, long_running: bool, core: int | None = None) -> Command:
        """Return the command of an instance.

        Args:
            service: the service.
            instance: the name of the process.
            long_running: whether it should run indefinitely.
            core: the processor core to bind it to.
        """
        argv = self._addresses.rewrite_command(instance, service.command)
        if service.name == REDIS:
            argv = self._write_redis_config(argv)
        if service.name == WORKER:
            argv += ["--celery-hostname", instance]
        if core is not None:
            argv = ["taskset", "--cpu-list", str(core), *argv]
        return self._build_command(service, instance, instance, argv, log=instance, long_running=long_running)

    def build_check(self, check: HealthCheck, service: Service, instance: str) -> Command:
        """Return the health check of an instance as a command."""
        argv = [word.replace("$(hostname)", instance) for word in check.argv]
        argv = self._addresses.rewrite_command(instance, argv)
        return self._build_command(service, instance, f"check of {instance}", argv, log="checks")

    def require_programs(self, services: Iterable[Service]) -> None:
        """Raise EmbeddedError if a program of a service or a health check is not installed."""
        path = f"{find_programs_folder()}:{base_environment(self._folder.airflow_home)['PATH']}"
        for service in services:
            words = [*service.command[:1], *(service.check.argv if service.check else ())]
            for program in {name for word in words for name in (word, *word.split()) if name in _PACKAGES}:
                if shutil.which(program, path=path) is None:
                    raise EmbeddedError(
                        f"The service {service.name} needs {program}, which is not installed. Install it: "
                        f"apt-get install {_PACKAGES[program]}"
                    )

    def _build_command(
        self, service: Service, instance: str, name: str, argv: list[str], *, log: str, long_running: bool = False
    ) -> Command:
        environment = self.build_environment(service, instance)
        argv = [shutil.which(argv[0], path=environment["PATH"]) or argv[0], *argv[1:]]
        if service.read_only and self._read_only_possible:
            argv = readonly_fs.build_command(
                argv, needed=self._list_visible_folders(), writable=[self._make_log_folder()]
            )
        return Command(
            name=name,
            argv=argv,
            environment=environment,
            log=self._folder.log(log),
            cwd=self._folder.airflow_home,
            service=long_running,
        )

    def _list_visible_folders(self) -> list[Path]:
        return [CHECKOUT, Path(sys.prefix), self._folder.root]

    def _make_log_folder(self) -> Path:
        """Create and return the folder for the volume `logs`."""
        logs = self._folder.airflow_home / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        return logs

    def _build_overrides(self, service: Service, instance: str) -> dict[str, str]:
        found = {
            "AIRFLOW_HOME": str(self._folder.airflow_home),
            "AIRFLOW_CONFIG": str(self._folder.airflow_config),
            "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "gmail_embedded.hostname.get_service_hostname",
        }
        if service.name in _PORT_VARIABLES:
            variable, port = _PORT_VARIABLES[service.name]
            found[variable] = str(self._addresses.get_port(instance, port))
        return found | _LOCAL_ONLY

    def _write_redis_config(self, argv: list[str]) -> list[str]:
        """Move the options of a command into a private file, because command lines are public on a machine."""
        data = self._folder.root / "redis"
        data.mkdir(mode=0o700, exist_ok=True)
        options = dict(zip(argv[1::2], argv[2::2], strict=True)) | {"--bind": LOCAL, "--dir": str(data)}
        file = self._folder.root / "redis.conf"
        write_private(file, "".join(f'{name.removeprefix("--")} "{value}"\n' for name, value in options.items()))
        return [argv[0], os.fspath(file)]


def create_user_and_database(administrator: str, variables: Mapping[str, str]) -> None:
    """Create user and database as PostgreSQL's container image does from its variables; update a changed password.

    Args:
        administrator: the server's URL with the administrator's password.
        variables: the service's environment.
    """
    user, password, database = (variables[f"POSTGRES_{name}"] for name in ("USER", "PASSWORD", "DB"))
    engine = sa.create_engine(administrator, poolclass=NullPool, isolation_level="AUTOCOMMIT", hide_parameters=True)
    with engine.connect() as connection:
        quote = engine.dialect.identifier_preparer.quote
        known = connection.scalar(sa.text("SELECT true FROM pg_roles WHERE rolname = :name"), {"name": user})
        verb = "ALTER" if known else "CREATE"
        literal = password.replace("'", "''")
        connection.exec_driver_sql(f"{verb} ROLE {quote(user)} LOGIN SUPERUSER PASSWORD '{literal}'".replace("%", "%%"))
        found = connection.scalar(sa.text("SELECT true FROM pg_database WHERE datname = :name"), {"name": database})
        if not found:
            connection.exec_driver_sql(f"CREATE DATABASE {quote(database)} OWNER {quote(user)}")
