"""volume kept by the database, hints of the plan, health, the kill switch

Revision: 0004
Follows: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TIME = sa.DateTime(timezone=True)

# Written out instead of imported from the models: a migration must not change when the models do.
_COUNT_CLAIMS = """
CREATE FUNCTION gmail_warmup.count_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE gmail_warmup.mailbox_day SET claimed = claimed + 1
    WHERE mailbox_id = NEW.sender_id AND local_date = NEW.local_date;
    IF NOT FOUND THEN
        RAISE check_violation USING MESSAGE = 'no volume is planned for this mailbox and day', TABLE = 'mailbox_day';
    END IF;
    RETURN NULL;
END $$
"""
_ON_CLAIM = """
CREATE TRIGGER count_claim AFTER INSERT ON gmail_warmup.ledger
FOR EACH ROW WHEN (NEW.parent_id IS NULL) EXECUTE FUNCTION gmail_warmup.count_claim()
"""
_BANDS = "band IN ('healthy', 'watch', 'throttled', 'paused', 'blocked')"
_ALERTS = "kind IN ('changes', 'incident', 'digest'{})"


def upgrade() -> None:
    _mailbox()
    _tables()
    _volume()
    _alert_kinds(", 'health'")


def _mailbox() -> None:
    for column in (
        sa.Column("next_send_at", _TIME, nullable=True),
        sa.Column("chosen_at", _TIME, server_default=sa.text("'epoch'"), nullable=False),
        sa.Column("band", sa.Text(), server_default="healthy", nullable=False),
        sa.Column("band_reason", sa.Text(), nullable=True),
        sa.Column("band_since", _TIME, nullable=True),
        sa.Column("health_from", sa.Date(), nullable=True),
        sa.Column("halved_on", sa.Date(), nullable=True),
        sa.Column("sent_lately", sa.Integer(), nullable=True),
        sa.Column("sent_lately_at", _TIME, nullable=True),
    ):
        op.add_column("mailbox", column, schema=_SCHEMA)
    op.create_check_constraint(op.f("ck_mailbox_band"), "mailbox", _BANDS, schema=_SCHEMA)
    ill = sa.text("kind = 'warmup' AND band IN ('throttled', 'paused', 'blocked')")
    op.create_index("ix_mailbox_band", "mailbox", ["band", "address"], schema=_SCHEMA, postgresql_where=ill)
    for columns, kind in ((["next_send_at"], "warmup"), (["chosen_at", "id"], "pool")):
        where = sa.text(f"kind = '{kind}' AND paused_at IS NULL")
        op.create_index(f"ix_mailbox_{'_'.join(columns)}", "mailbox", columns, schema=_SCHEMA, postgresql_where=where)


def _tables() -> None:
    op.create_table(
        "halt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("started_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.Column("ended_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_halt")),
        schema=_SCHEMA,
    )
    open_one = sa.text("(ended_at IS NULL)")
    op.create_index(
        "uq_halt_open", "halt", [open_one], unique=True, schema=_SCHEMA, postgresql_where=sa.text("ended_at IS NULL")
    )
    op.create_index("ix_halt_ended_at", "halt", ["ended_at"], schema=_SCHEMA)
    op.create_table(
        "plan_basis",
        sa.Column("id", sa.SmallInteger(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_plan_basis_only_one")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plan_basis")),
        schema=_SCHEMA,
    )
    op.create_table(
        "health_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("mailbox_id", sa.BigInteger(), nullable=False),
        sa.Column("at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("from_band", sa.Text(), nullable=False),
        sa.Column("to_band", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("placed", sa.Integer(), nullable=False),
        sa.Column("spam", sa.Integer(), nullable=False),
        sa.Column("bounced", sa.Integer(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("alert_id", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["mailbox_id"],
            ["gmail_warmup.mailbox.id"],
            name=op.f("fk_health_event_mailbox_id_mailbox"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["alert_id"], ["gmail_warmup.alert.id"], name=op.f("fk_health_event_alert_id_alert"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_health_event")),
        schema=_SCHEMA,
    )
    op.create_index("ix_health_event_mailbox_id_at", "health_event", ["mailbox_id", "at"], schema=_SCHEMA)
    untold = sa.text("alert_id IS NULL AND told")
    op.create_index("ix_health_event_untold", "health_event", ["id"], schema=_SCHEMA, postgresql_where=untold)


def _volume() -> None:
    for column in (
        sa.Column("ramp", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("lowered_by", sa.Text(), nullable=True),
        sa.Column("bounced", sa.SmallInteger(), server_default="0", nullable=False),
    ):
        op.add_column("mailbox_day", column, schema=_SCHEMA)
    # The volume used to follow every change of the settings, also below what had been claimed.
    op.execute("UPDATE gmail_warmup.mailbox_day SET planned = greatest(planned, claimed)")
    op.execute("UPDATE gmail_warmup.mailbox_day SET ramp = planned")
    op.create_check_constraint(op.f("ck_mailbox_day_volume"), "mailbox_day", "claimed <= planned", schema=_SCHEMA)
    op.execute(_COUNT_CLAIMS)
    op.execute(_ON_CLAIM)


def _alert_kinds(more: str) -> None:
    op.drop_constraint(op.f("ck_alert_kind"), "alert", schema=_SCHEMA, type_="check")
    op.create_check_constraint(op.f("ck_alert_kind"), "alert", _ALERTS.format(more), schema=_SCHEMA)


def downgrade() -> None:
    op.execute("DELETE FROM gmail_warmup.alert WHERE kind = 'health'")
    _alert_kinds("")
    op.execute("DROP TRIGGER count_claim ON gmail_warmup.ledger")
    op.execute("DROP FUNCTION gmail_warmup.count_claim()")
    op.drop_constraint(op.f("ck_mailbox_day_volume"), "mailbox_day", schema=_SCHEMA, type_="check")
    for column in ("bounced", "lowered_by", "ramp"):
        op.drop_column("mailbox_day", column, schema=_SCHEMA)
    for table in ("health_event", "plan_basis", "halt"):
        op.drop_table(table, schema=_SCHEMA)
    for name in ("chosen_at_id", "next_send_at", "band"):
        op.drop_index(f"ix_mailbox_{name}", table_name="mailbox", schema=_SCHEMA)
    op.drop_constraint(op.f("ck_mailbox_band"), "mailbox", schema=_SCHEMA, type_="check")
    for column in (
        "sent_lately_at", "sent_lately", "halved_on", "health_from", "band_since", "band_reason", "band", "chosen_at",
        "next_send_at",
    ):  # fmt: skip
        op.drop_column("mailbox", column, schema=_SCHEMA)
