"""Importing settings in two steps: what a file would do, line by line; then that, and nothing else, in one transaction.

All lines or none. There is no way to import the good lines of a file alone: whoever prepared it meant all of it, and a
file half imported can neither be imported again without looking, nor be compared with what is there.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import sqlalchemy as sa

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.mailboxes import bulk
from gmail_warmup.mailboxes.records import MailboxRecord, MailboxSettings
from gmail_warmup.transfer.parser import PAUSE, Contents, Incoming, LineProblem


class Outcome(StrEnum):
    """What an import does with a line."""

    BAD = "bad"
    """It breaks a rule; while there is one, nothing is imported."""
    ADD = "add"
    """The mailbox is new."""
    UPDATE = "update"
    """The mailbox exists and gets other settings, or is paused."""
    UNCHANGED = "unchanged"
    """The mailbox is so already."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One setting that becomes another."""

    field: str
    before: str | int | None
    after: str | int | None


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a file, and what an import does with it."""

    number: int
    address: str
    outcome: Outcome
    changes: tuple[Change, ...] = ()
    pauses: bool = False
    problems: tuple[LineProblem, ...] = ()
    wish: bulk.Wish | None = None
    pause_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What an import of a file would do at this moment."""

    unit: str
    """What the numbers count: ``line`` or ``entry``."""
    lines: list[Line] = field(repr=False)

    def number(self, outcome: Outcome) -> int:
        """Return how many lines have an outcome."""
        return Counter(line.outcome for line in self.lines)[outcome]

    @property
    def pauses(self) -> int:
        """Return how many mailboxes it pauses."""
        return sum(line.pauses for line in self.lines)

    @property
    def token(self) -> str | None:
        """Return what names exactly this outcome; None while a line is bad."""
        if self.number(Outcome.BAD):
            return None
        told = [
            [line.address, line.outcome, line.pauses, line.pause_reason, line.wish and line.wish.settings.model_dump(),
             [[change.field, change.before, change.after] for change in line.changes]]
            for line in self.lines
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


class PreviewOutdatedError(GmailWarmupError):
    """The import would not do what its preview showed; nothing was imported."""


def preview(connection: sa.Connection, contents: Contents, *, lock: bool = False) -> Preview:
    """Say what an import would do.

    Args:
        lock: keep the mailboxes as they are until the transaction ends.
    """
    known = bulk.known(connection, [item.address for item in contents.mailboxes], lock=lock)
    lines = [_line(item, known.get(item.address), contents.unit) for item in contents.mailboxes]
    lines += _bad_lines(contents.problems)
    return Preview(unit=contents.unit, lines=sorted(lines, key=lambda line: line.number))


def carry_out(connection: sa.Connection, contents: Contents, *, token: str, actor: str) -> Preview:
    """Import everything, if that still is what the preview with this token showed; return what was done.

    Raises:
        PreviewOutdatedError: if it is not, or a line is bad; the caller rolls back.
    """
    now = preview(connection, contents, lock=True)
    if now.token is None or now.token != token:
        raise PreviewOutdatedError
    added, changed = _wishes(now, Outcome.ADD), _wishes(now, Outcome.UPDATE)
    reasons = {line.address: line.pause_reason for line in now.lines if line.pauses and line.pause_reason}
    done = (
        not added or bulk.add(connection, added, actor=actor) == len(added),
        not changed or bulk.change(connection, changed) == len(changed),
        not reasons or bulk.pause(connection, reasons, actor=actor) == len(reasons),
    )
    if not all(done):  # somebody else added one of the new mailboxes meanwhile
        raise PreviewOutdatedError
    return now


def _wishes(shown: Preview, outcome: Outcome) -> list[bulk.Wish]:
    return [line.wish for line in shown.lines if line.outcome is outcome and line.wish]


def _line(item: Incoming, known: MailboxRecord | None, unit: str) -> Line:
    problems = tuple(_refusals(item, known, unit))
    if problems:
        return Line(number=item.number, address=item.address, outcome=Outcome.BAD, problems=problems)
    settings = _wished(item, known)
    changes = _changes(known, settings) if known else ()
    pauses = item.pause_reason is not None and (known is None or known.paused_at is None)
    if pauses and known:
        changes += (Change(field=PAUSE, before=None, after=item.pause_reason),)
    outcome = Outcome.ADD if known is None else Outcome.UPDATE if changes else Outcome.UNCHANGED
    return Line(
        number=item.number,
        address=item.address,
        outcome=outcome,
        changes=changes,
        pauses=pauses,
        wish=bulk.Wish(address=item.address, settings=settings),
        pause_reason=item.pause_reason,
    )


def _wished(item: Incoming, known: MailboxRecord | None) -> MailboxSettings:
    """Return the settings that the mailbox will have: of one that exists, those that the file is silent about stay."""
    if known is None:
        return item.settings
    given = item.settings.model_fields_set
    return item.settings.model_copy(
        update={name: getattr(known, name) for name in MailboxSettings.model_fields if name not in given}
    )


def _changes(known: MailboxRecord, wished: MailboxSettings) -> tuple[Change, ...]:
    pairs = ((name, getattr(known, name), getattr(wished, name)) for name in MailboxSettings.model_fields)
    return tuple(Change(field=name, before=before, after=after) for name, before, after in pairs if before != after)


_BY_SHELL = "import the file on the server: gmail-warmup mailboxes import FILE"


def _refusals(item: Incoming, known: MailboxRecord | None, unit: str) -> list[LineProblem]:
    """Say what only the command line may do."""
    found = []
    if item.grant is not None:
        found.append(("oauth_token", f"holds a token, and tokens must not travel through a browser; {_BY_SHELL}"))
    if known and "auth" in item.settings.model_fields_set and known.auth is not item.settings.auth:
        found.append(("auth", f"is '{known.auth.value}' and cannot be changed here; leave it, or {_BY_SHELL}"))
    return [
        LineProblem(unit=unit, number=item.number, address=item.address, field=column, rule=rule)
        for column, rule in found
    ]


def _bad_lines(problems: Sequence[LineProblem]) -> list[Line]:
    grouped: dict[int, list[LineProblem]] = {}
    for problem in problems:
        grouped.setdefault(problem.number, []).append(problem)
    return [
        Line(
            number=number,
            address=next((problem.address for problem in found if problem.address), ""),
            outcome=Outcome.BAD,
            problems=tuple(found),
        )
        for number, found in grouped.items()
    ]
