"""What a simulation came to: the truth at Google's side, held against what was asked for."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from bench.engine.cast import Player, Script
from bench.engine.stage import Stage
from gmail_sandbox.records import MailRecord
from gmail_warmup.core.enums import HealthBand
from gmail_warmup.db.models import HealthEvent, LedgerEntry, Mailbox, MailStatus

L = LedgerEntry
ENOUGH = 50
"""First mails of one sender from which on its rates are looked at; with fewer, half a mail is more than a point."""
UNFINISHED = sa.or_(
    L.placement.is_(None),
    sa.and_(L.rescue_due_at.is_not(None), L.rescued_at.is_(None)),
    sa.and_(L.read_due_at.is_not(None), L.read_at.is_(None)),
    sa.and_(L.reply_due_at.is_not(None), L.replied_at.is_(None)),
    sa.and_(L.parent_id.is_not(None), L.collected_at.is_(None)),
)
"""A sent mail of which something is left to do, when all that was due is done."""
_SLOWED = (HealthBand.THROTTLED, HealthBand.PAUSED, HealthBand.BLOCKED)
_STOPPED = (HealthBand.PAUSED, HealthBand.BLOCKED)


@dataclass(kw_only=True)
class Reckoning:
    """What happened; that of several shards can be added up.

    Attributes:
        mails: that Google accepted, first mails and answers.
        duplicates: of them more than one for one claim, or for one mail that is answered.
        lost: mails that were claimed and never sent, sent and not recorded, or not carried on to their end.
        outside_hours: first mails outside of the hours and days of their sender, answers in the answerer's night.
        repeated_texts: subjects of first mails, and texts of any mails, that the same two mailboxes had in 60 days.
        planned: first mails that the ramp asks of the senders whose health is good.
        volume_error: by how many their mails differ from it, summed over mailboxes and days.
        open_rate_error, reply_rate_error: the most that one sender's rate is away from its setting, in points.
        throttled_after, paused_after: days from the rise of the spam chance until the last mailbox of the sick domain
            was slowed, was stopped; None if one never was.
        innocent_throttled: other mailboxes that were ever slowed or stopped.
        ready_wrong: days on which a mailbox in spam was ready, and other mailboxes that were not ready in time.
        largest_jump: per cent by which the volume of a ready mailbox grew most from one sending day to the next.
        volume: by date, first mails as (planned, sent).
        placement: by date, first mails by where Gmail put them.
        bands: by date, mailboxes by band at its end.
    """

    mails: int = 0
    duplicates: int = 0
    lost: int = 0
    outside_hours: int = 0
    repeated_texts: int = 0
    planned: int = 0
    volume_error: int = 0
    open_rate_error: float = 0.0
    reply_rate_error: float = 0.0
    throttled_after: float | None = None
    paused_after: float | None = None
    innocent_throttled: int = 0
    ready_wrong: int = 0
    largest_jump: float = 0.0
    volume: dict[date, Counter[str]] = field(default_factory=dict)
    placement: dict[date, Counter[str]] = field(default_factory=dict)
    bands: dict[date, Counter[str]] = field(default_factory=dict)

    def as_json(self, script: Script) -> str:
        """Return what the picture is drawn from."""
        plain = {
            name: {str(day): dict(counts) for day, counts in value.items()} if isinstance(value, dict) else value
            for name, value in vars(self).items()
        }
        return json.dumps(plain | {"sick_from": str(script.sick_at.date())}, indent=1, sort_keys=True)


def together(parts: Iterable[Reckoning]) -> Reckoning:
    """Add up the reckonings of shards."""
    total = Reckoning()
    for part in parts:
        for name in (
            "mails",
            "duplicates",
            "lost",
            "outside_hours",
            "repeated_texts",
            "planned",
            "volume_error",
            "innocent_throttled",
            "ready_wrong",
        ):
            setattr(total, name, getattr(total, name) + getattr(part, name))
        for name in ("open_rate_error", "reply_rate_error", "largest_jump"):
            setattr(total, name, max(getattr(total, name), getattr(part, name)))
        for name in ("throttled_after", "paused_after"):
            known = [days for days in (getattr(total, name), getattr(part, name)) if days is not None]
            setattr(total, name, max(known, default=None))
        for name in ("volume", "placement", "bands"):
            for day, counts in getattr(part, name).items():
                getattr(total, name).setdefault(day, Counter()).update(counts)
    return total


def bands_now(stage: Stage) -> Counter[str]:
    """Return how many warmup mailboxes are in each band."""
    query = sa.select(Mailbox.band, sa.func.count()).where(Mailbox.kind == "warmup").group_by(Mailbox.band)
    with stage.engine.begin() as connection:
        return Counter({band: count for band, count in connection.execute(query)})


def reckon(stage: Stage, bands: dict[date, Counter[str]]) -> Reckoning:
    """Look at Google's side, and at the ledger for what should have become of each mail."""
    senders = {player.address: player for player in stage.script.players if player.kind == "warmup"}
    firsts, answers = _threads(stage)
    came = Reckoning(mails=len(stage.google.mails), bands=bands)
    came.duplicates = _duplicates(stage, answers)
    came.lost = _lost(stage)
    came.outside_hours = sum(_outside(stage, mail) for mail in stage.google.mails)
    came.repeated_texts = count_repeated(stage.google.mails)
    _count_volume(came, stage.script, senders, firsts)
    _count_rates(came, senders, firsts, answers)
    for mail in firsts.values():
        day = _local(mail.sent_at, senders[mail.sender].zone).date()
        came.placement.setdefault(day, Counter())[_placement(mail)] += 1
    _look_at_health(came, stage)
    return came


