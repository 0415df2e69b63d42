"""What the database does by itself: it counts claims, and makes and drops what the restricted role cannot.

The functions for the restricted role run with the rights of the schema's owner. Each does one narrow thing, takes typed
values only, finds nothing by a search path, and refuses to remove what is young, whoever asks.
"""

from __future__ import annotations

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
UNCOUNT_CLAIMS = "DROP FUNCTION IF EXISTS gmail_warmup.count_claim()"

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
            AND to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month'
                <= least(before, now() - interval '2 months')
    LOOP
        EXECUTE format('DROP TABLE gmail_warmup.%I', name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END $$
"""
FORGET_GRANT_EVENTS = """
CREATE OR REPLACE FUNCTION gmail_warmup.forget_grant_events(ids bigint[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    forgotten integer;
BEGIN
    DELETE FROM gmail_warmup.grant_event e
    WHERE e.id = ANY (ids) AND e.at < now() - interval '2 months'
        AND EXISTS (SELECT FROM gmail_warmup.grant_event n WHERE n.mailbox_id = e.mailbox_id AND n.at > e.at)
        AND NOT EXISTS (SELECT FROM gmail_warmup.alert_item a WHERE a.event_id = e.id AND a.alert_id IS NULL);
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END $$
"""

SIGNATURES = (
    "gmail_warmup.make_months(timestamptz, timestamptz)",
    "gmail_warmup.drop_months(timestamptz)",
    "gmail_warmup.forget_grant_events(bigint[])",
)
"""The functions for the restricted role and nobody else; a new function may be called by everybody at first."""

FUNCTIONS = (
    MAKE_MONTHS,
    DROP_MONTHS,
    FORGET_GRANT_EVENTS,
    *(f"REVOKE ALL ON FUNCTION {signature} FROM PUBLIC" for signature in SIGNATURES),
)
DROP_FUNCTIONS = f"DROP FUNCTION IF EXISTS {', '.join(SIGNATURES)}"
