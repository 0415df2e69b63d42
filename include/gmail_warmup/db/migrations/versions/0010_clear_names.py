"""columns and functions with names that say what they hold

Revision: 0010
Follows: 0009
"""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COLUMNS = (
    ("mailbox", "chosen_at", "last_received_claim_at"),
    ("mailbox", "health_from", "health_window_start"),
    ("mailbox", "halved_on", "half_volume_on"),
    ("mailbox", "sent_lately", "sent_24h"),
    ("mailbox", "sent_lately_at", "sent_24h_at"),
    ("mailbox_day", "lowered_by", "reduction_reason"),
    ("oauth_grant", "since", "state_since"),
    ("health_event", "told", "is_alertable"),
    ("breaker", "quiet_until", "cooldown_until"),
    ("breaker", "quiet_seconds", "cooldown_seconds"),
)
_INDEXES = (
    ("ix_mailbox_chosen_at_id", "ix_mailbox_last_received_claim_at_id"),
    ("ix_oauth_grant_since", "ix_oauth_grant_state_since"),
    ("ix_health_event_untold", "ix_health_event_unreported"),
    ("ix_alert_item_untold", "ix_alert_item_unreported"),
)
_FUNCTIONS = (
    ("mail_waits(gmail_warmup.ledger)", "mail_waits", "mail_is_pending"),
    ("forget_mails()", "forget_mails", "delete_mailbox_history"),
)
# PostgreSQL keeps the body of a function as text, so a renamed column or function is replaced in it.
_BODIES = (
    ("move_mails(bigint, timestamptz, integer)", "gmail_warmup.mail_waits", "gmail_warmup.mail_is_pending"),
    ("remove_old(timestamptz, integer)", "e.told", "e.is_alertable"),
)


def _replace_in_body(function: str, old: str, new: str) -> None:
    definition = f"pg_get_functiondef('gmail_warmup.{function}'::regprocedure)"
    op.execute(f"DO $do$ BEGIN EXECUTE replace({definition}, '{old}', '{new}'); END $do$")


def upgrade() -> None:
    for table, old, new in _COLUMNS:
        op.execute(f"ALTER TABLE gmail_warmup.{table} RENAME COLUMN {old} TO {new}")
    for old, new in _INDEXES:
        op.execute(f"ALTER INDEX gmail_warmup.{old} RENAME TO {new}")
    for signature, _, new in _FUNCTIONS:
        op.execute(f"ALTER FUNCTION gmail_warmup.{signature} RENAME TO {new}")
    op.execute("ALTER TRIGGER forget_mails ON gmail_warmup.mailbox RENAME TO delete_mailbox_history")
    for function, old, new in _BODIES:
        _replace_in_body(function, old, new)


def downgrade() -> None:
    for function, old, new in _BODIES:
        _replace_in_body(function, new, old)
    op.execute("ALTER TRIGGER delete_mailbox_history ON gmail_warmup.mailbox RENAME TO forget_mails")
    for signature, old, new in _FUNCTIONS:
        op.execute(f"ALTER FUNCTION gmail_warmup.{signature.replace(old, new)} RENAME TO {old}")
    for old, new in _INDEXES:
        op.execute(f"ALTER INDEX gmail_warmup.{new} RENAME TO {old}")
    for table, old, new in _COLUMNS:
        op.execute(f"ALTER TABLE gmail_warmup.{table} RENAME COLUMN {new} TO {old}")
