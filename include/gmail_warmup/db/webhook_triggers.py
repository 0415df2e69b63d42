"""The triggers that record events for webhooks, each in the transaction of the transition that it reports.

Whatever code makes a transition, its event is recorded, or neither is. Nothing is recorded for a type of event that no
receiver gets. The function runs with the rights of the schema's owner, so that an upgrade needs no new privilege before
``gmail-warmup init``, and accepts every stored value.
"""

from __future__ import annotations

from gmail_warmup.core.enums import FLAGGED_STATES
from gmail_warmup.core.enums import WebhookType as Type

_FLAGGED = ", ".join(f"'{state}'" for state in sorted(FLAGGED_STATES))

# The first consent of a mailbox is not a recovery: the event before it is the addition, which has no former state.
RECORD_WEBHOOK_EVENT = f"""
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
        event.type := '{Type.REMOVED}';
        event.mailbox_id := OLD.id;
        event.address := OLD.address;
        event.state := 'removed';
        event.reason := 'removed';
    WHEN 'grant_event' THEN
        IF NEW.to_state IN ({_FLAGGED}) THEN
            event.type := '{Type.NEEDS_REAUTH}';
        ELSIF NEW.to_state = 'active' AND NEW.from_state IN ({_FLAGGED}) AND NOT EXISTS (
            SELECT FROM (
                SELECT e.from_state FROM gmail_warmup.grant_event e
                WHERE e.mailbox_id = NEW.mailbox_id AND e.id < NEW.id ORDER BY e.id DESC LIMIT 1
            ) previous WHERE previous.from_state IS NULL
        ) THEN
            event.type := '{Type.RECOVERED}';
        END IF;
        event.mailbox_id := NEW.mailbox_id;
        event.at := NEW.at;
        event.previous_state := NEW.from_state;
        event.state := NEW.to_state;
        event.reason := NEW.reason;
    WHEN 'oauth_grant' THEN
        event.type := '{Type.EXPIRING}';
        event.mailbox_id := NEW.mailbox_id;
        event.previous_state := NEW.state;
        event.state := NEW.state;
        event.reason := CASE WHEN NEW.expiring_at = NEW.refresh_expires_at THEN 'expiry_announced' ELSE 'not_used' END;
        event.detail := jsonb_build_object('expires_at', NEW.expiring_at);
    WHEN 'health_event' THEN
        event.type := '{Type.HEALTH_CHANGED}';
        event.mailbox_id := NEW.mailbox_id;
        event.at := NEW.at;
        event.previous_state := NEW.from_band;
        event.state := NEW.to_band;
        event.reason := NEW.reason;
    WHEN 'mailbox_readiness' THEN
        event.previous_state := CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END;
        IF NEW.state = 'ready' AND event.previous_state IS DISTINCT FROM 'ready' THEN
            event.type := '{Type.READY}';
        ELSIF NEW.state <> 'ready' AND event.previous_state = 'ready' THEN
            event.type := '{Type.NOT_READY}';
        END IF;
        event.mailbox_id := NEW.mailbox_id;
        event.state := NEW.state;
        event.reason := NEW.reason;
        event.detail := jsonb_build_object('cold_mails', NEW.cold_mails);
    WHEN 'mailbox_failure' THEN
        event.mailbox_id := OLD.mailbox_id;
        IF TG_OP = 'UPDATE' THEN
            event.type := '{Type.NOT_WORKING}';
            event.previous_state := 'active';
            event.state := 'not_working';
            event.reason := NEW.reason;
            event.detail := jsonb_build_object('since', NEW.since);
        ELSIF EXISTS (
            SELECT FROM gmail_warmup.mailbox m JOIN gmail_warmup.oauth_grant g ON g.mailbox_id = m.id
            WHERE m.id = OLD.mailbox_id AND g.state NOT IN ({_FLAGGED})
        ) THEN
            event.type := '{Type.RECOVERED}';
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
"""  # noqa: S608  the values of enums


def _build_trigger(name: str, moment: str, condition: str = "true") -> str:
    return (
        f"CREATE OR REPLACE TRIGGER {name} AFTER {moment} FOR EACH ROW WHEN ({condition})"
        " EXECUTE FUNCTION gmail_warmup.record_webhook_event()"
    )


WEBHOOK_TRIGGERS = (
    RECORD_WEBHOOK_EVENT,
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
DROP_WEBHOOK_TRIGGERS = "DROP FUNCTION IF EXISTS gmail_warmup.record_webhook_event() CASCADE"
