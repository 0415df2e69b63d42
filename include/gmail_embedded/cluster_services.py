"""The services of a compose file as commands: the file's environment, and what one machine needs on top."""

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
from gmail_embedded.compose import Check, Service
from gmail_embedded.environment import base_environment
from gmail_embedded.errors import EmbeddedError
from gmail_embedded.ports import LOCAL
from gmail_embedded.postgres import programs
from gmail_embedded.processes import Command
from gmail_embedded.runfolder import CHECKOUT, RunFolder, write_private

POSTGRES, POSTGRES_PORT = "postgres", 5432
REDIS, INIT, WORKER = "redis", "init", "worker"

_NO_AIRFLOW = (POSTGRES, REDIS)
_REMEDIES = {"redis-server": "redis-server", "redis-cli": "redis-server", "curl": "curl", "taskset": "util-linux"}
"""Debian's package of each program that Python packages do not bring."""

# Where a process listens by itself: in containers on the same port each, here on one of its own.
_LISTENS = {
    "scheduler": ("AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT", 8974),
    "triggerer": ("AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT", 8794),
    "worker": ("AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT", 8793),
}
_LOCAL_ONLY = {
    "AIRFLOW__API__HOST": LOCAL,
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": LOCAL,
}


class Commands:
    """Makes the commands; an *instance* is one process of a service, of which a worker has several.

    Args:
        folder: the prepared run folder.
        addresses: where the services are.
        overrides: variables of Airflow's processes that are stronger than the file's, for tests.
        sealing: whether a service whose file system is read-only in the file has it so here.
    """

    def __init__(
        self, folder: RunFolder, addresses: Addresses, overrides: Mapping[str, str], *, sealing: bool = True
    ) -> None:
        self._folder, self._addresses, self._overrides = folder, addresses, dict(overrides)
        self._sealing = sealing

    def environment(self, service: Service, instance: str) -> dict[str, str]:
        """Return what an instance gets: the file's variables with addresses rewritten, and the machine's own."""
        given = {name: self._addresses.rewritten(value) for name, value in service.environment.items()}
        base = base_environment(self._folder.airflow_home) | {"HOSTNAME": instance}
        if service.name in _NO_AIRFLOW:
            return base | {"PATH": f"{programs()}:{base['PATH']}"} | given
        return base | given | self._on_top(service, instance) | self._overrides

    def service(self, service: Service, instance: str, *, lasts: bool, core: int | None = None) -> Command:
        """Return the command of an instance.

        Args:
            service: which one.
            instance: the name of this process of it.
            lasts: whether it should run for good.
            core: the processor core that it is bound to.
        """
        argv = self._addresses.command(instance, service.command)
        if service.name == REDIS:
            argv = self._redis(argv)
        if service.name == WORKER:
            argv += ["--celery-hostname", instance]
        if core is not None:
            argv = ["taskset", "--cpu-list", str(core), *argv]
        return self._command(service, instance, instance, argv, log=instance, lasts=lasts)

    def check(self, check: Check, service: Service, instance: str) -> Command:
        """Return the health check of an instance as a command."""
        argv = self._addresses.command(instance, check.argv)
        return self._command(service, instance, f"check of {instance}", argv, log="checks")

    def require_programs(self, services: Iterable[Service]) -> None:
        """Raise EmbeddedError if a program that the services or their checks need is missing."""
        path = f"{programs()}:{base_environment(self._folder.airflow_home)['PATH']}"
        for service in services:
            words = [*service.command[:1], *(service.check.argv if service.check else ())]
            for program in {name for word in words for name in (word, *word.split()) if name in _REMEDIES}:
                if shutil.which(program, path=path) is None:
                    raise EmbeddedError(
                        f"The service {service.name} needs {program}, which is not installed. Install it: "
                        f"apt-get install {_REMEDIES[program]}"
                    )

    def _command(
        self, service: Service, instance: str, name: str, argv: list[str], *, log: str, lasts: bool = False
    ) -> Command:
        environment = self.environment(service, instance)
        argv = [shutil.which(argv[0], path=environment["PATH"]) or argv[0], *argv[1:]]
        if service.read_only and self._sealing:
            argv = readonly_fs.command(argv, needed=self._needed(), writable=[self._airflow_logs()])
        return Command(
            name=name,
            argv=argv,
            environment=environment,
            log=self._folder.log(log),
            cwd=self._folder.airflow_home,
            service=lasts,
        )

    def _needed(self) -> list[Path]:
        return [CHECKOUT, Path(sys.prefix), self._folder.root]

    def _airflow_logs(self) -> Path:
        """Return the folder that is the volume `logs` in the file."""
        logs = self._folder.airflow_home / "logs"
        logs.mkdir(mode=0o700, exist_ok=True)
        return logs

    def _on_top(self, service: Service, instance: str) -> dict[str, str]:
        found = {
            "AIRFLOW_HOME": str(self._folder.airflow_home),
            "AIRFLOW_CONFIG": str(self._folder.airflow_config),
            "AIRFLOW__CORE__DAGS_FOLDER": str(CHECKOUT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(CHECKOUT / "plugins"),
            "AIRFLOW__CORE__HOSTNAME_CALLABLE": "gmail_embedded.hostname.of_service",
        }
        if service.name in _LISTENS:
            variable, port = _LISTENS[service.name]
            found[variable] = str(self._addresses.port(instance, port))
        return found | _LOCAL_ONLY

    def _redis(self, argv: list[str]) -> list[str]:
        """Return the command with its options in a private file, for everybody on a machine sees command lines."""
        data = self._folder.root / "redis"
        data.mkdir(mode=0o700, exist_ok=True)
        options = dict(zip(argv[1::2], argv[2::2], strict=True)) | {"--bind": LOCAL, "--dir": str(data)}
        file = self._folder.root / "redis.conf"
        write_private(file, "".join(f'{name.removeprefix("--")} "{value}"\n' for name, value in options.items()))
        return [argv[0], os.fspath(file)]


def admit(administrator: str, variables: Mapping[str, str]) -> None:
    """Make user and database as PostgreSQL's image makes them from its variables; a changed password is taken over.

    Args:
        administrator: the address of the server with the administrator's password.
        variables: of the service.
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
