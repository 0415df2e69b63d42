"""Checks on this installation: configuration, database, what Airflow has to have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from gmail_warmup import db
from gmail_warmup.airflow import services
from gmail_warmup.airflow.bootstrap import POOL
from gmail_warmup.core.errors import ConfigurationError, EncryptionKeyError
from gmail_warmup.crypto.cipher import load_airflow_cipher
from gmail_warmup.db import clock
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.warmup.ledger import history

MAX_SKEW_SECONDS = 60
"""Seconds by which two clocks may differ."""
MAX_DELAY_DAYS = 7
"""Days by which the daily upkeep may be late."""


def check_settings(ground: DoctorContext) -> CheckOutcome:
    """Read [gmail_warmup]."""
    changed = ground.services.settings.model_fields_set
    return Status.OK, f"Valid; {len(changed)} set." if changed else "Valid; all at their defaults."


def check_fernet_key(ground: DoctorContext) -> CheckOutcome:
    """Build the cipher."""
    load_airflow_cipher()
    return Status.OK, "AIRFLOW__CORE__FERNET_KEY is set and valid."


def check_database(ground: DoctorContext) -> CheckOutcome:
    """Reach the schema with the restricted role."""
    try:
        ground.services.check_installation()
    except EncryptionKeyError:  # reached, but under another key: the check of the stored secrets says more
        pass
    return Status.OK, f"Reached: {ground.services.engine.url.render_as_string(hide_password=True)}"


def check_schema(ground: DoctorContext) -> CheckOutcome:
    """Compare the newest migration with the database's revision."""
    from alembic.script import ScriptDirectory

    from gmail_warmup.db.manager import VERSION_TABLE

    newest = ScriptDirectory(str(Path(next(iter(db.__path__))) / "migrations")).get_current_head()
    revision = sa.table(VERSION_TABLE, sa.column("version_num"), schema="public")
    present = ground.query_airflow(sa.select(revision.c.version_num))
    if present is None:
        return Status.WARNING, "Could not tell: this process may not read the revision.", "Run: airflow db migrate"
    if present != newest:
        return Status.PROBLEM, f"At revision {present}, the newest is {newest}.", "Run: airflow db migrate"
    return Status.OK, f"At the newest revision, {newest}."


def check_role(ground: DoctorContext) -> CheckOutcome:
    """Make sure that the role can do nothing else in Airflow's database."""
    ((name, is_super),) = ground.fetch_rows(
        sa.text("SELECT rolname, rolsuper FROM pg_roles WHERE rolname = current_user")
    )
    step = "Run: gmail-warmup init"
    if is_super:
        return Status.PROBLEM, f"{name} is a superuser.", step
    readable = ground.fetch_rows(sa.text(
        "SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
        " AND c.relname = 'connection' AND has_any_column_privilege(c.oid, 'SELECT')"
    ))  # fmt: skip
    if readable:
        return Status.PROBLEM, f"{name} can read Airflow's Connections.", step
    return Status.OK, f"{name} is restricted."


def check_database_clock(ground: DoctorContext) -> CheckOutcome:
    """Compare this machine's clock with the database's."""
    ((there,),) = ground.fetch_rows(sa.text("SELECT clock_timestamp()"))
    return compare_clocks("the database's", there)


def compare_clocks(whose: str, there: datetime) -> CheckOutcome:
    """Compare this machine's clock with another one."""
    seconds = abs((datetime.now(UTC) - there).total_seconds())
    if seconds > MAX_SKEW_SECONDS:
        return Status.WARNING, f"This machine's clock and {whose} differ by {seconds:.0f} s.", "Let NTP set the clock."
    return Status.OK, f"Agrees with {whose} within {MAX_SKEW_SECONDS} s."


def check_maintenance(ground: DoctorContext) -> CheckOutcome:
    """Look whether mails that are done with leave the ledger."""
    settings = ground.services.settings
    with ground.services.engine.connect() as connection:
        now = clock.get_current_time(connection)
        late = history.count_overdue(connection, until=now - timedelta(days=settings.ledger_days + MAX_DELAY_DAYS))
    if late:
        found = f"Mails that are done with since more than {MAX_DELAY_DAYS} days are still in the ledger."
        return Status.WARNING, found, "Turn the DAG gmail_token_health on, or run: gmail-warmup upkeep"
    return Status.OK, "What is done with leaves the ledger."


def check_pool(ground: DoctorContext) -> CheckOutcome:
    """Look for the pool of the warmup's tasks."""
    query = sa.text("SELECT coalesce(max(slots), 0) FROM public.slot_pool WHERE pool = :pool").bindparams(pool=POOL)
    found = ground.query_airflow(query)
    if found is None:
        step = f"Look with: airflow pools get {POOL}"
        return Status.WARNING, f"Could not tell whether the pool {POOL} exists.", step
    if not found:
        step = "Run: gmail-warmup init"
        return Status.PROBLEM, f"The pool {POOL} is missing; its tasks would wait for ever.", step
    wanted = ground.services.settings.max_active_tasks
    if 0 < found < wanted:
        step = f"Run: airflow pools set {POOL} {wanted} 'Mailboxes worked in at once'"
        return Status.WARNING, f"The pool {POOL} has {found} slots, fewer than max_active_tasks ({wanted}).", step
    return Status.OK, f"{POOL} exists."


def check_alert_connection(ground: DoctorContext) -> CheckOutcome:
    """Look for the Connection through which alerts are sent."""
    conn_id = getattr(ground.services.settings, "alert_conn_id", "gmail_warmup_alerts")
    try:
        found = services.get_airflow_connection(conn_id, "alerts")
    except ConfigurationError:
        step = f"To have them sent, make the Airflow Connection '{conn_id}'."
        return Status.OK, "Alerts go to the log and the page only.", step
    return Status.OK, f"Alerts go to the log, the page and the Connection '{conn_id}' ({found.conn_type})."
