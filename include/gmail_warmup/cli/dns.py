"""``gmail-warmup dns``: SPF, DKIM and DMARC of the domains that warmup mailboxes send from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from gmail_warmup.cli.output import NEEDS_PERSON, Json, errors, print_json, print_table, services_of

if TYPE_CHECKING:
    from gmail_warmup.domains.gate import Gate
    from gmail_warmup.domains.store import StoredFinding


def dns(context: typer.Context, as_json: Json = False) -> None:
    """Look at the sending domains' records now, and write down what is found. Exit code 1 if a record is bad."""
    from gmail_warmup.core.enums import DnsResult
    from gmail_warmup.domains.check import look_at_all, resolver
    from gmail_warmup.domains.gate import bad_domains
    from gmail_warmup.domains.store import checked

    with errors():
        services = services_of(context)
        settings = services.settings
        look_at_all(services.engine, resolver(settings), selector=settings.dkim_selector)
        with services.engine.connect() as connection:
            found, gates = checked(connection), bad_domains(connection)
    rows = [_row(stored, gates) for stored in found]
    right = all(row["result"] != DnsResult.BAD for row in rows)
    if as_json:
        print_json({"ok": right, "records": rows})
    elif rows:
        _show(rows)
    else:
        typer.echo("No warmup mailbox sends from a domain of its own.")
    if not right:
        raise typer.Exit(NEEDS_PERSON)


def _row(stored: StoredFinding, gates: dict[str, Gate]) -> dict[str, Any]:
    reason = stored.finding.reason
    return {
        "domain": stored.domain,
        "record": stored.record.value,
        "result": stored.finding.result.value,
        "code": stored.finding.code,
        "meaning": reason.sentence,
        "detail": stored.finding.detail,
        "step": reason.step_for(stored.domain),
        "bad_since": stored.bad_since,
        "sends": stored.domain not in gates,
    }


def _show(rows: list[dict[str, Any]]) -> None:
    titles = ("domain", "record", "result", "bad since (UTC)", "sends", "found")
    cells = [
        (
            row["domain"], row["record"], row["result"], row["bad_since"], row["sends"],
            " ".join(filter(None, (row["meaning"], row["detail"], row["step"]))),
        )
        for row in rows
    ]  # fmt: skip
    print_table(titles, cells, fold="found")
