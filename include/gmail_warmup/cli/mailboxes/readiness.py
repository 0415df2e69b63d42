"""``gmail-warmup mailboxes readiness``: which mailboxes may send cold mail now, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.output import JsonOption, get_services, print_json, print_table, report_errors
from gmail_warmup.core.enums import ReadinessState
from gmail_warmup.core.text import pluralize
from gmail_warmup.transfer.csv_format import write_table

if TYPE_CHECKING:
    from gmail_warmup.warmup.readiness.store import Readiness

_FIELDS = ("address", "domain", "state", "reason", "since", "local_date", "cold_mails", "message", "remedy")


def list_readiness(
    context: typer.Context,
    state: Annotated[ReadinessState | None, typer.Option(help="Only mailboxes in this state.")] = None,
    domain: Annotated[str, typer.Option(help="Only addresses of this domain.")] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print comma-separated values.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List warmup mailboxes with their readiness for cold mail, and how many cold mails are reasonable today."""
    with report_errors():
        found = [item for item in _load_all(context, domain) if state in (None, item.day.state)]
    if as_json:
        print_json([_to_dict(item) for item in found])
    elif as_csv:
        for line in write_table(_FIELDS, map(_to_dict, found)):
            typer.echo(line, nl=False)
    else:
        _print_readiness(found)


def _load_all(context: typer.Context, domain: str) -> list[Readiness]:
    import sqlalchemy as sa

    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.db.models import Mailbox, MailboxKind
    from gmail_warmup.mailboxes.addresses import normalize_domain
    from gmail_warmup.warmup.readiness.store import load_readiness

    services = get_services(context)
    query = sa.select(Mailbox.id).where(Mailbox.kind == MailboxKind.WARMUP)
    if domain:
        query = query.where(Mailbox.domain == normalize_domain(domain))
    with read_transaction(services.engine) as connection:
        return load_readiness(connection, list(connection.scalars(query)), services.settings)


def _to_dict(item: Readiness) -> dict[str, Any]:
    values = asdict(item.day) | {
        "address": item.address,
        "domain": item.domain,
        "message": item.reason.message,
        "remedy": item.reason.remedy.replace("ADDRESS", item.address),
    }
    return {name: values[name] for name in _FIELDS}


def _print_readiness(found: Sequence[Readiness]) -> None:
    rows = [
        (item.address, item.day.state.value, item.day.cold_mails, item.reason.code, item.day.since) for item in found
    ]
    if rows:
        print_table(("mailbox", "readiness", "cold mails today", "reason", "since (UTC)"), rows, fold="mailbox")
    ready = sum(item.day.state is ReadinessState.READY for item in found)
    total = sum(item.day.cold_mails for item in found)
    typer.echo(f"{ready} of {pluralize(len(found), 'mailbox')} ready, {pluralize(total, 'cold mail')} today")