def _threads(stage: Stage) -> tuple[dict[str, MailRecord], dict[str, list[MailRecord]]]:
    """Return the first mails by Message-ID, and the mails that answer a mail by its Message-ID."""
    firsts, answers = {}, defaultdict(list)
    for mail in stage.google.mails:
        answered = mail.sent.content.header("in-reply-to").strip()
        if answered:
            answers[answered].append(mail)
        else:
            firsts[mail.sent.content.rfc_id] = mail
    return firsts, answers


def _token(stage: Stage, mail: MailRecord) -> str:
    return mail.sent.content.header(stage.settings.token_header)


def _duplicates(stage: Stage, answers: Mapping[str, list[MailRecord]]) -> int:
    tokens = Counter(_token(stage, mail) for mail in stage.google.mails)
    twice_answered = sum(len(mails) - 1 for mails in answers.values())
    return sum(count - 1 for count in tokens.values()) + twice_answered


def _lost(stage: Stage) -> int:
    """Count mails whose row and whose mail at Google do not agree, and those that stopped on their way."""
    query = sa.select(L.token, sa.case((L.status != MailStatus.SENT, True), else_=UNFINISHED).label("stuck"))
    with stage.engine.begin() as connection:
        rows = {row.token: row.stuck for row in connection.execute(query)}
    sent = {_token(stage, mail) for mail in stage.google.mails}
    return len(rows.keys() ^ sent) + sum(stuck for token, stuck in rows.items() if token in sent)


def count_repeated(mails: Iterable[MailRecord]) -> int:
    """Count what two mailboxes wrote to each other before, within 60 days: subjects of first mails, texts of all."""
    last: dict[tuple[frozenset[str], str, str], float] = {}
    repeated = 0
    for mail in sorted(mails, key=lambda mail: mail.sent_at):
        content = mail.sent.content
        pair = frozenset((mail.sender, *content.addresses("to")))
        written = [(pair, "text", content.text)]
        if not content.header("in-reply-to"):
            written.append((pair, "subject", content.header("subject")))
        for key in written:
            repeated += key in last and mail.sent_at - last[key] < timedelta(days=60).total_seconds()
            last[key] = mail.sent_at
    return repeated


def _local(seconds: float, zone: str) -> datetime:
    return datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(zone))


