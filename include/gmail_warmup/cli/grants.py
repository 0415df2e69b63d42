"""``gmail-warmup grants``: show, refresh and audit grants, and rotate the Fernet keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.arguments import DEFAULT_LIMIT, Address, Limit
from gmail_warmup.cli.output import (
    NEEDS_PERSON,
    JsonOption,
    get_services,
    print_json,
    print_pairs,
    print_table,
    report_errors,
)
from gmail_warmup.cli.progress import show_progress
from gmail_warmup.core.text import pluralize

if TYPE_CHECKING:
    import sqlalchemy as sa

    from gmail_warmup.airflow.services import Services
    from gmail_warmup.audit.report import AuditReport

app = typer.Typer(no_args_is_help=True, help="Show, refresh and audit grants, and rotate the Fernet keys.")


@app.command()
def show(context: typer.Context, address: Address, as_json: JsonOption = False) -> None:
    """Show the grant of a mailbox, without secrets. Exit code 1 if it needs a person."""
    from gmail_warmup.core.enums import FLAGGED_STATES
    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.oauth.reasons import REASONS

    with report_errors():
        services = get_services(context)
        grant = services.grant_store.read_grant(address)
        with read_transaction(services.engine) as connection:
            scopes, granted_at = _load_consent(connection, grant.mailbox_id)
    reason = REASONS.get(grant.reason or "")
    seconds = int(grant.access_seconds)
    values: dict[str, Any] = {
        "mailbox": grant.address,
        "state": grant.state.value,
        "reason": grant.reason,
        "meaning": reason.message if reason else None,
        "step": reason.remedy if reason else None,
        "since": grant.state_since,
        "next_probe_at": grant.next_probe_at,
        "auth": grant.auth.value,
        "client_id": grant.client_id,
        "scopes": scopes,
        "granted_at": granted_at,
        "refreshed_at": grant.refreshed_at,
        "refresh_token": "stored" if grant.refresh_token else "none",
        "refresh_expires_at": grant.refresh_expires_at,
        "access_token": f"valid for {seconds} s" if seconds > 0 else "expired" if grant.access_token else "none",
        "being_refreshed": grant.is_leased,
        "version": grant.version,
    }
    if as_json:
        print_json(values)
    else:
        values["scopes"] = " ".join(scopes)
        print_pairs((name.replace("_", " "), value) for name, value in values.items())
    if grant.state in FLAGGED_STATES:
        raise typer.Exit(NEEDS_PERSON)


def _load_consent(connection: sa.Connection, mailbox_id: int) -> tuple[list[str], Any]:
    import sqlalchemy as sa

    from gmail_warmup.db.models import OAuthGrant

    query = sa.select(OAuthGrant.scopes, OAuthGrant.granted_at).where(OAuthGrant.mailbox_id == mailbox_id)
    row = connection.execute(query).one()
    return row.scopes, row.granted_at


@app.command()
def events(
    context: typer.Context,
    address: Address,
    limit: Limit = DEFAULT_LIMIT,
    as_json: JsonOption = False,
) -> None:
    """Show the history of a mailbox's grant, newest first."""
    import sqlalchemy as sa

    from gmail_warmup.db.engine import read_transaction
    from gmail_warmup.db.models import GrantEvent
    from gmail_warmup.mailboxes import repository

    names = ("at", "actor", "from_state", "to_state", "reason", "dag_id", "run_id")
    with report_errors(), read_transaction(get_services(context).engine) as connection:
        mailbox = repository.get_mailbox(connection, address)
        query = sa.select(*(getattr(GrantEvent, name) for name in names)).where(GrantEvent.mailbox_id == mailbox.id)
        found = connection.execute(query.order_by(GrantEvent.id.desc()).limit(limit)).mappings().all()
    if as_json:
        print_json([dict(event) for event in found])
        return
    rows = [
        (
            event["at"],
            event["from_state"],
            event["to_state"],
            event["reason"],
            event["run_id"] if event["dag_id"] else event["actor"],
        )
        for event in found
    ]
    print_table(("at (UTC)", "from", "to", "reason", "by"), rows, fold="by")


