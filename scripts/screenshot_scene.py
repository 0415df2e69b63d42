"""Fictional data for the screenshots: about sixty mailboxes in all states, with thirty days of history."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from gmail_embedded.installation import SANDBOX_CLIENT_ID
from gmail_warmup.core.enums import DnsResult
from gmail_warmup.core.settings import Settings
from gmail_warmup.db.models import (
    AuditRun,
    DomainCheck,
    GrantDay,
    GrantEvent,
    HealthEvent,
    Invite,
    LedgerEntry,
    Mailbox,
    MailboxDay,
    MailboxReadiness,
    OAuthGrant,
)
from gmail_warmup.domains.reasons import DNS_REASONS
from gmail_warmup.warmup.content import compose
from gmail_warmup.warmup.content.compose import MailContext
from gmail_warmup.warmup.content.template_library import load_builtin_templates
from gmail_warmup.warmup.content.templates import MailKind
from gmail_warmup.warmup.planning.schedules import Schedule
from gmail_warmup.warmup.readiness.store import update_readiness

FEATURED = "lucia.moreno@northlane.example"
"""The mailbox on the mailbox page."""
BROKEN = "hello@brightwater.example"
"""The mailbox of the consent pages."""
RESTING = "dmitri.volkov@brightwater.example"
"""The mailbox paused by its health."""
STRANGER = "someone.else@brightwater.example"
"""The account that signs in instead."""

REMOVALS = """
INSERT INTO gmail_warmup.mailbox_removal (mailbox_id, requested_at, requested_by, revoke_grant, trash_mail, step,
  problem, trashed, trash_outcome, revoke_outcome, receipt, finished_at)
SELECT id, now() - interval '4 minutes', 'maria', true, false, 'erase', 'mailbox_busy', 0, null, 'done',
  '{}'::jsonb, null FROM gmail_warmup.mailbox WHERE address = 'samir.patel@northlane.example'
UNION ALL SELECT 9001, now() - interval '2 days', 'maria', true, true, 'done', null, 118, 'done', 'done',
  '{"deleted": {"mailbox": 1, "oauth_grant": 1, "grant_event": 6, "invite": 2, "mailbox_day": 41},
    "anonymized": {"ledger": 212}, "redacted": {"alert": 3, "mailbox": 1}}', now() - interval '2 days'
UNION ALL SELECT 9002, now() - interval '9 days', 'jonas', true, false, 'done', null, 0, null, 'unreachable',
  '{"deleted": {"mailbox": 1, "oauth_grant": 1, "grant_event": 4, "mailbox_day": 12}, "anonymized": {"ledger": 37}}',
  now() - interval '8 days'
"""
"""Adds one removal that waits, one that is finished, and one whose grant was not revoked."""

DAG_RUNS = """
INSERT INTO dag_run (dag_id, run_id, run_type, state, run_after, logical_date, start_date, end_date)
SELECT dag_id, 'scheduled__' || at, 'scheduled', 'success', at, at, at, at + seconds * interval '1 second' FROM (
  SELECT 'gmail_warmup' AS dag_id, date_trunc('hour', now()) - step * interval '10 minutes' AS at,
    40 + mod(step, 13) AS seconds FROM generate_series(1, 1000) AS step
  UNION ALL SELECT 'gmail_token_health', date_trunc('day', now()) - step * interval '1 day', 11 + mod(step, 5)
    FROM generate_series(0, 6) AS step
) AS runs
"""
"""Adds a week of finished runs in Airflow's table."""

_NAMES = (
    "Amara Okafor", "Ben Whitfield", "Chiara Conti", "Dmitri Volkov", "Elif Demir", "Finn Larsen", "Grace Mbeki",
    "Hugo Lefevre", "Ines Carvalho", "Jonas Weber", "Kaya Tanaka", "Lucia Moreno", "Mateo Silva", "Nadia Haddad",
    "Owen Price", "Priya Nair", "Quinn Harper", "Rosa Jimenez", "Samir Patel",
)  # fmt: skip
_WARMUP = ("brightwater.example", "northlane.example")
_POOL = ("inbox-one.example", "inbox-two.example")
_ZONES = ("Europe/Berlin", "Europe/Lisbon", "America/New_York", "Asia/Tokyo", "UTC")
_READY_DAYS = 10
_DAYS, _LEDGER_DAYS = 30, 8
_KINDS = ("warmup", "pool")


@dataclass
class _Box:
    address: str
    kind: str
    name: str | None
    zone: str
    age: int
    """Days since the mailbox was added."""
    state: str = "active"
    reason: str | None = None
    since: float = 0
    """Days since the grant entered its state; 0 means at its consent."""
    more: dict[str, Any] = field(default_factory=dict)
    id: int = 0

    def state_at(self, ago: float) -> str:
        """Return the state of the grant some days ago."""
        return self.state if self.since >= ago or self.reason == "never_granted" else "active"

    @property
    def first_name(self) -> str:
        return (self.name or self.address).split()[0]


