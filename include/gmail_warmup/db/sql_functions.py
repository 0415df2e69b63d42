"""SQL functions and triggers: count claims, move finished mail to the history, delete old rows.

The functions granted to the restricted role run with the rights of the schema's owner. Each does one narrow thing,
accepts typed values only, does not depend on the search path, and never touches recent rows.
"""

from __future__ import annotations

from collections.abc import Iterable

from gmail_warmup.db import erasure

COUNT_CLAIMS = """
CREATE OR REPLACE FUNCTION gmail_warmup.count_claim() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE gmail_warmup.mailbox_day SET claimed = claimed + 1
    WHERE mailbox_id = NEW.sender_id AND local_date = NEW.local_date;
    IF NOT FOUND THEN
        RAISE check_violation USING MESSAGE = 'no volume is planned for this mailbox and day', TABLE = 'mailbox_day';
    END IF;
    RETURN NULL;
END $$
"""
ON_CLAIM = """
CREATE TRIGGER count_claim AFTER INSERT ON gmail_warmup.ledger
FOR EACH ROW WHEN (NEW.parent_id IS NULL) EXECUTE FUNCTION gmail_warmup.count_claim()
"""
DROP_COUNT_CLAIMS = "DROP FUNCTION IF EXISTS gmail_warmup.count_claim()"

DELETE_MAILBOX_HISTORY = """
CREATE OR REPLACE FUNCTION gmail_warmup.delete_mailbox_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM gmail_warmup.ledger_history WHERE sender_id = OLD.id;
    DELETE FROM gmail_warmup.ledger_history WHERE recipient_id = OLD.id;
    RETURN NULL;
END $$
"""
ON_MAILBOX_DELETE = """
CREATE OR REPLACE TRIGGER delete_mailbox_history AFTER DELETE ON gmail_warmup.mailbox
FOR EACH ROW EXECUTE FUNCTION gmail_warmup.delete_mailbox_history()
"""
"""Instead of foreign keys, with which every new partition would lock the mailboxes."""
DROP_DELETE_MAILBOX_HISTORY = "DROP FUNCTION IF EXISTS gmail_warmup.delete_mailbox_history() CASCADE"

FORGET_MAILBOX_CHANGES = """
CREATE OR REPLACE FUNCTION gmail_warmup.forget_mailbox_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE gmail_warmup.change_log SET subject = '', before = NULL, after = NULL WHERE mailbox_id = OLD.id;
    RETURN NULL;
END $$
"""
ON_MAILBOX_FORGOTTEN = """
CREATE OR REPLACE TRIGGER forget_mailbox_changes AFTER DELETE ON gmail_warmup.mailbox
FOR EACH ROW EXECUTE FUNCTION gmail_warmup.forget_mailbox_changes()
"""
"""The log still shows who changed a mailbox that no longer exists, and when, without its personal data."""
DROP_FORGET_MAILBOX_CHANGES = "DROP FUNCTION IF EXISTS gmail_warmup.forget_mailbox_changes() CASCADE"

COUNT_CLIENT_USERS = (
    """
CREATE OR REPLACE FUNCTION gmail_warmup.count_client_user() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO gmail_warmup.oauth_client_user (client_id, mailbox_id) VALUES (NEW.client_id, NEW.mailbox_id)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$
""",
    """
CREATE OR REPLACE TRIGGER count_first_client AFTER INSERT ON gmail_warmup.oauth_grant
FOR EACH ROW WHEN (NEW.client_id IS NOT NULL) EXECUTE FUNCTION gmail_warmup.count_client_user()
""",
    """
CREATE OR REPLACE TRIGGER count_next_client AFTER UPDATE OF client_id ON gmail_warmup.oauth_grant
FOR EACH ROW WHEN (NEW.client_id IS NOT NULL AND NEW.client_id IS DISTINCT FROM OLD.client_id)
EXECUTE FUNCTION gmail_warmup.count_client_user()
""",
)
"""Whatever code stores a grant, the user of its client is counted in the same transaction."""
DROP_COUNT_CLIENT_USERS = "DROP FUNCTION IF EXISTS gmail_warmup.count_client_user() CASCADE"

