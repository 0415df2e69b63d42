"""Checks of this installation: configuration, database, and what Airflow has to provide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from gmail_warmup import db
from gmail_warmup.airflow.bootstrap import POOL
from gmail_warmup.airflow.connections import (
    INSTALL_DELEGATION,
    get_connection,
    has_impersonation_chain,
    is_delegation_installed,
)
from gmail_warmup.airflow.encryption import load_cipher
from gmail_warmup.core.enums import DagId, MailboxAuth
from gmail_warmup.core.errors import ConfigurationError, EncryptionKeyError
from gmail_warmup.core.text import pluralize
from gmail_warmup.db import clock
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.models import Mailbox
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.warmup.ledger import history

MAX_SKEW_SECONDS = 60
"""Maximum difference between two clocks."""
MAX_DELAY_DAYS = 7
"""Maximum delay of the daily maintenance."""


def check_settings(context: DoctorContext) -> CheckOutcome:
    """Check the section [gmail_warmup]."""
    changed = context.services.settings.model_fields_set
    return (
        Status.OK,
        f"Valid; {len(changed)} set." if changed else "Valid; all at their defaults.",
    )


def check_fernet_key(context: DoctorContext) -> CheckOutcome:
    """Check the Fernet key."""
    load_cipher()
    return Status.OK, "AIRFLOW__CORE__FERNET_KEY is set and valid."


def check_database(context: DoctorContext) -> CheckOutcome:
    """Connect to the schema with the restricted role."""
    try:
        context.services.check_installation()
    except EncryptionKeyError:  # reachable, but with another key; the check of the stored secrets reports it
        pass
    return Status.OK, f"Connected: {context.services.engine.url.render_as_string(hide_password=True)}"


def check_schema(context: DoctorContext) -> CheckOutcome:
    """Compare the newest migration with the revision of the database."""
    from alembic.script import ScriptDirectory

    from gmail_warmup.db.manager import VERSION_TABLE

    newest = ScriptDirectory(str(Path(next(iter(db.__path__))) / "migrations")).get_current_head()
    revision = sa.table(VERSION_TABLE, sa.column("version_num"), schema="public")
    present = context.query_airflow(sa.select(revision.c.version_num))
    if present is None:
        return Status.WARNING, "Unknown: this process may not read the revision.", "Run: airflow db migrate"
    if present != newest:
        return Status.PROBLEM, f"At revision {present}; the newest is {newest}.", "Run: airflow db migrate"
    return Status.OK, f"At the newest revision, {newest}."


def check_role(context: DoctorContext) -> CheckOutcome:
    """Check that the role has no other privileges in Airflow's database."""
    ((name, is_super),) = context.fetch_rows(
        sa.text("SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user")
    )
    step = "Run: gmail-warmup init"
    if is_super:
        return Status.PROBLEM, f"{name} is a superuser.", step
    readable = context.fetch_rows(sa.text(
        "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
        " AND c.relname = 'connection' AND has_any_column_privilege(c.oid, 'SELECT')"
    ))  # fmt: skip
    if readable:
        return Status.PROBLEM, f"{name} can read Airflow's Connections.", step
    return Status.OK, f"{name} is restricted."


def check_database_clock(context: DoctorContext) -> CheckOutcome:
    """Compare this machine's clock with the clock of the database."""
    (row,) = context.fetch_rows(sa.text("SELECT clock_timestamp() AS now"))
    return compare_clocks("the database's", row.now)


def compare_clocks(owner: str, now: datetime) -> CheckOutcome:
    """Compare this machine's clock with another one."""
    seconds = abs((datetime.now(UTC) - now).total_seconds())
    if seconds > MAX_SKEW_SECONDS:
        return (
            Status.WARNING,
            f"This machine's clock and {owner} differ by {seconds:.0f} s.",
            "Synchronize the clock by NTP.",
        )
    return Status.OK, f"Agrees with {owner} within {MAX_SKEW_SECONDS} s."


