"""webhooks: receivers, events, deliveries, and the triggers that record events; when an alert was given up

Revision: 0029
Follows: 0028
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TYPES = (
    "mailbox.needs_reauth", "mailbox.recovered", "mailbox.expiring", "mailbox.not_working", "mailbox.health_changed",
    "mailbox.ready", "mailbox.not_ready", "mailbox.removed", "webhook.test",
)  # fmt: skip
_FLAGGED = "'account_deleted', 'blocked_by_admin', 'disabled', 'needs_reauth'"
_RECORD_WEBHOOK_EVENT = f"""
CREATE OR REPLACE FUNCTION gmail_warmup.record_webhook_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    event gmail_warmup.webhook_event;
BEGIN
    event.at := now();
    event.detail := '{{}}';
    IF TG_TABLE_NAME = 'mailbox' THEN
        UPDATE gmail_warmup.webhook_event e SET address = OLD.address
        WHERE e.mailbox_id = OLD.id AND (e.dispatched_at IS NULL OR EXISTS (
            SELECT FROM gmail_warmup.webhook_delivery d
            WHERE d.event_id = e.id AND d.sent_at IS NULL AND d.given_up_at IS NULL
        ));
    END IF;
    IF NOT EXISTS (SELECT FROM gmail_warmup.webhook_receiver) THEN
        RETURN NULL;
    END IF;
    CASE TG_TABLE_NAME
    WHEN 'mailbox' THEN
        event.type := 'mailbox.removed';
        event.mailbox_id := OLD.id;
        event.address := OLD.address;
        event.state := 'removed';
        event.reason := 'removed';
    WHEN 'grant_event' THEN
        IF NEW.to_state IN ({_FLAGGED}) THEN
            event.type := 'mailbox.needs_reauth';
        ELSIF NEW.to_state = 'active' AND NEW.from_state IN ({_FLAGGED}) AND NOT EXISTS (
            SELECT FROM (
                SELECT e.from_state FROM gmail_warmup.grant_event e
                WHERE e.mailbox_id = NEW.mailbox_id AND e.id < NEW.id ORDER BY e.id DESC LIMIT 1
            ) previous WHERE previous.from_state IS NULL
        ) THEN
            event.type := 'mailbox.recovered';
        END IF;
        event.mailbox_id := NEW.mailbox_id;
        event.at := NEW.at;
        event.previous_state := NEW.from_state;
        event.state := NEW.to_state;
        event.reason := NEW.reason;
    WHEN 'oauth_grant' THEN
        event.type := 'mailbox.expiring';
        event.mailbox_id := NEW.mailbox_id;
        event.previous_state := NEW.state;
        event.state := NEW.state;
        event.reason := CASE WHEN NEW.expiring_at = NEW.refresh_expires_at THEN 'expiry_announced' ELSE 'not_used' END;
        event.detail := jsonb_build_object('expires_at', NEW.expiring_at);
    WHEN 'health_event' THEN
        event.type := 'mailbox.health_changed';
        event.mailbox_id := NEW.mailbox_id;
        event.at := NEW.at;
        event.previous_state := NEW.from_band;
        event.state := NEW.to_band;
        event.reason := NEW.reason;
    WHEN 'mailbox_readiness' THEN
        event.previous_state := CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END;
        IF NEW.state = 'ready' AND event.previous_state IS DISTINCT FROM 'ready' THEN
            event.type := 'mailbox.ready';
        ELSIF NEW.state <> 'ready' AND event.previous_state = 'ready' THEN
            event.type := 'mailbox.not_ready';
        END IF;
        event.mailbox_id := NEW.mailbox_id;
        event.state := NEW.state;
        event.reason := NEW.reason;
        event.detail := jsonb_build_object('cold_mails', NEW.cold_mails);
    WHEN 'mailbox_failure' THEN
        event.mailbox_id := OLD.mailbox_id;
        IF TG_OP = 'UPDATE' THEN
            event.type := 'mailbox.not_working';
            event.previous_state := 'active';
            event.state := 'not_working';
            event.reason := NEW.reason;
            event.detail := jsonb_build_object('since', NEW.since);
        ELSIF EXISTS (
            SELECT FROM gmail_warmup.mailbox m JOIN gmail_warmup.oauth_grant g ON g.mailbox_id = m.id
            WHERE m.id = OLD.mailbox_id AND g.state NOT IN ({_FLAGGED})
        ) THEN
            event.type := 'mailbox.recovered';
            event.previous_state := 'not_working';
            event.state := 'active';
            event.reason := 'works_again';
        END IF;
    END CASE;
    INSERT INTO gmail_warmup.webhook_event (
        message_id, type, mailbox_id, at, previous_state, state, reason, detail, address
    )
    SELECT 'msg_' || replace(gen_random_uuid()::text, '-', ''), event.type, event.mailbox_id, event.at,
        event.previous_state, event.state, event.reason, event.detail, event.address
    WHERE EXISTS (SELECT FROM gmail_warmup.webhook_receiver r WHERE event.type = ANY (r.events));
    RETURN NULL;