_DAY_COUNTS = (
    "ramp", "planned", "claimed", "sent", "failed", "inbox", "spam", "elsewhere", "missing", "rescued", "read",
    "replied", "bounced", "rejected",
)  # fmt: skip
_SUMS = ", ".join(f"sum(c.{name})" for name in _DAY_COUNTS)
_NAMES = ", ".join(_DAY_COUNTS)
_NEGATIVE = ", ".join(f"-{name} AS {name}" for name in _DAY_COUNTS)
_IS_CHANGE = " + ".join(f"abs(sum(c.{name}))" for name in _DAY_COUNTS)


def _insert_sums(changes: str) -> str:
    return f"""INSERT INTO gmail_warmup.domain_day (domain, timezone, local_date, {_NAMES})
        SELECT m.domain, m.timezone, c.local_date, {_SUMS}
        FROM ({changes}) c JOIN gmail_warmup.mailbox m ON m.id = c.mailbox_id
        GROUP BY m.domain, m.timezone, c.local_date HAVING {_IS_CHANGE} > 0;"""  # noqa: S608  the names of columns


_NEW_DAYS = f"SELECT mailbox_id, local_date, {_NAMES} FROM new_days"  # noqa: S608
_OLD_DAYS = f"SELECT mailbox_id, local_date, {_NEGATIVE} FROM old_days"  # noqa: S608
_CHANGED_DAYS = f"{_NEW_DAYS} UNION ALL {_OLD_DAYS}"

# It runs with the rights of the owner, so that mails can be sent between an upgrade and `gmail-warmup init`.
ADD_DOMAIN_DAYS = f"""
CREATE OR REPLACE FUNCTION gmail_warmup.add_domain_days() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        {_insert_sums(_NEW_DAYS)}
    ELSIF TG_OP = 'UPDATE' THEN
        {_insert_sums(_CHANGED_DAYS)}
    -- The function erase_mailbox deletes the days of a removed mailbox; the sums of its domain stay.
    ELSIF current_setting('gmail_warmup.keep_sums', true) IS DISTINCT FROM 'on' THEN
        {_insert_sums(_OLD_DAYS)}
    END IF;
    RETURN NULL;
END $$
"""
ON_DAY_INSERT = """
CREATE OR REPLACE TRIGGER add_new_days AFTER INSERT ON gmail_warmup.mailbox_day REFERENCING NEW TABLE AS new_days
FOR EACH STATEMENT EXECUTE FUNCTION gmail_warmup.add_domain_days()
"""
ON_DAY_UPDATE = """
CREATE OR REPLACE TRIGGER add_changed_days AFTER UPDATE ON gmail_warmup.mailbox_day
REFERENCING NEW TABLE AS new_days OLD TABLE AS old_days
FOR EACH STATEMENT EXECUTE FUNCTION gmail_warmup.add_domain_days()
"""
ON_DAY_DELETE = """
CREATE OR REPLACE TRIGGER subtract_old_days AFTER DELETE ON gmail_warmup.mailbox_day
REFERENCING OLD TABLE AS old_days FOR EACH STATEMENT EXECUTE FUNCTION gmail_warmup.add_domain_days()
"""
DELETE_MAILBOX_DAYS = """
CREATE OR REPLACE FUNCTION gmail_warmup.delete_mailbox_days() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM gmail_warmup.mailbox_day WHERE mailbox_id = OLD.id;
    RETURN OLD;
END $$
"""
BEFORE_MAILBOX_DELETE = """
CREATE OR REPLACE TRIGGER delete_mailbox_days BEFORE DELETE ON gmail_warmup.mailbox
FOR EACH ROW EXECUTE FUNCTION gmail_warmup.delete_mailbox_days()
"""
"""The foreign key would delete the days after the mailbox, when its domain is no longer known."""
MOVE_DOMAIN_DAYS = f"""
CREATE OR REPLACE FUNCTION gmail_warmup.move_domain_days() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    INSERT INTO gmail_warmup.domain_day (domain, timezone, local_date, {_NAMES})
    SELECT OLD.domain, OLD.timezone, local_date, {_NEGATIVE}
    FROM gmail_warmup.mailbox_day WHERE mailbox_id = OLD.id
    UNION ALL
    SELECT NEW.domain, NEW.timezone, local_date, {_NAMES}
    FROM gmail_warmup.mailbox_day WHERE mailbox_id = OLD.id;
    RETURN NULL;
END $$
"""  # noqa: S608  the names of columns
ON_MAILBOX_RENAME = """
CREATE OR REPLACE TRIGGER move_domain_days AFTER UPDATE OF address ON gmail_warmup.mailbox
FOR EACH ROW WHEN (OLD.domain <> NEW.domain) EXECUTE FUNCTION gmail_warmup.move_domain_days()
"""
"""A renamed mailbox may have another domain."""
DROP_DOMAIN_DAYS = (
    "DROP FUNCTION IF EXISTS gmail_warmup.move_domain_days() CASCADE",
    "DROP FUNCTION IF EXISTS gmail_warmup.add_domain_days() CASCADE",
    "DROP FUNCTION IF EXISTS gmail_warmup.delete_mailbox_days() CASCADE",
)

