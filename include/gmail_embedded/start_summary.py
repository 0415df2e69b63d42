"""What a person sees when Airflow has started: where it is, what is not right yet, and what to do first."""

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
    "In the Google Cloud console open Credentials and your OAuth client. Add the redirect URI above to its authorised "
    "redirect URIs, to the letter. docs/going-live.md shows each click.",
    "Open {page} and log in as above. It is the entry 'Gmail accounts' of Airflow's menu.",
    "Add a pool mailbox, then a warmup mailbox: each time Google's page opens, where you sign in with that mailbox.",
    "Nothing more: the DAG gmail_warmup looks every ten minutes what is due. Mails go out in the sending window of the "
    "mailbox's own day, Monday to Friday from 9 to 18 unless it is set otherwise.",
)


def redirect_uri(base_url: str) -> str:
    """Return the callback's address as the page sends it to Google."""
    return f"{base_url}{urls.MOUNT_PATH}{urls.CALLBACK_PATH}"


def examine(installation: Installation, step: Step) -> list[dict[str, str]]:
    """Let the doctor look at what has started; return what is not right: status, name, found and step of each.

    Raises:
        EmbeddedError: if it cannot look at all.
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
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise EmbeddedError(f"gmail-warmup doctor cannot look: {last}") from None
    wrong = [check for check in checks if check["status"] != "ok"]
    step.update(f"{len(wrong)} of {len(checks)} are not right" if wrong else f"all {len(checks)} are right")
    return wrong


def mailboxes(installation: Installation) -> int:
    """Return how many mailboxes there are already."""
    engine = sa.create_engine(installation.database_url, poolclass=sa.pool.NullPool)
    with engine.connect() as connection:
        return int(connection.scalar(sa.text("SELECT count(*) FROM gmail_warmup.mailbox")) or 0)


def show(
    out: Console, *, base_url: str, login: tuple[str, str], logs: Path, known: int, wrong: Sequence[dict[str, str]]
) -> None:
    """Print it: where everything is, what the doctor found, and the first steps where there is no mailbox yet.

    Args:
        known: how many mailboxes there are.
    """
    user, password = login
    rows = {
        "Airflow": base_url,
        "Login": f"{user} / {password}",
        "Redirect URI": redirect_uri(base_url),
        "Logs": str(logs),
    }
    out.print()
    for title, value in rows.items():
        out.print(Text(f"  {title:<17}{value}"))
    if wrong:
        out.print("\n  To mend")
    for check in wrong:
        style = "red" if check["status"] == "problem" else "yellow"
        says = f"{check['found']} {check['step']}".strip()
        out.print(Text.assemble("  ", (f"{check['status']:<9}", style), f"{check['name']}: {says}"))
    if known:
        out.print(Text(f"\n  {pluralize(known, 'mailbox')}: {base_url}{urls.VIEW_PATH}"))
    else:
        out.print("\n  First steps")
        for number, text in enumerate(FIRST_STEPS, 1):
            out.print(Text(f"  {number}. {text.format(page=base_url + urls.VIEW_PATH)}"))
    out.print("\n  Ctrl-C ends it; what is in the database stays.\n")
