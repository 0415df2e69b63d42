"""the ledger's history by month

Nothing is copied: the tables are made empty, and the daily upkeep moves what is done with out of the ledger, a bounded
number of rows at a time. Going back copies all of it into the ledger again, in SQL; expect about a minute for each
million mails.

Revision: 0008
Follows: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_SCHEMA = "gmail_warmup"
_TIME = sa.DateTime(timezone=True)

# Written out instead of imported from the models: a migration must not change when the models do.
_COLUMNS = (
    ("id", sa.BigInteger(), False),
    ("token", sa.Text(), False),
    ("sender_id", sa.BigInteger(), False),
    ("recipient_id", sa.BigInteger(), False),
    ("parent_id", sa.BigInteger(), True),
    ("turn", sa.SmallInteger(), False),
    ("local_date", sa.Date(), False),
    ("slot", sa.SmallInteger(), True),
    ("due_at", _TIME, False),
    ("status", sa.Text(), False),
    ("failure", sa.Text(), True),
    ("claimed_at", _TIME, False),
    ("draft_id", sa.Text(), True),
    ("sent_at", _TIME, True),
    ("subject", sa.Text(), False),
    ("rfc_message_id", sa.Text(), True),
    ("gmail_id", sa.Text(), True),
    ("thread_id", sa.Text(), True),
    ("locate_due_at", _TIME, True),
    ("placement", sa.Text(), True),
    ("placed_at", _TIME, True),
    ("recipient_gmail_id", sa.Text(), True),
    ("recipient_thread_id", sa.Text(), True),
    ("rescue_due_at", _TIME, True),
    ("rescued_at", _TIME, True),
    ("read_due_at", _TIME, True),
    ("read_at", _TIME, True),
    ("important", sa.Boolean(), True),
    ("starred", sa.Boolean(), True),
    ("mark_due_at", _TIME, True),
    ("marked_at", _TIME, True),
    ("reply_due_at", _TIME, True),
    ("replied_at", _TIME, True),
    ("collected_at", _TIME, True),
    ("bounced_at", _TIME, True),
    ("bounce_status", sa.Text(), True),
    ("auto_replied_at", _TIME, True),
    ("notice_ids", sa.ARRAY(sa.Text()), False),
    ("trash_due_at", _TIME, True),
    ("sender_trashed_at", _TIME, True),
    ("recipient_trashed_at", _TIME, True),
)
_LISTED = ", ".join(name for name, _, _ in _COLUMNS)

_MAKE_MONTHS = """
CREATE OR REPLACE FUNCTION gmail_warmup.make_months(since timestamptz, until timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '10s'
AS $$
DECLARE
    month timestamptz;
    name text;
    made integer := 0;
BEGIN
    IF until > since + interval '30 years' THEN
        RAISE EXCEPTION 'more than 30 years of months';
    END IF;
    FOR month IN SELECT generate_series(date_trunc('month', since), until, interval '1 month') LOOP
        name := 'ledger_history_' || to_char(month, 'YYYY_MM');
        CONTINUE WHEN to_regclass('gmail_warmup.' || name) IS NOT NULL;
        EXECUTE format(
            'CREATE TABLE gmail_warmup.%I PARTITION OF gmail_warmup.ledger_history FOR VALUES FROM (%L) TO (%L)',
            name, month, month + interval '1 month'
        );
        made := made + 1;
    END LOOP;
    RETURN made;
END $$
"""
_MAIL_WAITS = """
CREATE OR REPLACE FUNCTION gmail_warmup.mail_waits(mail gmail_warmup.ledger) RETURNS boolean LANGUAGE sql STABLE
AS $$
    SELECT coalesce(
        (mail.claimed_at > pg_catalog.now() - interval '366 days' AND mail.status IN ('claimed', 'drafted'))
        OR (mail.locate_due_at > pg_catalog.now() - interval '366 days' AND mail.status = 'sent'
            AND CASE WHEN mail.parent_id IS NULL THEN mail.placement IS NULL ELSE mail.collected_at IS NULL END)
        OR (mail.rescue_due_at > pg_catalog.now() - interval '366 days' AND mail.rescued_at IS NULL)
        OR (mail.read_due_at > pg_catalog.now() - interval '366 days' AND mail.read_at IS NULL)
        OR (mail.mark_due_at > pg_catalog.now() - interval '366 days' AND mail.marked_at IS NULL)
        OR (mail.reply_due_at > pg_catalog.now() - interval '366 days' AND mail.replied_at IS NULL)
        OR (mail.trash_due_at > pg_catalog.now() - interval '366 days'
            AND (mail.sender_trashed_at IS NULL
                OR (mail.recipient_gmail_id IS NOT NULL AND mail.recipient_trashed_at IS NULL))),
        false
    )
$$
"""
_MOVE_MAILS = """
CREATE OR REPLACE FUNCTION gmail_warmup.move_mails(
    after bigint, until timestamptz, at_once integer, OUT mails bigint, OUT last_id bigint, OUT done boolean
)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    oldest timestamptz;
BEGIN
    mails := 0;
    until := least(until, now() - interval '40 days');
    SELECT max(id), min(claimed_at), coalesce(bool_or(claimed_at >= until), true) INTO last_id, oldest, done
    FROM (SELECT id, claimed_at FROM gmail_warmup.ledger WHERE id > after ORDER BY id LIMIT at_once) looked;
    IF last_id IS NULL OR oldest >= until THEN
        RETURN;
    END IF;
    PERFORM gmail_warmup.make_months(oldest, until);
    WITH RECURSIVE thread AS (
        SELECT l.id, l.id AS root, gmail_warmup.mail_waits(l) AS waits FROM gmail_warmup.ledger l
        WHERE l.id > after AND l.id <= last_id AND l.parent_id IS NULL AND l.claimed_at < until
        UNION ALL
        SELECT l.id, thread.root, l.claimed_at >= until OR gmail_warmup.mail_waits(l)
        FROM thread JOIN gmail_warmup.ledger l ON l.parent_id = thread.id
    ),
    settled AS (SELECT root FROM thread GROUP BY root HAVING NOT bool_or(waits)),
    gone AS (
        DELETE FROM gmail_warmup.ledger l USING thread JOIN settled USING (root) WHERE l.id = thread.id RETURNING l.*
    )
    INSERT INTO gmail_warmup.ledger_history (@@) SELECT @@ FROM gone;
    GET DIAGNOSTICS mails = ROW_COUNT;
END $$
"""
_DROP_MONTHS = """
CREATE OR REPLACE FUNCTION gmail_warmup.drop_months(before timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '10s'
AS $$
DECLARE
    name text;
    dropped integer := 0;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'gmail_warmup.ledger_history'::regclass
            AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month'
                <= least(before, now() - interval '2 months')
    LOOP
        EXECUTE format('DROP TABLE gmail_warmup.%I', name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$
"""
_REMOVE_OLD = """
CREATE OR REPLACE FUNCTION gmail_warmup.remove_old(before timestamptz, at_once integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    gone integer;
    removed integer := 0;
BEGIN
    DELETE FROM gmail_warmup.consent WHERE id IN (
        SELECT id FROM gmail_warmup.consent WHERE expires_at < now() - interval '90 days' LIMIT at_once
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
    DELETE FROM gmail_warmup.invite WHERE id IN (
        SELECT id FROM gmail_warmup.invite WHERE expires_at < now() - interval '90 days' LIMIT at_once
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
    IF before IS NULL THEN
        RETURN removed;
    END IF;
    before := least(before, now() - interval '2 months');
    DELETE FROM gmail_warmup.mailbox_day WHERE (mailbox_id, local_date) IN (
        SELECT mailbox_id, local_date FROM gmail_warmup.mailbox_day WHERE local_date < before::date LIMIT at_once
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
    DELETE FROM gmail_warmup.grant_event WHERE id IN (
        SELECT e.id FROM gmail_warmup.grant_event e
        WHERE e.at < before
            AND EXISTS (SELECT FROM gmail_warmup.grant_event n WHERE n.mailbox_id = e.mailbox_id AND n.at > e.at)
            AND NOT EXISTS (SELECT FROM gmail_warmup.alert_item a WHERE a.event_id = e.id AND a.alert_id IS NULL)
        LIMIT at_once
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
    DELETE FROM gmail_warmup.health_event WHERE id IN (
        SELECT e.id FROM gmail_warmup.health_event e
        WHERE e.at < before AND (e.alert_id IS NOT NULL OR NOT e.told)
            AND EXISTS (SELECT FROM gmail_warmup.health_event n WHERE n.mailbox_id = e.mailbox_id AND n.at > e.at)
        LIMIT at_once
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
    DELETE FROM gmail_warmup.incident WHERE closed_at < before AND closed_alert_id IS NOT NULL;
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
    DELETE FROM gmail_warmup.alert a
    WHERE created_at < before
        AND NOT EXISTS (SELECT FROM gmail_warmup.alert_item i WHERE i.alert_id = a.id)
        AND NOT EXISTS (SELECT FROM gmail_warmup.health_event e WHERE e.alert_id = a.id)
        AND NOT EXISTS (SELECT FROM gmail_warmup.incident i WHERE a.id IN (i.opened_alert_id, i.closed_alert_id));
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
    DELETE FROM gmail_warmup.audit a
    WHERE started_at < before
        AND EXISTS (SELECT FROM gmail_warmup.audit n WHERE n.id > a.id AND n.finished_at IS NOT NULL);
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN removed + gone;
END $$
"""
_FORGET_MAILS = """
CREATE FUNCTION gmail_warmup.forget_mails() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM gmail_warmup.ledger_history WHERE sender_id = OLD.id;
    DELETE FROM gmail_warmup.ledger_history WHERE recipient_id = OLD.id;
    RETURN NULL;
END $$
"""
_ON_REMOVAL = """
CREATE TRIGGER forget_mails AFTER DELETE ON gmail_warmup.mailbox
FOR EACH ROW EXECUTE FUNCTION gmail_warmup.forget_mails()
"""
_OF_THE_ROLE = (
    "gmail_warmup.mail_waits(gmail_warmup.ledger)",
    "gmail_warmup.move_mails(bigint, timestamptz, integer)",
    "gmail_warmup.drop_months(timestamptz)",
    "gmail_warmup.remove_old(timestamptz, integer)",
)
_SIGNATURES = ("gmail_warmup.make_months(timestamptz, timestamptz)", *_OF_THE_ROLE)
# The role of an installed base may call them without another `gmail-warmup init`.
_ALLOW = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'gmail_warmup') THEN
        GRANT SELECT ON gmail_warmup.ledger_history TO gmail_warmup;
        GRANT EXECUTE ON FUNCTION {} TO gmail_warmup;
    END IF;
END $$
"""
# An answer whose first mail's month was dropped has no place in the ledger.
_BACK = f"""
INSERT INTO gmail_warmup.ledger ({_LISTED})
SELECT {_LISTED} FROM gmail_warmup.ledger_history h
WHERE h.turn = :turn
    AND (h.parent_id IS NULL OR EXISTS (SELECT FROM gmail_warmup.ledger l WHERE l.id = h.parent_id))
"""  # noqa: S608  # names of columns, from above
_INDEXES = (
    ("ix_alert_item_alert_id", "alert_item", "alert_id"),
    ("ix_alert_item_incident_id", "alert_item", "incident_id"),
    ("ix_health_event_alert_id", "health_event", "alert_id"),
)
_EVENTS = ("grant_event", "health_event")


def upgrade() -> None:
    op.create_table(
        "ledger_history",
        *(sa.Column(name, kind, nullable=nullable) for name, kind, nullable in _COLUMNS),
        sa.PrimaryKeyConstraint("id", "claimed_at", name=op.f("pk_ledger_history")),
        schema=_SCHEMA,
        postgresql_partition_by="RANGE (claimed_at)",
    )
    for side in ("sender_id", "recipient_id"):
        op.create_index(f"ix_ledger_history_{side}_claimed_at", "ledger_history", [side, "claimed_at"], schema=_SCHEMA)
    for statement in (
        _MAKE_MONTHS,
        _MAIL_WAITS,
        _MOVE_MAILS.replace("@@", _LISTED),
        _DROP_MONTHS,
        _REMOVE_OLD,
        _FORGET_MAILS,
        _ON_REMOVAL,
    ):
        op.execute(statement)
    for signature in _SIGNATURES:
        op.execute(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC")
    op.execute(_ALLOW.format(", ".join(_OF_THE_ROLE)))
    for name, table, column in _INDEXES:
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(name, table, [column], schema=_SCHEMA, postgresql_where=where)
    for table in _EVENTS:
        op.create_index(f"ix_{table}_at", table, ["at"], schema=_SCHEMA, postgresql_using="brin")


def downgrade() -> None:
    for table in _EVENTS:
        op.drop_index(f"ix_{table}_at", table_name=table, schema=_SCHEMA)
    for name, table, _ in reversed(_INDEXES):
        op.drop_index(name, table_name=table, schema=_SCHEMA)
    # They were claimed long ago and are counted already.
    op.execute("ALTER TABLE gmail_warmup.ledger DISABLE TRIGGER count_claim")
    for turn in range(1, 7):  # a mail after the one that it answers
        op.execute(sa.text(_BACK).bindparams(turn=turn))
    op.execute("ALTER TABLE gmail_warmup.ledger ENABLE TRIGGER count_claim")
    op.execute("DROP TRIGGER forget_mails ON gmail_warmup.mailbox")
    for signature in ("gmail_warmup.forget_mails()", *_SIGNATURES):
        op.execute(f"DROP FUNCTION {signature}")
    op.drop_table("ledger_history", schema=_SCHEMA)