# The block with an exception handler costs about a microsecond per row.
LOCAL_DATE = """
CREATE OR REPLACE FUNCTION gmail_warmup.local_date(zone text, at timestamptz) RETURNS date
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN pg_catalog.timezone(zone, at)::date;
EXCEPTION WHEN invalid_parameter_value OR datetime_field_overflow THEN
    RETURN pg_catalog.timezone('UTC', at)::date;
END $$
"""

MAKE_MONTHS = """
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
# Steps overdue for a year, because their mailbox was paused or broken, no longer count as pending.
MAIL_IS_PENDING = """
CREATE OR REPLACE FUNCTION gmail_warmup.mail_is_pending(mail gmail_warmup.ledger) RETURNS boolean LANGUAGE sql STABLE
AS $$
    SELECT coalesce(
        (mail.claimed_at > pg_catalog.now() - interval '366 days' AND mail.status IN ('claimed', 'drafted'))
        OR (mail.locate_due_at > pg_catalog.now() - interval '366 days' AND mail.status = 'sent'
            AND CASE WHEN mail.parent_id IS NULL THEN mail.placement IS NULL ELSE mail.collected_at IS NULL END)
        OR (mail.rescue_due_at > pg_catalog.now() - interval '366 days' AND mail.rescued_at IS NULL)
        OR (mail.read_due_at > pg_catalog.now() - interval '366 days' AND mail.read_at IS NULL)
        OR (mail.mark_due_at > pg_catalog.now() - interval '366 days' AND mail.marked_at IS NULL)
        OR (mail.reply_due_at > pg_catalog.now() - interval '366 days' AND mail.replied_at IS NULL)
        OR mail.stray_draft_due_at > pg_catalog.now() - interval '366 days'
        OR (mail.trash_due_at > pg_catalog.now() - interval '366 days'
            AND (mail.sender_trashed_at IS NULL
                OR (mail.recipient_gmail_id IS NOT NULL AND mail.recipient_trashed_at IS NULL))),
        false
    )
$$
"""
DROP_MONTHS = """
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
            -- CASE, because PostgreSQL may evaluate conditions on all relations before the join
            AND CASE WHEN c.relname ~ '^ledger_history_[0-9]{4}_[0-9]{2}$'
                THEN to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month'
                    <= least(before, now() - interval '2 months')
                ELSE false END
    LOOP
        EXECUTE format('DROP TABLE gmail_warmup.%I', name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$
"""
# A day is kept while one of its mails is in the ledger, because what becomes of that mail is counted on it. Events are
# deleted before their alerts, or they would count as unreported. The last event of a mailbox is kept.
REMOVE_OLD = """
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
        SELECT d.mailbox_id, d.local_date FROM gmail_warmup.mailbox_day d
        WHERE d.local_date < before::date
            AND NOT EXISTS (
                SELECT FROM gmail_warmup.ledger l WHERE l.sender_id = d.mailbox_id AND l.local_date = d.local_date
            )
        LIMIT at_once
    );
    GET DIAGNOSTICS gone = ROW_COUNT;
    removed := removed + gone;
    DELETE FROM gmail_warmup.grant_day WHERE day < before::date;
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
        WHERE e.at < before AND (e.alert_id IS NOT NULL OR NOT e.is_alertable)
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
REMOVE_OLD_CHANGES = """
CREATE OR REPLACE FUNCTION gmail_warmup.remove_old_changes(days integer, at_once integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    removed integer;
BEGIN
    DELETE FROM gmail_warmup.change_log WHERE id IN (
        SELECT id FROM gmail_warmup.change_log
        WHERE at < now() - make_interval(days => greatest(days, 30)) ORDER BY at LIMIT at_once
    );
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END $$
"""