def check_maintenance(context: DoctorContext) -> CheckOutcome:
    """Check that finished mail is moved from the ledger to its history."""
    settings = context.services.settings
    with read_transaction(context.services.engine) as connection:
        now = clock.get_current_time(connection)
        late = history.count_overdue(connection, until=now - timedelta(days=settings.ledger_days + MAX_DELAY_DAYS))
    if late:
        finding = f"Mail that was finished more than {MAX_DELAY_DAYS} days ago is still in the ledger."
        return Status.WARNING, finding, "Unpause the DAG gmail_token_health, or run: gmail-warmup upkeep"
    return Status.OK, "Finished mail is moved to the history."


def check_pool(context: DoctorContext) -> CheckOutcome:
    """Check the Airflow pool of the warmup tasks."""
    query = sa.text("SELECT coalesce(max(slots), 0) FROM public.slot_pool WHERE pool = :pool").bindparams(pool=POOL)
    slots = context.query_airflow(query)
    if slots is None:
        step = f"Run: airflow pools get {POOL}"
        return Status.WARNING, f"Unknown: this process may not read whether the pool {POOL} exists.", step
    if not slots:
        step = "Run: gmail-warmup init"
        return Status.PROBLEM, f"The pool {POOL} is missing; its tasks stay queued indefinitely.", step
    needed = context.services.settings.max_active_tasks
    if 0 < slots < needed:
        step = f"Run: airflow pools set {POOL} {needed} 'Mailboxes processed in parallel'"
        return Status.WARNING, f"The pool {POOL} has {slots} slots, fewer than max_active_tasks ({needed}).", step
    return Status.OK, f"{POOL} exists."


def check_dags(context: DoctorContext) -> CheckOutcome:
    """Check that Airflow knows all DAGs and runs them."""
    query = sa.text(
        "SELECT coalesce(jsonb_object_agg(dag_id, is_paused), '{}') FROM public.dag"
        " WHERE NOT is_stale AND dag_id IN :ids"
    ).bindparams(sa.bindparam("ids", list(DagId), expanding=True))
    known = context.query_airflow(query)
    if known is None:
        return Status.WARNING, "Unknown: this process may not read Airflow's DAGs.", "Run: airflow dags list"
    if unknown := [dag_id for dag_id in DagId if dag_id not in known]:
        step = "Add the package's DAG bundle to [dag_processor] dag_bundle_config_list; see docs/going-live.md."
        return Status.PROBLEM, f"Airflow does not know {', '.join(unknown)}.", step
    if paused := [dag_id for dag_id in DagId if known[dag_id]]:
        step = "Run: " + " && ".join(f"airflow dags unpause {dag_id}" for dag_id in paused)
        return Status.WARNING, f"Paused: {', '.join(paused)}.", step
    return Status.OK, f"{', '.join(DagId)} are not paused."


def check_delegation(context: DoctorContext) -> CheckOutcome:
    """Check that what delegated mailboxes need is installed."""
    query = sa.select(sa.func.count()).select_from(Mailbox).where(Mailbox.auth == MailboxAuth.DELEGATED)
    ((number,),) = context.fetch_rows(query)
    conn_id = context.services.settings.google_conn_id
    if number and not is_delegation_installed() and not has_impersonation_chain(conn_id):
        finding = f"{pluralize(number, 'delegated mailbox')}, but Airflow's Google provider is not installed."
        return Status.PROBLEM, finding, INSTALL_DELEGATION
    return Status.OK, "Installed." if number else "No mailbox is delegated."


def check_alert_connection(context: DoctorContext) -> CheckOutcome:
    """Check the Connection for alerts."""
    conn_id = getattr(context.services.settings, "alert_conn_id", "gmail_warmup_alerts")
    try:
        connection = get_connection(conn_id, "alerts")
    except ConfigurationError:
        step = f"To send them, create the Airflow Connection '{conn_id}'."
        return Status.OK, "Alerts are only written to the log and the page.", step
    return (
        Status.OK,
        f"Alerts are sent through the Connection '{conn_id}' ({connection.conn_type}), and to the log and the page.",
    )
