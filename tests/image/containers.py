"""Run the services of docker-compose.yaml in containers; PostgreSQL, Redis and Google's stand-in stay processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from gmail_embedded.cluster import Cluster
from gmail_embedded.cluster_services import POSTGRES, REDIS, Commands
from gmail_embedded.compose import HealthCheck, Service
from gmail_embedded.ports import LOCAL
from gmail_embedded.processes import Command
from gmail_embedded.runfolder import CHECKOUT, write_private

IMAGE = "localhost/gmail-warmup:check"
_SEALED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
_OF_THE_MACHINE = ("AIRFLOW_HOME", "AIRFLOW_CONFIG", "AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__HOSTNAME_CALLABLE")
"""Variables with folders and modules that exist on this machine and not in the image."""


def name_container(instance: str) -> str:
    """Return the name of the container of an instance."""
    return f"gmail-warmup-check-{instance}"


def find_engine() -> str | None:
    """Return podman, or a docker whose daemon answers; None if there is neither."""
    if podman := shutil.which("podman"):
        return podman
    docker = shutil.which("docker")
    answers = docker and subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0
    return docker if answers else None


def build_image(engine: str, lock: str) -> int:
    """Build the image; return its size in bytes."""
    argv = [engine, "build", "--network=host", f"--build-arg=LOCK={lock}", f"--tag={IMAGE}", str(CHECKOUT)]
    if Path(engine).name == "podman":
        argv[2:2] = ["--isolation=chroot"]  # needs no user namespaces
    subprocess.run(argv, check=True, stdout=sys.stderr)
    inspect = [engine, "image", "inspect", "--format={{.Size}}", IMAGE]
    return int(subprocess.run(inspect, check=True, capture_output=True, text=True).stdout)


class ContainerCommands(Commands):
    """Builds the commands of Airflow's services as containers in the network of this machine."""

    def __init__(self, engine: str, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.engine = engine

    def build_check(self, check: HealthCheck, service: Service, instance: str) -> Command:
        """Return the health check of an instance, run in its container."""
        if service.name in (POSTGRES, REDIS):
            return super().build_check(check, service, instance)
        argv = self._addresses.rewrite_command(instance, check.argv)
        return self._make(f"check of {instance}", ["exec", name_container(instance), *argv], log="checks")

    def _build_command(
        self, service: Service, instance: str, name: str, argv: list[str], *, log: str, long_running: bool = False
    ) -> Command:
        if service.name in (POSTGRES, REDIS):
            return super()._build_command(service, instance, name, argv, log=log, long_running=long_running)
        logs = self._make_log_folder()
        logs.chmod(0o777)  # the user of the image writes them
        file = self._folder.root / f"{instance}.env"
        write_private(file, "".join(f"{key}={value}\n" for key, value in self._select(service, instance).items()))
        options = [f"--name={name_container(instance)}", f"--hostname={instance}", f"--env-file={file}"]
        options += ["--rm", "--network=host", f"--volume={logs}:/opt/airflow/logs", *_SEALED]
        if Path(self.engine).name == "podman":
            options.append("--replace")  # a container that a killed run left
        return self._make(name, ["run", *options, IMAGE, *argv], log=log, long_running=long_running)

    def _select(self, service: Service, instance: str) -> dict[str, str]:
        """Return the variables of the file, and the addresses of this machine."""
        found = self.build_environment(service, instance)
        return {
            name: value
            for name, value in found.items()
            if name in service.environment or (name.startswith("AIRFLOW_") and name not in _OF_THE_MACHINE)
        }

    def _make(self, name: str, argv: list[str], *, log: str, long_running: bool = False) -> Command:
        return Command(
            name=name,
            argv=[self.engine, *argv],
            environment=dict(os.environ),
            log=self._folder.log(log),
            cwd=self._folder.root,
            service=long_running,
            grace=30,
        )


class ContainerCluster(Cluster):
    """The cluster in containers."""

    def __init__(self, engine: str, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.engine = engine

    @property
    def address(self) -> str:
        """Return the address of the api-server without a proxy."""
        return f"http://{LOCAL}:{self._port}"

    def _make_commands(self) -> Commands:
        return ContainerCommands(self.engine, self.folder, self._addresses, self.options.overrides)

    def execute(self, instance: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container of an instance."""
        return subprocess.run(
            [self.engine, "exec", name_container(instance), *argv], capture_output=True, text=True, check=False
        )