GRANTED_FUNCTIONS = (
    "gmail_warmup.mail_is_pending(gmail_warmup.ledger)",
    "gmail_warmup.move_mails(bigint, timestamptz, integer)",
    "gmail_warmup.drop_months(timestamptz)",
    "gmail_warmup.remove_old(timestamptz, integer)",
    "gmail_warmup.remove_old_changes(integer, integer)",
    *erasure.GRANTED_FUNCTIONS,
)
"""Functions that the restricted role may call."""
_INTERNAL_FUNCTIONS = ("gmail_warmup.make_months(timestamptz, timestamptz)", *erasure.INTERNAL_FUNCTIONS)

_LOCAL_DATE = "gmail_warmup.local_date(text, timestamptz)"
"""Everybody may call it: it reads no table, and an upgrade needs no new privilege."""

DROP_FUNCTIONS = f"DROP FUNCTION IF EXISTS {', '.join((_LOCAL_DATE, *_INTERNAL_FUNCTIONS, *GRANTED_FUNCTIONS))}"


def _build_move_mails(columns: str) -> str:
    # Ids are nearly in the order of the claims: the oldest rows are found without a further index.
    return f"""
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
        SELECT l.id, l.id AS root, gmail_warmup.mail_is_pending(l) AS waits FROM gmail_warmup.ledger l
        WHERE l.id > after AND l.id <= last_id AND l.parent_id IS NULL AND l.claimed_at < until
        UNION ALL
        SELECT l.id, thread.root, l.claimed_at >= until OR gmail_warmup.mail_is_pending(l)
        FROM thread JOIN gmail_warmup.ledger l ON l.parent_id = thread.id
    ),
    settled AS (SELECT root FROM thread GROUP BY root HAVING NOT bool_or(waits)),
    gone AS (
        DELETE FROM gmail_warmup.ledger l USING thread JOIN settled USING (root) WHERE l.id = thread.id RETURNING l.*
    )
    INSERT INTO gmail_warmup.ledger_history ({columns}) SELECT {columns} FROM gone;
    GET DIAGNOSTICS mails = ROW_COUNT;
END $$
"""  # noqa: S608  the names of columns


def build_functions(ledger_columns: Iterable[str]) -> tuple[str, ...]:
    """Return the statements that create the functions.

    Args:
        ledger_columns: the columns of the ledger. Its history has the same ones, in another order after a migration.
    """
    return (
        LOCAL_DATE,
        MAKE_MONTHS,
        MAIL_IS_PENDING,
        _build_move_mails(", ".join(ledger_columns)),
        DROP_MONTHS,
        REMOVE_OLD,
        REMOVE_OLD_CHANGES,
        DELETE_MAILBOX_HISTORY,
        ON_MAILBOX_DELETE,
        FORGET_MAILBOX_CHANGES,
        ON_MAILBOX_FORGOTTEN,
        ADD_DOMAIN_DAYS,
        ON_DAY_INSERT,
        ON_DAY_UPDATE,
        ON_DAY_DELETE,
        DELETE_MAILBOX_DAYS,
        BEFORE_MAILBOX_DELETE,
        MOVE_DOMAIN_DAYS,
        ON_MAILBOX_RENAME,
        erasure.ADD_COUNT,
        erasure.ERASE_MAILBOX,
        # PostgreSQL lets everybody call a new function.
        *(
            f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC"
            for signature in (*_INTERNAL_FUNCTIONS, *GRANTED_FUNCTIONS)
        ),
    )