def _outside(stage: Stage, mail: MailRecord) -> bool:
    local = _local(mail.sent_at, stage.mailbox(mail.sender).timezone)
    minute = local.hour * 60 + local.minute
    if mail.sent.content.header("in-reply-to"):
        begins, ends = 23 * 60, 7 * 60  # the default night
        return minute >= begins or minute < ends
    return local.weekday() > 4 or not 9 * 60 <= minute < 18 * 60


def _count_volume(
    came: Reckoning, script: Script, senders: Mapping[str, Player], firsts: Mapping[str, MailRecord]
) -> None:
    sent: dict[str, Counter[date]] = {address: Counter() for address in senders}
    for mail in firsts.values():
        sent[mail.sender][_local(mail.sent_at, senders[mail.sender].zone).date()] += 1
    for address, player in senders.items():
        for day, asked in _asked(script, player):
            counts = came.volume.setdefault(day, Counter())
            counts["planned"] += asked
            counts["sent"] += sent[address][day]
            if player.domain != script.sick_domain or day < script.sick_at.date():
                came.planned += asked
                came.volume_error += abs(asked - sent[address][day])


def _asked(script: Script, player: Player) -> Iterator[tuple[date, int]]:
    """Yield each local day whose hours lie within the simulation, with the mails that the default ramp asks for."""
    zone = ZoneInfo(player.zone)
    # West of Greenwich the simulation begins on the evening of a Sunday.
    day, sending_days = script.start.astimezone(zone).date(), 0
    while datetime.combine(day, time(18), zone) <= script.end:
        is_sending_day = day.weekday() < 5
        yield day, min(5 + 2 * sending_days, 40, player.daily_target) if is_sending_day else 0
        sending_days += is_sending_day
        day += timedelta(days=1)


def _count_rates(
    came: Reckoning,
    senders: Mapping[str, Player],
    firsts: Mapping[str, MailRecord],
    answers: Mapping[str, list[MailRecord]],
) -> None:
    total, opened, answered = Counter[str](), Counter[str](), Counter[str]()
    for rfc_id, mail in firsts.items():
        total[mail.sender] += 1
        opened[mail.sender] += any("UNREAD" in event.removed for copy in mail.copies for event in copy.message.events)
        answered[mail.sender] += bool(answers.get(rfc_id))
    for address, count in total.items():
        if count >= ENOUGH:
            player = senders[address]
            for name, done, rate in (
                ("open_rate_error", opened, player.open_rate), ("reply_rate_error", answered, player.reply_rate),
            ):  # fmt: skip
                error = abs(100 * done[address] / count - rate)
                setattr(came, name, max(getattr(came, name), error))


def _placement(mail: MailRecord) -> str:
    return mail.copies[0].placement if mail.copies else "missing"


def _look_at_health(came: Reckoning, stage: Stage) -> None:
    script = stage.script
    query = (
        sa.select(Mailbox.address, Mailbox.domain, HealthEvent.to_band, HealthEvent.at)
        .join(HealthEvent, HealthEvent.mailbox_id == Mailbox.id)
        .where(HealthEvent.to_band.in_(_SLOWED))
        .order_by(HealthEvent.id)
    )
    slowed: dict[str, datetime] = {}
    stopped: dict[str, datetime] = {}
    innocent: set[str] = set()
    with stage.engine.begin() as connection:
        for address, domain, band, at in connection.execute(query):
            if domain != script.sick_domain or at < script.sick_at:
                innocent.add(address)
                continue
            slowed.setdefault(address, at)
            if band in _STOPPED:
                stopped.setdefault(address, at)
    sick = {player.address for player in script.players if player.domain == script.sick_domain}
    came.innocent_throttled = len(innocent)
    came.throttled_after = _last(script, sick, slowed)
    came.paused_after = _last(script, sick, stopped)


def _last(script: Script, sick: set[str], when: Mapping[str, datetime]) -> float | None:
    """Return the days until the last of the sick mailboxes was met; None where there are none, or one never was."""
    if not sick:
        return None
    if sick - when.keys():
        return float(script.days)
    return (max(when[address] for address in sick) - script.sick_at) / timedelta(days=1)