_TROUBLE: dict[str, dict[str, Any]] = {
    BROKEN: {"state": "needs_reauth", "reason": "expired_or_revoked", "since": 0.4},
    "finn.larsen@brightwater.example": {"state": "needs_reauth", "reason": "expired_or_revoked", "since": 1.1},
    "rosa.jimenez@inbox-one.example": {"state": "needs_reauth", "reason": "scope_missing", "since": 2.3},
    "chiara.conti@inbox-two.example": {"state": "needs_reauth", "reason": "never_granted", "since": 5.0},
    "elif.demir@inbox-two.example": {"state": "blocked_by_admin", "reason": "blocked_by_admin", "since": 3.2},
    "quinn.harper@inbox-one.example": {"state": "account_deleted", "reason": "account_deleted", "since": 9.0},
    "grace.mbeki@brightwater.example": {"state": "disabled", "reason": "gmail_disabled", "since": 1.7},
    "jonas.weber@northlane.example": {"state": "suspect", "reason": "grant_refused", "since": 0.02},
    "kaya.tanaka@northlane.example": {"more": {"expires": 2.4}},
    "owen.price@inbox-one.example": {"more": {"expires": 5.6}},
    "amara.okafor@brightwater.example": {"more": {"paused": "On parental leave until March"}},
    "samir.patel@northlane.example": {"more": {"paused": "Domain moves to the new Workspace"}},
    RESTING: {"more": {"bands": (("throttled", "spam_much", 2.6), ("paused", "spam_too_much", 1.4)), "spam": 0.26}},
    "hugo.lefevre@northlane.example": {"more": {"bands": (("throttled", "spam_much", 0.8),), "spam": 0.18}},
    "nadia.haddad@northlane.example": {"more": {"bands": (("blocked", "spam_mostly", 0.4),), "spam": 0.45}},
    "priya.nair@brightwater.example": {"more": {"bands": (("watch", "spam_some", 1.2),), "spam": 0.13}},
}
_REST_DAYS = 2
_RECORDS = (
    ("brightwater.example", "spf", "ok", ""), ("brightwater.example", "dkim", "ok", ""),
    ("brightwater.example", "dmarc", "dmarc_missing", "_dmarc.brightwater.example"),
    ("northlane.example", "spf", "ok", ""), ("northlane.example", "dkim", "no_answer", "google._domainkey"),
    ("northlane.example", "dmarc", "ok", ""),
)  # fmt: skip