END $$
"""  # noqa: S608


def _build_trigger(name: str, moment: str, condition: str = "true") -> str:
    return (
        f"CREATE TRIGGER {name} AFTER {moment} FOR EACH ROW WHEN ({condition})"
        " EXECUTE FUNCTION gmail_warmup.record_webhook_event()"
    )


_TRIGGERS = (
    _build_trigger("webhook_removed", "DELETE ON gmail_warmup.mailbox"),
    _build_trigger("webhook_grant", "INSERT ON gmail_warmup.grant_event", "NEW.from_state <> NEW.to_state"),
    _build_trigger(
        "webhook_expiring",
        "UPDATE OF expiring_at ON gmail_warmup.oauth_grant",
        "OLD.expiring_at IS NULL AND NEW.expiring_at IS NOT NULL",
    ),
    _build_trigger("webhook_health", "INSERT ON gmail_warmup.health_event", "NEW.from_band <> NEW.to_band"),
    _build_trigger("webhook_readiness", "INSERT OR UPDATE OF state ON gmail_warmup.mailbox_readiness"),
    _build_trigger(
        "webhook_not_working",
        "UPDATE OF alert_id ON gmail_warmup.mailbox_failure",
        "OLD.alert_id IS NULL AND NEW.alert_id IS NOT NULL",
    ),
    _build_trigger(
        "webhook_works_again",
        "DELETE ON gmail_warmup.mailbox_failure",
        "OLD.alert_id IS NOT NULL AND OLD.ended_at IS NOT NULL",
    ),
)
# The task that sends alerts also reads these tables, also before the next `gmail-warmup init`.
_GRANT_TO_ROLE = """
DO $do$
DECLARE
    role_name text;
BEGIN
    FOR role_name IN
        SELECT DISTINCT grantee FROM information_schema.role_table_grants
        WHERE table_schema = 'gmail_warmup' AND table_name = 'alert' AND privilege_type = 'INSERT'
            AND grantee <> current_user
    LOOP
        EXECUTE format(
            'GRANT SELECT, INSERT, DELETE, UPDATE (sent_at, attempts, next_try_at, given_up_at, failure)'
            ' ON gmail_warmup.webhook_delivery TO %I', role_name
        );
        EXECUTE format(
            'GRANT SELECT, INSERT, DELETE, UPDATE (address, dispatched_at) ON gmail_warmup.webhook_event TO %I',
            role_name
        );
        EXECUTE format('GRANT SELECT, INSERT, DELETE, UPDATE ON gmail_warmup.webhook_receiver TO %I', role_name);
    END LOOP;