@app.command()
def refresh(context: typer.Context, address: Address, as_json: JsonOption = False) -> None:
    """Request a new access token from Google now. Exit code 1 if the grant needs a person."""
    from gmail_warmup.core.enums import MailboxAuth
    from gmail_warmup.core.errors import CiphertextError, InvalidInputError

    with report_errors():
        services = get_services(context)
        grant = services.grant_store.read_grant(address)
        if grant.auth is MailboxAuth.DELEGATED:
            raise InvalidInputError(f"{grant.address} uses a service account and has no grant.")
        try:
            # Report the stored token as rejected; otherwise it would be returned while it is valid.
            stored = grant.access_token and services.grant_store.cipher.decrypt(grant.secret_owner, grant.access_token)
        except CiphertextError:
            stored = None
        token = services.access_tokens.get_token(grant.address, rejected=stored or None)
    seconds = int(token.seconds)
    if as_json:
        print_json({"mailbox": grant.address, "valid_seconds": seconds})
    else:
        typer.echo(f"Refreshed {grant.address}: its access token is valid for {seconds // 60} minutes.")


@app.command()
def audit(
    context: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="Also probe grants that were refreshed recently.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Probe the grants of all mailboxes. Exit code 1 if a mailbox needs a person."""
    with report_errors():
        report, newly = _run_audit(get_services(context), force=force, as_json=as_json)
    if as_json:
        print_json(report.to_json() | {"newly_flagged": newly})
    else:
        _print_report(report, newly)
    if report.app_error or report.flagged_count:
        raise typer.Exit(NEEDS_PERSON)


def _run_audit(services: Services, *, force: bool, as_json: bool) -> tuple[AuditReport, list[str]]:
    import dataclasses
    import uuid

    import sqlalchemy as sa

    from gmail_warmup.airflow import audit_runner
    from gmail_warmup.audit import decisions
    from gmail_warmup.audit.report import build_report
    from gmail_warmup.db.engine import read_transaction, write_transaction
    from gmail_warmup.db.models import Mailbox

    actor = dataclasses.replace(services.actor, run_id=f"audit-{uuid.uuid4().hex[:12]}")
    running = decisions.begin_audit(services.engine, actor.run_id or "", actor=actor)
    with read_transaction(services.engine) as connection:
        ids = connection.scalars(sa.select(Mailbox.id).order_by(Mailbox.id)).all()
    with show_progress("Probing the grants", as_json=as_json, total=len(ids)) as progress:
        result = audit_runner.run_audit_pass(services, ids, actor=actor, force=force, progress=progress)
    decisions.decide_refusals(services.grant_store, running, result, actor=actor)
    with write_transaction(services.engine) as connection:
        report = build_report(connection, result, expiring_days=services.settings.expiring_days)
        decisions.finish_audit(connection, running, report)
        newly = decisions.list_newly_flagged(connection, running)
    return report, newly


def _print_report(report: AuditReport, newly: list[str]) -> None:
    from gmail_warmup.audit.report_text import format_report

    for line in format_report(report):
        typer.echo(line)
    typer.echo(f"\nNewly flagged: {pluralize(len(newly), 'mailbox')}." if newly else "\nNo mailbox was newly flagged.")


@app.command()
def rotate(context: typer.Context, as_json: JsonOption = False) -> None:
    """Re-encrypt every stored secret with the newest Fernet key, the first in AIRFLOW__CORE__FERNET_KEY.

    First configure the new key in front of the former ones for every process, then run this command; no downtime is
    needed. It can be stopped and run again. Remove the former keys only if nothing is unreadable. Exit code 1 if
    a secret is unreadable.
    """
    from gmail_warmup.crypto import key_rotation as rotation

    with report_errors():
        # Imported here: Airflow configures its log on import, which must not be written to stdout.
        from gmail_warmup.airflow.encryption import load_fernet_keys

        services = get_services(context)
        keys = load_fernet_keys()
        total = rotation.count_rows(services.engine)
        with show_progress("Re-encrypting", as_json=as_json, total=total) as progress:
            done = rotation.rotate_keys(services.engine, keys, actor=services.actor.name, progress=progress)
    if as_json:
        found = {"rotated": done.rotated, "already_new": done.already_new, "unreadable": done.unreadable}
        print_json(found | {"unsettled": done.unsettled, "keys": keys.count})
    else:
        unreadable = len(done.unreadable)
        typer.echo(f"{done.rotated} rotated, {done.already_new} already under the newest key, {unreadable} unreadable.")
        for address in done.unreadable:
            typer.echo(f"{address}: no configured key decrypts its secrets. Append its key, or re-authenticate.")
        for address in done.unsettled:
            typer.echo(f"{address}: changed during the rotation. Run this command again.")
    if done.unreadable or done.unsettled:
        raise typer.Exit(NEEDS_PERSON)
