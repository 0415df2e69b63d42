"""A database in which every known member of every stored enum, and every known reason code, is in some row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import (
    ChangeAction,
    ChangeSource,
    DnsResult,
    GrantEventReason,
    GrantState,
    HealthBand,
    ReadinessState,
    SubjectKind,
)
from gmail_warmup.db.models import Base
from gmail_warmup.domains.authentication_reasons import AUTHENTICATION_REASONS
from gmail_warmup.domains.reasons import DNS_REASONS
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.health.reasons import WARMUP_REASONS
from gmail_warmup.warmup.readiness.reasons import READINESS_REASONS
from gmail_warmup.warmup.removal.text import OUTCOMES, WAITING_TEXTS
from support.poisoned_world import insert_row, valid_rows

_CONSTRAINT = re.compile(r"(\w+) IN \((.*)\)")
_CODE_NAME = re.compile(
    r"(.*_)?(action|auth|band|code|kind|method|outcome|placement|problem|purpose|ramp|reason|record|result|source|state"
    r"|status|step|type)|refused_by"
)
_STATES = (*GrantState, *HealthBand, *ReadinessState)
_NOT_LIMITED: dict[str, Iterable[str]] = {
    "breaker.reason": REASONS,
    "change_log.action": ChangeAction,
    "change_log.source": ChangeSource,
    "change_log.subject_kind": SubjectKind,
    "domain_check.bad_code": [code for code, reason in DNS_REASONS.items() if reason.result is DnsResult.BAD],
    "domain_check.code": DNS_REASONS,
    "grant_event.from_state": GrantState,
    "grant_event.reason": (*REASONS, *GrantEventReason),
    "grant_event.to_state": GrantState,
    "health_event.from_band": HealthBand,
    "health_event.reason": WARMUP_REASONS,
    "health_event.to_band": HealthBand,
    "incident.reason": (*REASONS, *AUTHENTICATION_REASONS),
    "mailbox.band_reason": WARMUP_REASONS,
    "mailbox.deferred_reason": WARMUP_REASONS,
    "mailbox_day.reduction_reason": WARMUP_REASONS,
    "mailbox_failure.reason": REASONS,
    "mailbox_readiness.reason": (*READINESS_REASONS, *WARMUP_REASONS),
    "mailbox_removal.problem": (*WAITING_TEXTS, *REASONS),
    "mailbox_removal.revoke_outcome": OUTCOMES,
    "mailbox_removal.trash_outcome": OUTCOMES,
    "oauth_grant.reason": REASONS,
    "webhook_event.previous_state": _STATES,
    "webhook_event.reason": REASONS,
    "webhook_event.state": _STATES,
}
"""Columns of codes that the database does not limit, since a newer version may have stored others."""
_OTHERS = frozenset(
    ("consent.outcome", "consent.purpose", "consent.kept_result",  # of the callback: see test_oauth_callback.py
     "dag_heartbeat.step", "halt.reason", "ledger.bounce_status", "mailbox.pause_reason", "webhook_receiver.problem")
)  # fmt: skip
"""Columns with such a name that are texts, or are not shown."""
_SOON = "now() + interval '1 day'"
Members = dict[str, dict[str, list[str | None]]]


def find_members() -> Members:
    """Return the known values of each column of codes, by table and column; None among them where it may be null."""
    found: Members = {}
    for table in Base.metadata.sorted_tables:
        limited = {
            match[1]: re.findall(r"'([^']*)'", match[2])
            for constraint in table.constraints
            if isinstance(constraint, sa.CheckConstraint) and (match := _CONSTRAINT.fullmatch(str(constraint.sqltext)))
        }
        for column in table.columns:
            name = f"{table.name}.{column.name}"
            if table.name == "ledger_history" or name in _OTHERS:  # the rows of the history are those of the ledger
                continue
            values = limited.get(column.name) or list(_NOT_LIMITED.get(name, ()))
            assert values or not (isinstance(column.type, sa.Text) and _CODE_NAME.fullmatch(column.name)), (
                f"say in {__name__} which codes the column {name} has"
            )
            if values:
                found.setdefault(table.name, {})[column.name] = [
                    *map(str, values),
                    *([None] if column.nullable else []),
                ]
    return found


def store_members(connection: sa.Connection, *, user: str) -> list[str]:
    """Store each member in a row of a mailbox of its own; return the addresses.

    Args:
        user: whose repair queue has the mailboxes.
    """
    members = find_members()
    rounds = max(len(values) for columns in members.values() for values in columns.values())
    pool = insert_row(
        connection, "mailbox", {"address": "'pool@pool.example'", "kind": "'pool'", "created_by": "'x'"}, returning="id"
    )
    insert_row(connection, "oauth_grant", {"mailbox_id": str(pool), "state": "'active'"})
    addresses = []
    for number in range(rounds):
        chosen = {
            table: {column: values[number % len(values)] for column, values in columns.items()}
            for table, columns in members.items()
        }
        addresses.append(f"m{number}@d{number}.example")
        _store_round(connection, chosen, number, addresses[-1], pool=pool, user=user)
    return addresses


def _store_round(
    connection: sa.Connection,
    chosen: dict[str, dict[str, str | None]],
    number: int,
    address: str,
    *,
    pool: int,
    user: str,
) -> None:
    _make_valid(chosen)
    mailbox = {"address": f"'{address}'", "created_by": "'x'", "deferred_until": _SOON, "band_since": "now()"}
    mailbox_id = insert_row(connection, "mailbox", mailbox | _quote(chosen.pop("mailbox")), returning="id")
    own = {"mailbox_id": str(mailbox_id)}
    insert_row(connection, "oauth_grant", own | _quote(chosen.pop("oauth_grant")))
    day = own | {"local_date": "current_date", "planned": "99", "sent": "9"}
    insert_row(connection, "mailbox_day", day | _quote(chosen.pop("mailbox_day")))
    for slot, (column, value) in enumerate(chosen.pop("ledger").items()):
        mail = valid_rows("ledger", number, mailbox_id)[0] | {
            "token": f"'{number:016x}{slot:016x}'", "slot": str(slot), "recipient_id": str(pool), column: _sql(value),
        }  # fmt: skip
        insert_row(connection, "ledger", mail | ({"bounced_at": "now()"} if column == "bounce_kind" else {}))
    tag = {"tag": f"'t{number}'"}
    insert_row(connection, "mailbox_tag", own | tag)
    more: dict[str, dict[str, str]] = {
        "repair": {"airflow_user": f"'{user}'", "position": str(number)},
        "tag_schedule": tag,
        "grant_day": {"domain": f"'d{number}.example'", "day": "current_date - 1", "mailboxes": "1"},
        "change_log": {"before": _changed(chosen), "after": _changed(chosen)},
    }
    for table, values in chosen.items():
        rows = valid_rows(table, number, mailbox_id) or [{}]
        for row in rows:
            insert_row(connection, table, row | more.get(table, {}) | _quote(values))
    if number == 0:
        _store_derived(connection, mailbox_id)


def _store_derived(connection: sa.Connection, mailbox_id: int) -> None:
    """Store rows in each state that is computed from their times: of an invite, a delivery and an OAuth client."""
    event = valid_rows("webhook_event", 0, mailbox_id)[0] | {"message_id": "'delivered'"}
    event_id = insert_row(connection, "webhook_event", event, returning="id")
    delivery = {"event_id": str(event_id), "mailbox_id": str(mailbox_id), "receiver": "'desk'"}
    for times in ({}, {"sent_at": "now()"}, {"given_up_at": "now()"}):
        insert_row(connection, "webhook_delivery", delivery | times)
    invite = valid_rows("invite", 0, mailbox_id)[0]
    revoked = {"revoked_at": "now()", "revoked_by": "'x'"}
    for variant, times in enumerate(({"expires_at": _SOON}, {"used_at": "now()"}, revoked, {})):
        insert_row(connection, "invite", invite | times | {"token_hash": f"'{variant}'"})
    for name, retired_at in (("open", "NULL"), ("used", "now()"), ("free", "now()")):
        client = {"conn_id": f"'{name}'", "client_id": f"'{name}'", "retired_at": retired_at}
        insert_row(connection, "oauth_client", client)
    connection.execute(sa.text("UPDATE gmail_warmup.oauth_grant SET client_id = 'used'"))


def _make_valid(chosen: dict[str, dict[str, Any]]) -> None:
    """Replace what does not belong together, so that each row is one that this version stores."""
    chosen["domain_check"]["result"] = DNS_REASONS[chosen["domain_check"]["code"]].result.value
    if chosen["domain_check"]["bad_code"] is None:
        chosen["domain_check"] |= {"bad_since": None, "bad_seen_at": None}
    if chosen["grant_event"]["reason"] is None:
        chosen["grant_event"]["reason"] = GrantEventReason.CONSENT.value
    incident = chosen["incident"]
    table = AUTHENTICATION_REASONS if incident["kind"] == "unauthenticated" else REASONS
    if incident["reason"] not in table:
        incident["reason"] = next(iter(table))
    if chosen["mailbox_removal"]["step"] == "done":
        chosen["mailbox_removal"]["problem"] = None
    else:
        chosen["mailbox_removal"] |= {"finished_at": None}


def _changed(chosen: dict[str, dict[str, str | None]]) -> str:
    """Return recorded values of a change, as SQL."""
    values = {
        "state": chosen["grant_event"]["to_state"], "band": chosen["health_event"]["to_band"],
        "band_reason": chosen["health_event"]["reason"], "readiness": chosen["mailbox_readiness"]["state"],
        "kind": chosen["grant_day"]["kind"],
    }  # fmt: skip
    return _sql(json.dumps(values))


def _quote(values: dict[str, str | None]) -> dict[str, str]:
    return {column: _sql(value) for column, value in values.items()}


def _sql(value: str | None) -> str:
    return "NULL" if value is None else f"'{value}'"


def find_raw_codes(text: str) -> list[str]:
    """Return, with their surroundings, the codes in a text for people that cannot be words of a sentence."""
    codes = {code for columns in find_members().values() for values in columns.values() for code in values if code}
    raw = "|".join(sorted(code for code in codes if "_" in code and "." not in code))
    pattern = rf"(?<![\w.])(?:{raw})(?!\w)|This version does not know"
    return [text[max(0, found.start() - 60) : found.end() + 40] for found in re.finditer(pattern, text)]