END $do$
"""


def upgrade() -> None:
    _create_receivers_and_events()
    _create_deliveries()
    op.add_column("oauth_grant", sa.Column("expiring_at", sa.DateTime(timezone=True)), schema=_SCHEMA)
    op.create_index(
        "ix_oauth_grant_expiring",
        "oauth_grant",
        ["mailbox_id"],
        schema=_SCHEMA,
        postgresql_where=sa.text("expiring_at IS NOT NULL"),
    )
    op.add_column("alert", sa.Column("given_up_at", sa.DateTime(timezone=True)), schema=_SCHEMA)
    op.execute("UPDATE gmail_warmup.alert SET given_up_at = now() WHERE sent_at IS NULL AND failure LIKE 'gave up: %'")
    _replace_alert_index("sent_at IS NULL AND given_up_at IS NULL")
    op.execute(_RECORD_WEBHOOK_EVENT)
    for trigger in _TRIGGERS:
        op.execute(trigger)
    op.execute(_GRANT_TO_ROLE)


def downgrade() -> None:
    op.execute("DROP FUNCTION gmail_warmup.record_webhook_event() CASCADE")
    _replace_alert_index("sent_at IS NULL")
    op.drop_column("alert", "given_up_at", schema=_SCHEMA)
    op.drop_index("ix_oauth_grant_expiring", "oauth_grant", schema=_SCHEMA)
    op.drop_column("oauth_grant", "expiring_at", schema=_SCHEMA)
    for table in ("webhook_delivery", "webhook_event", "webhook_receiver"):
        op.drop_table(table, schema=_SCHEMA)


def _replace_alert_index(condition: str) -> None:
    op.drop_index("ix_alert_unsent", "alert", schema=_SCHEMA)
    op.create_index("ix_alert_unsent", "alert", ["created_at"], schema=_SCHEMA, postgresql_where=sa.text(condition))


def _create_receivers_and_events() -> None:
    op.create_table(
        "webhook_receiver",
        sa.Column("conn_id", sa.Text(), nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("conn_id", name=op.f("pk_webhook_receiver")),
        schema=_SCHEMA,
    )
    op.create_table(
        "webhook_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger()),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("previous_state", sa.Text()),
        sa.Column("state", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.Column("detail", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("address", sa.Text()),
        sa.Column("dispatched_at", sa.DateTime(timezone=True)),
        sa.CheckConstraint(f"type IN {_TYPES}", name=op.f("ck_webhook_event_type")),
        sa.CheckConstraint("jsonb_typeof(detail) = 'object'", name=op.f("ck_webhook_event_detail")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_event")),
        sa.UniqueConstraint("message_id", name=op.f("uq_webhook_event_message_id")),
        schema=_SCHEMA,
    )
    for name, column, condition in (
        ("undispatched", "id", "dispatched_at IS NULL"),
        ("mailbox_id", "mailbox_id", None),
        ("address", "id", "address IS NOT NULL"),
        ("at", "at", None),
    ):
        where = sa.text(condition) if condition else None
        op.create_index(f"ix_webhook_event_{name}", "webhook_event", [column], schema=_SCHEMA, postgresql_where=where)


def _create_deliveries() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger()),
        sa.Column("receiver", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), server_default=sa.func.now(), nullable=False),
        sa.Column("given_up_at", sa.DateTime(timezone=True)),
        sa.Column("failure", sa.Text()),
        sa.ForeignKeyConstraint(
            ["event_id"],
            [f"{_SCHEMA}.webhook_event.id"],
            name=op.f("fk_webhook_delivery_event_id_webhook_event"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_delivery")),
        schema=_SCHEMA,
    )
    for name, columns in (("waiting", ["receiver", "mailbox_id", "id"]), ("due", ["receiver", "next_try_at", "id"])):
        op.create_index(
            f"ix_webhook_delivery_{name}",
            "webhook_delivery",
            columns,
            schema=_SCHEMA,
            postgresql_where=sa.text("sent_at IS NULL AND given_up_at IS NULL"),
        )
    op.create_index("ix_webhook_delivery_event_id", "webhook_delivery", ["event_id"], schema=_SCHEMA)
