"""``gmail-warmup dns``: SPF, DKIM and DMARC of the sending domains, and what Google reports about their mail."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from gmail_warmup.cli.output import NEEDS_PERSON, JsonOption, get_services, print_json, print_table, report_errors
from gmail_warmup.cli.progress import show_progress
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    from gmail_warmup.domains.authentication import StoredReport
    from gmail_warmup.domains.gate import GatedDomain
    from gmail_warmup.domains.store import StoredFinding


def check_dns(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check SPF, DKIM and DMARC of the sending domains now, store the results, and show what Google last reported.

    Exit code 1 if a record is bad.
    """
    from gmail_warmup.core.enums import DnsResult
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.domains.authentication import load_domain_reports
    from gmail_warmup.domains.check import build_resolver, check_all_domains
    from gmail_warmup.domains.gate import load_confirmed_records, load_gated_domains
    from gmail_warmup.domains.store import load_findings

    with report_errors():
        services = get_services(context)
        settings = services.settings
        with show_progress("Requesting the DNS records", as_json=as_json):
            check_all_domains(services.engine, build_resolver(settings), selector=settings.dkim_selector)
        with read_transaction(services.engine) as connection:
            findings, gates = load_findings(connection), load_gated_domains(connection)
            reports, confirmed = load_domain_reports(connection), load_confirmed_records(connection)
    rows = [
        _build_row(stored, gates, _find_report(reports, stored), confirmed=(stored.domain, stored.record) in confirmed)
        for stored in findings
    ]
    ok = all(row["result"] != DnsResult.BAD for row in rows)
    if as_json:
        print_json({"ok": ok, "records": rows})
    elif rows:
        _print_rows(rows)
    else:
        typer.echo("No warmup mailbox uses a custom domain, so there is nothing to check.")
    if not ok:
        raise typer.Exit(NEEDS_PERSON)


def _find_report(reports: dict[str, list[StoredReport]], stored: StoredFinding) -> StoredReport | None:
    """Return what Google reported about the method that uses a record."""
    return next(
        (report for report in reports.get(stored.domain, []) if report.method.value == stored.record.value), None
    )


def _build_row(
    stored: StoredFinding, gates: dict[str, GatedDomain], report: StoredReport | None, *, confirmed: bool
) -> dict[str, Any]:
    reason = stored.finding.reason
    return {
        "domain": stored.domain,
        "record": stored.record.value,
        "result": stored.finding.result.value,
        "code": stored.finding.code,
        "meaning": reason.message,
        "detail": stored.finding.detail,
        "step": reason.remedy_for(stored.domain),
        "bad_since": stored.bad_since,
        "google": asdict(report) if report else None,
        "confirmed": confirmed,
        "sends": stored.domain not in gates,
    }


def _print_rows(rows: list[dict[str, Any]]) -> None:
    titles = ("domain", "record", "result", "bad since (UTC)", "Google", "last pass (UTC)", "sends", "details")
    cells = [
        (
            row["domain"], row["record"], row["result"], row["bad_since"], (row["google"] or {}).get("result"),
            (row["google"] or {}).get("passed_at"), row["sends"], _describe_row(row),
        )
        for row in rows
    ]  # fmt: skip
    print_table(titles, cells, fold="details")


def _describe_row(row: dict[str, Any]) -> str:
    google = row["google"] or {}
    notes = []
    if row["confirmed"]:
        notes.append("Google reports pass, sending continues.")
    if google.get("failures"):
        notes.append(f"Google: the last {pluralize(google['failures'], 'mail')} did not pass.")
    return " ".join(filter(None, (row["meaning"], row["detail"], *notes, row["step"])))
