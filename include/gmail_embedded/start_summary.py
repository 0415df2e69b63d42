"""The summary that is printed after the start: addresses, failed checks and first steps."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console
from rich.text import Text

from gmail_embedded.errors import EmbeddedError
from gmail_embedded.installation import Installation
from gmail_embedded.progress import Step
from gmail_warmup.core import urls
from gmail_warmup.core.text import pluralize

_PATIENCE = 120

FIRST_STEPS = (
    "In the Google Cloud console open Credentials and your OAuth client. Add the redirect URI above, unchanged, to its "
    "authorised redirect URIs. docs/going-live.md shows each click.",
    "Open {page} and log in as above. In Airflow's menu it is the entry 'Gmail accounts'.",
    "Add a pool mailbox, then a warmup mailbox. Google's sign-in page opens for each; sign in with that mailbox.",
    "Warmup now runs automatically: the DAG gmail_warmup starts every ten minutes. Mails are sent in the sending "
    "window in the mailbox's own time zone, by default Monday to Friday from 9:00 to 18:00.",
)


def build_redirect_uri(base_url: str) -> str:
    """Return the redirect URI that the page sends to Google."""
    return f"{base_url}{urls.MOUNT_PATH}{urls.CALLBACK_PATH}"


def run_doctor(installation: Installation, step: Step) -> list[dict[str, str]]:
    """Run `gmail-warmup doctor`; return the checks that are not ok: status, name, found and step of each.

    Raises:
        EmbeddedError: if the doctor cannot run.
    """
    program = str(Path(sys.prefix) / "bin" / "gmail-warmup")
    done = subprocess.run(  # noqa: S603  our own program
        [program, "doctor", "--json"],
        env=installation.environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE,
    )
    try:
        checks = json.loads(done.stdout)["checks"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
        raise EmbeddedError(f"gmail-warmup doctor failed: {last}") from None
    failed = [check for check in checks if check["status"] != "ok"]
    step.update(f"{len(failed)} of {len(checks)} checks failed" if failed else f"all {len(checks)} checks passed")
    return failed


def count_mailboxes(installation: Installation) -> int:
    """Return the number of mailboxes."""
    engine = sa.create_engine(installation.database_url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM gmail_warmup.mailbox")) or 0)


def print_summary(
    out: Console,
    *,
    base_url: str,
    login: tuple[str, str],
    logs: Path,
    mailbox_count: int,
    failed: Sequence[dict[str, str]],
    commands: str,
) -> None:
    """Print the addresses, the failed checks and, if there is no mailbox yet, the first steps.

    Args:
        mailbox_count: number of mailboxes.
        failed: the checks that are not ok.
        commands: how to run commands against the installation.
    """
    user, password = login
    rows = {
        "Airflow": base_url,
        "Login": f"{user} / {password}",
        "Redirect URI": build_redirect_uri(base_url),
        "Logs": str(logs),
    }
    out.print()
    for title, value in rows.items():
        out.print(Text(f"  {title:<17}{value}"))
    if failed:
        out.print("\n  To fix")
    for check in failed:
        style = "red" if check["status"] == "problem" else "yellow"
        says = f"{check['found']} {check['step']}".strip()
        out.print(Text.assemble("  ", (f"{check['status']:<9}", style), f"{check['name']}: {says}"))
    if mailbox_count:
        out.print(Text(f"\n  {pluralize(mailbox_count, 'mailbox')}: {base_url}{urls.VIEW_PATH}"))
    else:
        out.print("\n  First steps")
        for number, text in enumerate(FIRST_STEPS, 1):
            out.print(Text(f"  {number}. {text.format(page=base_url + urls.VIEW_PATH)}"))
    out.print(Text(f"\n{commands}".replace("\n", "\n  ")))
    out.print("\n  Press Ctrl-C to stop. The database is kept.\n")