class Scene:
    """Fill the database with reproducible numbers; the times end now."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._random = random.Random(20)  # noqa: S311  pictures, not secrets
        self._now = datetime.now(UTC)

    def fill(self) -> None:
        """Write all rows."""
        boxes = list(self._boxes())
        for box in boxes:
            self._add(box)
        pool = [box for box in boxes if box.kind == "pool"]
        for box in boxes:
            if box.kind == "warmup":
                self._warm_up(box, pool)
        self._invite(boxes)
        self._look_at_domains()
        self._audit(boxes)

    def _audit(self, boxes: list[_Box]) -> None:
        """Write the daily audits, and the states that they found."""
        for back in range(_DAYS, -1, -1):
            found = {kind: Counter(box.state_at(back) for box in boxes if box.kind == kind) for kind in _KINDS}
            for kind, states in found.items():
                for state, mailboxes in states.items():
                    day = self._now.date() - timedelta(days=back)
                    self._insert(
                        GrantDay, domain="", day=day, kind=kind, state=state, mailboxes=mailboxes, key="mailboxes"
                    )
            states = sum(found.values(), Counter())
            report = {
                "mailboxes": len(boxes), "valid": 1, "refreshed": states["active"] - 1, "suspect": states["suspect"],
                "needs_reauth": states["needs_reauth"], "blocked": states["blocked_by_admin"],
                "deleted": states["account_deleted"], "disabled": states["disabled"], "advice": [],
            }  # fmt: skip
            seconds = self._random.uniform(8, 15)
            self._insert(
                AuditRun, run_id=f"scheduled-{back}", actor="gmail_token_health", healthy=52, report=report,
                started_at=self._ago(back + 0.2 + seconds / 86_400), finished_at=self._ago(back + 0.2),
            )  # fmt: skip

    def _boxes(self) -> Iterator[_Box]:
        yield self._box(BROKEN, "warmup", None, 24)
        for domain in _WARMUP:
            for name in _NAMES:
                yield self._box(_address(name, domain), "warmup", name, self._random.randint(12, 70))
        for domain in _POOL:
            for name in _NAMES[::2] if domain == _POOL[1] else _NAMES:
                yield self._box(_address(name, domain), "pool", name, self._random.randint(40, 90))

    def _box(self, address: str, kind: str, name: str | None, age: int) -> _Box:
        zone = self._random.choice(_ZONES)
        age, zone = (27, "Europe/Lisbon") if address == FEATURED else (age, zone)
        return _Box(address, kind, name, zone, age, **_TROUBLE.get(address, {}))

    def _add(self, box: _Box) -> None:
        paused = box.more.get("paused")
        box.id = self._insert(
            Mailbox, address=box.address, kind=box.kind, display_name=box.name, timezone=box.zone, created_by="maria",
            created_at=self._ago(box.age), daily_target=self._random.choice((30, 40, 40, 50)),
            signature=f"{box.name}\n{box.address.partition('@')[2]}" if box.address == RESTING else None,
            paused_at=self._ago(2.2) if paused else None, paused_by="maria" if paused else None, pause_reason=paused,
        )  # fmt: skip
        never = box.reason == "never_granted"
        granted = None if never else self._ago(box.age - 0.1)
        expires = box.more.get("expires")
        self._insert(
            OAuthGrant, mailbox_id=box.id, state=box.state, reason=box.reason,
            state_since=self._ago(box.since) if box.reason else granted, granted_at=granted,
            refreshed_at=None if never else self._ago(box.since + self._random.uniform(0.005, 0.04)),
            refresh_expires_at=self._ago(-expires) if expires else None, key="mailbox_id",
            client_id=None if never else SANDBOX_CLIENT_ID,
        )  # fmt: skip
        self._history(box)

    def _history(self, box: _Box) -> None:
        steps: list[tuple[float, str, str | None, str, str | None]] = [
            (box.age, "maria", None, "needs_reauth", "never_granted")
        ]
        if box.reason != "never_granted":
            steps.append((box.age - 0.1, "maria", "needs_reauth", "active", "consent"))
        if box.address == FEATURED:
            steps += [
                (9.3, "gmail_token_health", "active", "suspect", "grant_refused"),
                (9.2, "gmail_token_health", "suspect", "needs_reauth", "grant_refused_twice"),
                (8.7, "invite", "needs_reauth", "active", "consent"),
            ]
        if box.reason and box.reason != "never_granted":
            steps.append((box.since, "gmail_token_health", "active", box.state, box.reason))
        for ago, actor, before, after, reason in steps:
            self._insert(
                GrantEvent, mailbox_id=box.id, at=self._ago(ago), actor=actor, from_state=before, to_state=after,
                reason=reason,
            )  # fmt: skip

    def _health(self, box: _Box) -> None:
        before = "healthy"
        for band, reason, ago in box.more.get("bands", ()):
            self._insert(
                HealthEvent, mailbox_id=box.id, at=self._ago(ago), actor="warmup", from_band=before, to_band=band,
                reason=reason, placed=140, spam=round(140 * box.more["spam"]), bounced=1, is_alertable=False,
            )  # fmt: skip
            rest = self._now.date() + timedelta(days=_REST_DAYS) if band == "paused" else None
            values = {"band": band, "band_reason": reason, "band_since": self._ago(ago), "health_window_start": rest}
            self._connection.execute(sa.update(Mailbox).where(Mailbox.id == box.id).values(values))
            before = band

    def _look_at_domains(self) -> None:
        for domain, record, code, detail in _RECORDS:
            result = DNS_REASONS[code].result
            bad = {"bad_code": code, "bad_since": self._ago(1.1), "bad_seen_at": self._ago(0.1)}
            statement = sa.insert(DomainCheck).values(
                domain=domain, record=record, result=result, code=code, detail=detail, checked_at=self._ago(0.1),
                **(bad if result is DnsResult.BAD else {}),
            )  # fmt: skip
            self._connection.execute(statement)

    def _warm_up(self, box: _Box, pool: list[_Box]) -> None:
        target = self._connection.execute(sa.select(Mailbox.daily_target).where(Mailbox.id == box.id)).scalar_one()
        today = self._now.date()
        until = int(box.since) if box.state not in ("active", "suspect") else 2 if "paused" in box.more else 0
        until = 1 if box.address == RESTING else until
        warmup_day = 0
        for back in range(min(box.age, _DAYS + 15), until - 1, -1):
            day = today - timedelta(days=back)
            if day.weekday() >= 5:
                continue
            warmup_day += 1
            planned = Schedule.from_settings(Settings()).ramp.compute_volume(warmup_day=warmup_day, daily_target=target)
            if back <= _DAYS:
                self._day(box, day, planned, back, warmup_day, pool)
        self._connection.execute(sa.update(Mailbox).where(Mailbox.id == box.id).values(warmup_days=warmup_day))
        self._health(box)

    def _day(self, box: _Box, day: date, planned: int, back: int, warmup_day: int, pool: list[_Box]) -> None:
        sent = planned if back else round(planned * 0.6)
        spam = box.more.get("spam") if back < _LEDGER_DAYS else None
        placements = [self._placement(spam or max(0.02, 0.28 - 0.012 * warmup_day)) for _ in range(sent)]
        count = {name: placements.count(name) for name in ("inbox", "spam", "promotions", "missing")}
        read = round(0.8 * (sent - count["missing"]))
        self._insert(
            MailboxDay, mailbox_id=box.id, local_date=day, ramp=planned, planned=planned, sent=sent,
            claimed=0 if back < _LEDGER_DAYS else sent,  # a trigger counts the claims in the ledger
            inbox=count["inbox"], spam=count["spam"], elsewhere=count["promotions"],
            missing=count["missing"], rescued=count["spam"], read=read, replied=round(0.55 * read), key="mailbox_id",
        )  # fmt: skip
        if back < _LEDGER_DAYS:
            for slot, placement in enumerate(placements):
                self._mail(box, self._random.choice(pool), day, slot, placement)

    def _placement(self, spam: float) -> str:
        weights = (1 - spam - 0.045, spam, 0.035, 0.01)
        return self._random.choices(("inbox", "spam", "promotions", "missing"), weights)[0]

    def _mail(self, box: _Box, recipient: _Box, day: date, slot: int, placement: str) -> None:
        morning = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
        planned = morning + timedelta(minutes=11 * slot + self._random.randint(0, 9))
        sent = min(planned, self._now - timedelta(minutes=45 - min(slot, 40)))
        seen = placement != "missing"
        read = sent + timedelta(minutes=self._random.randint(8, 90))
        is_read = seen and self._random.random() < 0.8 and read < self._now
        token = f"{self._random.getrandbits(80):020x}"
        names = {"sender_name": box.first_name, "recipient_name": recipient.first_name}
        context = MailContext(kind=MailKind.FIRST, seed=token, thread_seed=token, **names)
        mail = compose.compose_mail(context, load_builtin_templates())
        self._insert(
            LedgerEntry, token=token, sender_id=box.id, recipient_id=recipient.id, local_date=day, slot=slot,
            due_at=sent, claimed_at=sent, sent_at=sent, status="sent", subject=mail.subject, placement=placement,
            placed_at=read, rescued_at=read if placement == "spam" else None, read_at=read if is_read else None,
            replied_at=read + timedelta(minutes=20) if is_read and self._random.random() < 0.6 else None,
        )  # fmt: skip

    def _invite(self, boxes: list[_Box]) -> None:
        by_address = {box.address: box.id for box in boxes}
        invites: list[tuple[str, float, dict[str, Any]]] = [
            ("chiara.conti@inbox-two.example", 1.2, {}),
            ("finn.larsen@brightwater.example", 0.3, {}),
            (FEATURED, 8.9, {"used_at": self._ago(8.7)}),
            ("rosa.jimenez@inbox-one.example", 2.0, {"revoked_at": self._ago(1.5), "revoked_by": "maria"}),
            ("chiara.conti@inbox-two.example", 12.0, {}),
        ]
        for address, ago, more in sorted(invites, key=lambda item: -item[1]):
            self._insert(
                Invite, token_hash=f"{self._random.getrandbits(256):064x}", mailbox_id=by_address[address],
                created_by="maria", created_at=self._ago(ago), expires_at=self._ago(ago - 7), **more,
            )  # fmt: skip

    def _ago(self, days: float) -> datetime:
        return self._now - timedelta(days=days)

    def _insert(self, table: Any, *, key: str = "id", **values: Any) -> int:
        statement = sa.insert(table).values(**values).returning(getattr(table, key))
        return int(self._connection.execute(statement).scalar_one())


def grow_readiness(engine: sa.Engine) -> None:
    """Let ten days pass in which the runs of the DAG raise the number of cold mails of ready mailboxes."""
    settings = Settings(sending_days="mon,tue,wed,thu,fri,sat,sun")
    for _ in range(_READY_DAYS):
        update_readiness(engine, settings)
        with engine.begin() as connection:
            a_day_ago = {
                "local_date": MailboxReadiness.local_date - 1,
                "since": MailboxReadiness.since - timedelta(days=1),
            }
            connection.execute(sa.update(MailboxReadiness).values(a_day_ago))
    update_readiness(engine, settings)


def _address(name: str, domain: str) -> str:
    return f"{name.lower().replace(' ', '.')}@{domain}"
