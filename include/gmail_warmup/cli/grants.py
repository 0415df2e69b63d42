"""``gmail-warmup grants``: look at grants, refresh and audit them, rotate the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmail_warmup.cli.mailboxes import Address
from gmail_warmup.cli.output import (
    NEEDS_PERSON,
    JsonOption,
    get_services,
    make_console,
    print_json,
    print_pairs,
    print_table,
    report_errors,
)

if TYPE_CHECKING:
    import sqlalchemy as sa

    from gmail_warmup.airflow.services import Services
    from gmail_warmup.audit.report import TokenHealth

app = typer.Typer(no_args_is_help=True, help="Look at grants, refresh and audit them, rotate the keys.")


@app.command()
def show(context: typer.Context, address: Address, as_json: JsonOption = False) -> None:
    """Show what is known about a mailbox's grant, without its secrets. Exit code 1 if it needs a person."""
    from gmail_warmup.core.enums import FLAGGED_STATES
    from gmail_warmup.oauth.reasons import REASONS

    with report_errors():
        services = get_services(context)
        grant = services.grant_store.read_grant(address.strip().lower())
        with services.engine.connect() as connection:
            scopes, granted_at = _load_consent(connection, grant.mailbox_id)
    reason = REASONS.get(grant.reason or "")
    seconds = int(grant.access_seconds)
    known: dict[str, Any] = {
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
        print_json(known)
    else:
        known["scopes"] = " ".join(scopes)
        print_pairs((name.replace("_", " "), value) for name, value in known.items())
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
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show the history of a mailbox's grant, the newest first."""
    import sqlalchemy as sa

    from gmail_warmup.db.models import GrantEvent
    from gmail_warmup.mailboxes import repository

    names = ("at", "actor", "from_state", "to_state", "reason", "dag_id", "run_id")
    with report_errors(), get_services(context).engine.connect() as connection:
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
    """Ask Google for a new access token now. Exit code 1 if the grant needs a person."""
    from gmail_warmup.core.enums import MailboxAuth
    from gmail_warmup.core.errors import CiphertextError, InvalidInputError

    with report_errors():
        services = get_services(context)
        grant = services.grant_store.read_grant(address.strip().lower())
        if grant.auth is MailboxAuth.DELEGATED:
            raise InvalidInputError(f"{grant.address} is delegated: the service account serves it, there is no grant.")
        try:
            # What is stored counts as rejected; else it would be served while it is valid.
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
    force: Annotated[bool, typer.Option("--force", help="Ask also about grants that were refreshed lately.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Probe the grants of all mailboxes. Exit code 1 if somebody needs a person."""
    with report_errors():
        health, newly = _run_audit(get_services(context), force=force)
    if as_json:
        print_json(health.as_dict() | {"newly_flagged": newly})
    else:
        _print_health(health, newly)
    if health.app_error or health.needs_reauth + health.blocked + health.deleted + health.disabled:
        raise typer.Exit(NEEDS_PERSON)


def _run_audit(services: Services, *, force: bool) -> tuple[TokenHealth, list[str]]:
    import dataclasses
    import uuid

    import sqlalchemy as sa

    from gmail_warmup.airflow import audit_runner
    from gmail_warmup.audit import decisions
    from gmail_warmup.audit.report import build_token_health
    from gmail_warmup.db.models import Mailbox

    actor = dataclasses.replace(services.actor, run_id=f"audit-{uuid.uuid4().hex[:12]}")
    running = decisions.begin_audit(services.engine, actor.run_id or "", actor=actor)
    with services.engine.connect() as connection:
        ids = connection.scalars(sa.select(Mailbox.id).order_by(Mailbox.id)).all()
    result = audit_runner.run_audit_pass(services, ids, actor=actor, force=force)
    unreadable = result.counts["unreadable"]
    decisions.decide_refusals(
        services.grant_store, running, app_error=result.app_error, unreadable=unreadable, actor=actor
    )
    with services.engine.begin() as connection:
        health = build_token_health(connection, result.as_dict(), expiring_days=services.settings.expiring_days)
        decisions.finish_audit(connection, running, health.as_dict())
        newly = decisions.list_newly_flagged(connection, running)
    return health, newly


def _print_health(health: TokenHealth, newly: list[str]) -> None:
    counts = {name: value for name, value in health.as_dict().items() if isinstance(value, int)}
    print_pairs((name.replace("_", " "), value) for name, value in counts.items())
    typer.echo(f"\n{len(newly)} newly need a person." if newly else "\nNobody newly needs a person.")
    if health.attention:
        rows = [(item["address"], item["state"], f"{item['reason']} {item['step']}") for item in health.attention]
        print_table(("mailbox", "grant", "what happened, what to do"), rows, fold="what happened, what to do")
    for line in health.format_lines()[1:]:
        if not any(line.startswith(item["address"] + " ") for item in health.attention):
            typer.echo(line)


@app.command()
def rotate(context: typer.Context, as_json: JsonOption = False) -> None:
    """Re-encrypt every stored secret with the newest Fernet key, the first in AIRFLOW__CORE__FERNET_KEY.

    First give every process the new key with the former ones behind it, then run this, while everything works. It may
    be stopped and run again. When nothing is left unreadable, the former keys can go. Exit code 1 if something is.
    """
    from rich.progress import Progress

    from gmail_warmup.crypto import key_rotation as rotation
    from gmail_warmup.crypto.fernet_keys import load_airflow_keys

    with report_errors():
        services = get_services(context)
        keys = load_airflow_keys()
        screen = make_console(stderr=True)
        with Progress(console=screen, transient=True, disable=as_json or not screen.is_terminal) as bar:
            task = bar.add_task("Re-encrypting", total=rotation.count_rows(services.engine))
            done = rotation.rotate_keys(services.engine, keys, progress=lambda rows: bar.update(task, completed=rows))
    if as_json:
        found = {"rotated": done.rotated, "already_new": done.already_new, "unreadable": done.unreadable}
        print_json(found | {"unsettled": done.unsettled, "keys": keys.count})
    else:
        unreadable = len(done.unreadable)
        typer.echo(f"{done.rotated} rotated, {done.already_new} already new, {unreadable} unreadable.")
        for address in done.unreadable:
            typer.echo(f"{address}: no key fits; left as it is. Add its key behind the others, or sign in again.")
        for address in done.unsettled:
            typer.echo(f"{address}: changed all the while; run this again.")
    if done.unreadable or done.unsettled:
        raise typer.Exit(NEEDS_PERSON)
