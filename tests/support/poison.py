"""Values that break a rule, in every column that can be set from outside: by page, API, command, file or Google."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from gmail_warmup.db.models import Base

SETTABLE: dict[str, str] = {
    "alert": "title body audience failure",
    "alert_item": "",
    "asset_flag": "",
    "audit": "run_id actor report",
    "breaker": "client_id reason cooldown_until",
    "canary": "",
    "change_log": "actor source action subject_kind subject before after",
    "consent": "purpose address mailbox_settings code_verifier airflow_user browser_hash expires_at outcome "
    "client_conn_id actual_address kept_result kept_until",
    "domain_authentication": "domain method result",
    "dag_heartbeat": "",
    "domain_check": "domain record result code detail bad_code",
    "domain_day": "",
    "domain_volume": "",
    "grant_day": "",
    "grant_event": "actor from_state to_state reason dag_id run_id",
    "halt": "started_by reason ended_by",
    "health_event": "actor from_band to_band reason",
    "incident": "kind key reason detail",
    "invite": "created_by expires_at revoked_by",
    "ledger": "subject failure draft_id gmail_id thread_id rfc_message_id placement recipient_gmail_id "
    "recipient_thread_id bounce_status bounce_kind bounce_text notice_ids spf_result dkim_result dmarc_result "
    "language",
    "ledger_history": "",
    "mailbox": "address kind auth display_name signature language owner_email daily_target open_rate reply_rate "
    "sending_window sending_days holidays days_off ramp ramp_start ramp_step ramp_cap maintenance_percent rescue_rate "
    "important_rate star_rate paused_until timezone label_id label_name history_id read_notice_ids created_by "
    "paused_by pause_reason deferred_until deferred_reason gmail_retry_at band band_reason sent_24h",
    "mailbox_authentication": "method result",
    "mailbox_day": "reduction_reason",
    "mailbox_failure": "reason detail",
    "mailbox_readiness": "reason",
    "mailbox_removal": "requested_by problem trash_outcome revoke_outcome receipt",
    "mailbox_tag": "tag",
    "oauth_client": "conn_id client_id user_limit tags",
    "oauth_client_user": "client_id",
    "oauth_grant": "client_id refresh_token refresh_expires_at access_token access_expires_at scopes state reason "
    "refused_by next_probe_at granted_at",
    "owner_mail": "owner_email",
    "plan_basis": "",
    "repair": "airflow_user outcome detail client_conn_id",
    "tag_schedule": "tag changed_by sending_window sending_days holidays days_off ramp ramp_start ramp_step ramp_cap "
    "maintenance_percent open_rate reply_rate rescue_rate important_rate star_rate language",
    "webhook_delivery": "receiver failure",
    "webhook_event": "message_id type previous_state state reason detail address",
    "webhook_receiver": "conn_id events problem",
    "report_link": "scope_name created_by expires_at revoked_by",
}
"""The columns that take a value from outside, or a code that another version may have stored."""

INTERNAL: dict[str, str] = {
    "alert": "id created_at kind sent_at attempts next_try_at given_up_at",
    "alert_item": "event_id mailbox_id incident_id alert_id",
    "asset_flag": "mailbox_id reported_at",
    "audit": "id started_at finished_at healthy",
    "breaker": "failed_mailbox_ids opened_at cooldown_seconds probe_until succeeded_at pace pace_limited pace_at",
    "canary": "id ciphertext",
    "change_log": "id at mailbox_id",
    "consent": "id state_hash mailbox_id invite_id created_at used_at",
    "domain_authentication": "is_aligned seen_at passed_at failures",
    "dag_heartbeat": "dag_id step succeeded_at steady_since",
    "domain_check": "checked_at bad_since bad_seen_at",
    "domain_day": "id domain timezone local_date ramp planned claimed sent failed inbox spam elsewhere missing rescued "
    "read replied bounced rejected",
    "domain_volume": "domain counted_at senders receivers planned largest_plan target largest_target "
    "ready warming resting not_ready cold_mails",
    "grant_day": "domain day kind state mailboxes",
    "grant_event": "id mailbox_id at",
    "halt": "id started_at ended_at",
    "health_event": "id mailbox_id at placed spam bounced rejected is_alertable alert_id",
    "incident": "id opened_at closed_at opened_alert_id closed_alert_id",
    "invite": "id token_hash mailbox_id created_at used_at revoked_at",
    "ledger": "id token sender_id recipient_id parent_id turn local_date slot due_at status claimed_at sent_at "
    "locate_due_at placed_at rescue_due_at rescued_at read_due_at read_at important starred mark_due_at marked_at "
    "reply_due_at replied_at collected_at bounced_at auto_replied_at trash_due_at sender_trashed_at "
    "recipient_trashed_at stray_draft_due_at spf_aligned dkim_aligned text_hash",
    "mailbox": "id domain identity duplicate_number notices_due_at created_at paused_at resumed_at warmup_days "
    "mails_placed mails_opened mails_answered next_send_at last_received_claim_at band_since health_window_start "
    "half_volume_on sent_24h_at lease_holder lease_until",
    "mailbox_authentication": "mailbox_id is_aligned seen_at passed_at failures",
    "mailbox_failure": "mailbox_id since last_at failures not_working_at ended_at alert_id",
    "mailbox_readiness": "mailbox_id state since local_date cold_mails cold_mails_before",
    "mailbox_removal": "id mailbox_id requested_at revoke_grant trash_mail step next_try_at trashed trashed_until "
    "finished_at",
    "mailbox_tag": "mailbox_id",
    "mailbox_day": "mailbox_id local_date ramp planned claimed sent failed inbox spam elsewhere missing rescued read "
    "replied bounced rejected",
    "oauth_client": "added_at retired_at",
    "oauth_client_user": "id mailbox_id",
    "oauth_grant": "mailbox_id state_since refreshed_at expiring_at version incident_id lease_holder lease_until",
    "owner_mail": "mailbox_id flagged_at mails attempts first_sent_at sent_at next_at",
    "plan_basis": "id settings",
    "repair": "mailbox_id position consent_id",
    "tag_schedule": "changed_at",
    "webhook_delivery": "id event_id mailbox_id created_at sent_at attempts next_try_at given_up_at",
    "webhook_event": "id mailbox_id at dispatched_at",
    "webhook_receiver": "",
    "report_link": "id token_hash scope_kind week created_at revoked_at",
}
"""The columns that only the code of this version writes, from its own numbers and the clock of the database."""
INTERNAL["ledger_history"] = f"{SETTABLE['ledger']} {INTERNAL['ledger']}"  # rows are moved there as they are

_TEXTS = ("''", r"E'\u2028'", r"E'a\u0085b'", r"E'\u202eab'", "repeat('x', 3000)", "'{}'", "'infinity'", "'%s {0}'")
_CODES = ("'unknown'", "''", r"E'\u2028'")
_TIMES = (
    "'infinity'", "'-infinity'", "'0001-01-01 00:00+00'", "'0044-03-15 00:00+00 BC'", "'9999-12-31 23:59+00'",
    "'294276-12-31 23:59+00'",
)  # fmt: skip
_DATES = ("'infinity'", "'-infinity'", "'0001-01-01'", "'0044-03-15 BC'", "'5874897-12-31'")
_ARRAYS = (
    "'{}'", "'{NULL}'", "'{{a,b},{c,d}}'", "'{\"\"}'", "array_fill('x'::text, ARRAY[3000])", r"ARRAY[E'\u2028']",
)  # fmt: skip
_DOCUMENTS = (
    "'null'", "'[]'", "'\"text\"'", "'1e300'", '\'{"mailboxes": "many", "domains": {"a.example": "many"}}\'',
    '\'{"attention": [{"x": 1}], "unknown": 5, "valid": "many", "incidents": "text"}\'',
)  # fmt: skip
_TOKENS = ("''", "'not a ciphertext'", r"E'gAAAAAB\u2028'", "repeat('g', 3000)")
_SPECIAL = {
    "mailbox.timezone": (
        "'localtime'", "'Mars/Phobos'", "'../../etc/passwd'", "'UTC+25'", "' '", "''", r"E'Europe/Berlin\u2028'",
        "'posixrules'",
    ),
    "mailbox.address": (
        "'no-at-sign'", "'two@at@bad.example'", "'@bad.example'", "'who@'", "'who@-bad-.example'",
        "'who@' || repeat('x', 300) || '.example'", "'who@' || 'bad..example'", r"E'\u2028@bad.example'",
        "'Upper@bad.example'",
    ),
    "oauth_grant.refresh_token": _TOKENS,
    "oauth_grant.access_token": _TOKENS,
    "consent.code_verifier": _TOKENS,
}  # fmt: skip
_CODE_COLUMNS = frozenset(
    ("kind", "auth", "band", "refused_by", "state", "purpose", "record", "result", "code", "bad_code",
     "from_state", "to_state", "previous_state", "from_band", "to_band", "reason", "band_reason", "deferred_reason",
     "reduction_reason", "placement", "outcome", "method", "spf_result", "dkim_result", "dmarc_result")
)  # fmt: skip
_UNIQUE = frozenset(
    (
        "audit.run_id",
        "breaker.client_id",
        "domain_check.domain",
        "domain_authentication.domain",
        "incident.key",
        "tag_schedule.tag",
        "webhook_event.message_id",
        "webhook_receiver.conn_id",
    )
)


@dataclass(frozen=True, kw_only=True)
class Poison:
    """A value that breaks a rule, as SQL, and where it is stored."""

    table: str
    column: str
    value: str


def settable_columns() -> list[tuple[str, str]]:
    """Return table and column of everything that can be set from outside."""
    return [(table, column) for table, columns in SETTABLE.items() for column in columns.split()]


def poisons(table: str, column: str) -> Iterator[Poison]:
    """Yield the values for a column, by its name or its type."""
    kind = Base.metadata.tables[f"gmail_warmup.{table}"].c[column].type
    for number, value in enumerate(_SPECIAL.get(f"{table}.{column}") or _values_of(kind, column)):
        distinct = f"{value} || '{number}'" if f"{table}.{column}" in _UNIQUE else value
        yield Poison(table=table, column=column, value=distinct)


def _values_of(kind: sa.types.TypeEngine[object], column: str) -> tuple[str, ...]:
    if column in _CODE_COLUMNS:
        return _CODES
    if isinstance(kind, sa.Date):
        return _DATES
    if isinstance(kind, sa.DateTime):
        return _TIMES
    if isinstance(kind, ARRAY):
        return _ARRAYS
    if isinstance(kind, JSONB):
        return _DOCUMENTS
    if isinstance(kind, sa.SmallInteger):
        return ("-32768", "-1", "0", "32767")
    if isinstance(kind, sa.Integer):
        return ("-2147483648", "-1", "2147483647")
    assert isinstance(kind, sa.Text), f"{column}: there are no values of this type yet"
    return _TEXTS
