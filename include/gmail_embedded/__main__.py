"""`python -m gmail_embedded`: Airflow on this machine, as one (`up`) or as the services of a cluster (`cluster`)."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from gmail_embedded import console, demo, dotenv, start_summary
from gmail_embedded import demo_scene as scene
from gmail_embedded.cluster import Cluster, ClusterOptions
from gmail_embedded.errors import EmbeddedError
from gmail_embedded.installation import Installation
from gmail_embedded.progress import Steps
from gmail_embedded.runfolder import CHECKOUT
from gmail_embedded.stack import Options, Stack

DEFAULT_PORT = 8080
_SETTING, _METRICS = "AIRFLOW__GMAIL_WARMUP__", "AIRFLOW__METRICS__"
_GOOGLE = ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET", "GOOGLE_AUTH_URI", "GOOGLE_TOKEN_URI", "GMAIL_API_ENDPOINT")


def options_from(variables: Mapping[str, str], port: int | None = None) -> Options:
    """Turn the variables of `.env` and the shell into options.

    Raises:
        EmbeddedError: if the OAuth client is missing or malformed, or the port is no number.
    """
    from gmail_warmup.airflow.bootstrap import read_client_variables
    from gmail_warmup.core.errors import ConfigurationError

    given = variables.get("PORT", "").strip()
    if port is None and given and not given.isdecimal():
        raise EmbeddedError(f"PORT={given} is no port: it must be a number between 1 and 65535.")
    chosen = port or int(given or DEFAULT_PORT)
    try:
        if read_client_variables(variables) is None:
            raise EmbeddedError(
                "GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET are not set. In the Google Cloud console create an OAuth "
                "client of the type 'Web application' with the redirect URI "
                f"{start_summary.redirect_uri(f'http://localhost:{chosen}')}, put its id and secret into .env and "
                "start again. Each step is in docs/going-live.md; 'make demo' needs no Google."
            )
    except ConfigurationError as error:
        raise EmbeddedError(str(error)) from None
    return Options(
        port=chosen,
        port_asked_by="--port" if port else "PORT",
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


def up(folder: Path, env_file: Path, port: int | None) -> int:
    """Start, tell where everything is, stay until a signal."""
    ours = (name for name in os.environ if name == "PORT" or _is_passed(name) or _is_setting(name))
    chosen = {name: os.environ[name] for name in ours}
    options = options_from(dotenv.read(env_file) | chosen, port)
    return _keep(Stack(folder, options))


def _keep(installation: Installation) -> int:
    with installation:
        steps = Steps()
        installation.start(steps.step)
        with steps.step("Configuration") as step:
            wrong = start_summary.examine(installation, step)
        start_summary.show(
            Console(highlight=False, soft_wrap=True),
            base_url=installation.base_url,
            login=installation.login,
            logs=installation.folder.logs,
            known=start_summary.mailboxes(installation),
            wrong=wrong,
        )
        installation.watch()
    return 0


def _run_cluster(given: argparse.Namespace) -> int:
    if given.workers < 1:
        raise EmbeddedError(f"--workers={given.workers}: a cluster needs at least one worker.")
    if given.exit and not given.sandbox:
        raise EmbeddedError("EXIT=1 ends after the demo's story, which is told with SANDBOX=1. Set that too.")
    # The demonstration empties its tables: never those of a cluster that is in earnest.
    folder = given.folder or CHECKOUT / ".run" / ("cluster-demo" if given.sandbox else "cluster")
    options = ClusterOptions(
        workers=given.workers,
        port=given.port,
        sandbox=given.sandbox,
        settings=scene.SETTINGS if given.sandbox else {},
        env_file=given.env_file,
    )
    if given.sandbox:
        return demo.tell(Cluster(folder, options), stay=not given.exit)
    return _keep(Cluster(folder, options))


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m gmail_embedded", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    command = commands.add_parser("up", help="run PostgreSQL and Airflow here, against real Google, until Ctrl-C")
    command.add_argument("--port", type=int, help=f"of Airflow's pages (default: PORT, or {DEFAULT_PORT})")
    command.add_argument("--env-file", type=Path, default=CHECKOUT / ".env")
    command.add_argument("--folder", type=Path, default=CHECKOUT / ".run" / "up", help="database and logs")
    command.set_defaults(run=lambda given: up(given.folder, given.env_file, given.port))
    command = commands.add_parser("cluster", help="run the services of docker-compose.yaml here, until Ctrl-C")
    command.add_argument("--port", type=int, help="of Airflow's pages; a free one by default")
    command.add_argument("--workers", type=int, default=2, help="how many Celery workers (default: 2)")
    command.add_argument("--sandbox", action="store_true", help="tell the demo's story against Google's stand-in")
    command.add_argument("--exit", action="store_true", help="with --sandbox: end by itself")
    command.add_argument("--env-file", type=Path, default=CHECKOUT / ".env")
    command.add_argument("--folder", type=Path, help="database and logs")
    command.set_defaults(run=_run_cluster)
    given = parser.parse_args()
    return int(given.run(given))


if __name__ == "__main__":
    console.run(main)
