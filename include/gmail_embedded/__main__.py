"""`python -m gmail_embedded`: run Airflow on this machine, with LocalExecutor (`up`) or as a cluster (`cluster`)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

try:
    from rich.console import Console

    from gmail_embedded import command_environment, console, demo, dotenv, start_summary
    from gmail_embedded import demo_scene as scene
    from gmail_embedded.cluster import Cluster, ClusterOptions
    from gmail_embedded.errors import EmbeddedError
    from gmail_embedded.installation import Installation
    from gmail_embedded.progress import Progress
    from gmail_embedded.runfolder import CHECKOUT
    from gmail_embedded.stack import Options, Stack
except KeyboardInterrupt:  # Ctrl-C while the modules load
    sys.exit(130)

DEFAULT_PORT = 8080
_SETTING, _METRICS = "AIRFLOW__GMAIL_WARMUP__", "AIRFLOW__METRICS__"
_GOOGLE = ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "GOOGLE_AUTH_URI", "GOOGLE_TOKEN_URI")


def build_options(variables: Mapping[str, str], port: int | None = None) -> Options:
    """Build the options from the variables of `.env` and the shell.

    Raises:
        EmbeddedError: if the OAuth client is missing or malformed, or the port is not a number.
    """
    from gmail_warmup.core.client_credentials import read_client_variables
    from gmail_warmup.core.errors import ConfigurationError

    given = variables.get("PORT", "").strip()
    if port is None and given and not given.isdecimal():
        raise EmbeddedError(f"PORT={given} is not a port: it must be a number between 1 and 65535.")
    chosen = port or int(given or DEFAULT_PORT)
    try:
        if read_client_variables(variables) is None:
            raise EmbeddedError(
                "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not set. In the Google Cloud console create an OAuth "
                "client of type 'Web application' with the redirect URI "
                f"{start_summary.build_redirect_uri(f'http://localhost:{chosen}')}, put its id and secret into .env "
                "and run this command again. docs/going-live.md describes each step; 'make demo' works without Google."
            )
    except ConfigurationError as error:
        raise EmbeddedError(str(error)) from None
    return Options(
        port=chosen,
        port_source="--port" if port else "PORT",
        host_name="localhost",
        settings={name.removeprefix(_SETTING).lower(): value for name, value in variables.items() if _is_setting(name)},
        environment={name: value.strip() for name, value in variables.items() if _is_passed(name) and value.strip()},
        paused=False,
        durable=True,
    )


def _is_setting(name: str) -> bool:
    return name.startswith(_SETTING)


def _is_passed(name: str) -> bool:
    return name in _GOOGLE or name.startswith(_METRICS)


def run_up(folder: Path, env_file: Path, port: int | None) -> int:
    """Start Airflow, print its addresses and run until a signal."""
    ours = (name for name in os.environ if name == "PORT" or _is_passed(name) or _is_setting(name))
    chosen = {name: os.environ[name] for name in ours}
    options = build_options(dotenv.read_variables(env_file) | chosen, port)
    return _run_until_stopped(Stack(folder, options))


def _run_until_stopped(installation: Installation) -> int:
    with installation:
        steps = Progress()
        installation.start(steps.step)
        with steps.step("Configuration") as step:
            failed = start_summary.run_doctor(installation, step)
        command_environment.write_environment(installation.folder, installation.environment)
        start_summary.print_summary(
            Console(highlight=False, soft_wrap=True),
            commands=command_environment.describe_commands(installation.folder),
            base_url=installation.base_url,
            login=installation.login,
            logs=installation.folder.logs,
            mailbox_count=start_summary.count_mailboxes(installation),
            failed=failed,
        )
        installation.wait_for_exit()
    return 0


def _run_cluster(given: argparse.Namespace) -> int:
    if given.workers < 1:
        raise EmbeddedError(f"--workers={given.workers}: a cluster needs at least one worker.")
    if given.exit and not given.sandbox:
        raise EmbeddedError("EXIT=1 exits after the demo, which runs only with SANDBOX=1. Set SANDBOX=1 too.")
    # The demo truncates its tables, so it never shares a folder with a real cluster.
    folder = given.folder or CHECKOUT / ".run" / ("cluster-demo" if given.sandbox else "cluster")
    options = ClusterOptions(
        workers=given.workers,
        port=given.port,
        sandbox=given.sandbox,
        settings=scene.SETTINGS if given.sandbox else {},
        env_file=given.env_file,
    )
    if given.sandbox:
        return demo.run_demo(Cluster(folder, options), stay=not given.exit)
    return _run_until_stopped(Cluster(folder, options))


def main() -> int:
    """Parse the command line and run the command."""
    parser = argparse.ArgumentParser(prog="python -m gmail_embedded", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser(
        "up", help="run PostgreSQL and Airflow on this machine with real Google, until Ctrl-C"
    )
    command.add_argument("--port", type=int, help=f"port of Airflow's web server (default: PORT, or {DEFAULT_PORT})")
    command.add_argument("--env-file", type=Path, default=CHECKOUT / ".env")
    command.add_argument("--folder", type=Path, default=CHECKOUT / ".run" / "up", help="folder of database and logs")
    command.set_defaults(run=lambda given: run_up(given.folder, given.env_file, given.port))
    command = commands.add_parser(
        "cluster", help="run the services of docker-compose.yaml on this machine, until Ctrl-C"
    )
    command.add_argument("--port", type=int, help="port of Airflow's web server (default: a free port)")
    command.add_argument("--workers", type=int, default=2, help="number of Celery workers (default: 2)")
    command.add_argument("--sandbox", action="store_true", help="run the demo against a simulated Google")
    command.add_argument("--exit", action="store_true", help="with --sandbox: exit after the demo")
    command.add_argument("--env-file", type=Path, default=CHECKOUT / ".env")
    command.add_argument("--folder", type=Path, help="folder of database and logs")
    command.set_defaults(run=_run_cluster)
    commands.add_parser("cli", help="run gmail-warmup against the installation that runs in this checkout")
    if sys.argv[1:2] == ["cli"]:  # its arguments belong to gmail-warmup
        command_environment.run_command(sys.argv[2:])
    given = parser.parse_args()
    return int(given.run(given))


if __name__ == "__main__":
    console.run_command(main)
