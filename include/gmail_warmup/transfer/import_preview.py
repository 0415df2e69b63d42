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
from gmail_warmup.transfer.parser import PAUSE_COLUMN, LineProblem, ParsedFile, ParsedMailbox


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
class SettingChange:
    """One setting that becomes another."""

    field: str
    before: str | int | None
    after: str | int | None


@dataclass(frozen=True, kw_only=True)
class PreviewLine:
    """One line of a file, and what an import does with it."""

    number: int
    address: str
    outcome: Outcome
    changes: tuple[SettingChange, ...] = ()
    pauses: bool = False
    problems: tuple[LineProblem, ...] = ()
    mailbox_input: bulk.MailboxInput | None = None
    pause_reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class ImportPreview:
    """What an import of a file would do at this moment."""

    unit: str
    """What the numbers count: ``line`` or ``entry``."""
    lines: list[PreviewLine] = field(repr=False)

    def count_lines(self, outcome: Outcome) -> int:
        """Return how many lines have an outcome."""
        return Counter(line.outcome for line in self.lines)[outcome]

    @property
    def pause_count(self) -> int:
        """Return how many mailboxes it pauses."""
        return sum(line.pauses for line in self.lines)

    @property
    def token(self) -> str | None:
        """Return what names exactly this outcome; None while a line is bad."""
        if self.count_lines(Outcome.BAD):
            return None
        told = [
            [line.address, line.outcome, line.pauses, line.pause_reason,
            line.mailbox_input and line.mailbox_input.settings.model_dump(),
             [[change.field, change.before, change.after] for change in line.changes]]
            for line in self.lines
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


class PreviewOutdatedError(GmailWarmupError):
    """The import would not do what its preview showed; nothing was imported."""


def build_preview(connection: sa.Connection, contents: ParsedFile, *, lock: bool = False) -> ImportPreview:
    """Say what an import would do.

    Args:
        lock: keep the mailboxes as they are until the transaction ends.
    """
    known = bulk.find_existing(connection, [item.address for item in contents.mailboxes], lock=lock)
    lines = [_build_line(item, known.get(item.address), contents.unit) for item in contents.mailboxes]
    lines += _build_bad_lines(contents.problems)
    return ImportPreview(unit=contents.unit, lines=sorted(lines, key=lambda line: line.number))


def apply_preview(connection: sa.Connection, contents: ParsedFile, *, token: str, actor: str) -> ImportPreview:
    """Import everything, if that still is what the preview with this token showed; return what was done.

    Raises:
        PreviewOutdatedError: if it is not, or a line is bad; the caller rolls back.
    """
    now = build_preview(connection, contents, lock=True)
    if now.token is None or now.token != token:
        raise PreviewOutdatedError
    added, changed = _select_inputs(now, Outcome.ADD), _select_inputs(now, Outcome.UPDATE)
    reasons = {line.address: line.pause_reason for line in now.lines if line.pauses and line.pause_reason}
    done = (
        not added or bulk.add_mailboxes(connection, added, actor=actor) == len(added),
        not changed or bulk.update_mailboxes(connection, changed) == len(changed),
        not reasons or bulk.pause_with_reasons(connection, reasons, actor=actor) == len(reasons),
    )
    if not all(done):  # somebody else added one of the new mailboxes meanwhile
        raise PreviewOutdatedError
    return now


def _select_inputs(shown: ImportPreview, outcome: Outcome) -> list[bulk.MailboxInput]:
    return [line.mailbox_input for line in shown.lines if line.outcome is outcome and line.mailbox_input]


def _build_line(item: ParsedMailbox, known: MailboxRecord | None, unit: str) -> PreviewLine:
    problems = tuple(_find_cli_only_problems(item, known, unit))
    if problems:
        return PreviewLine(number=item.number, address=item.address, outcome=Outcome.BAD, problems=problems)
    settings = _merge_settings(item, known)
    changes = _diff_settings(known, settings) if known else ()
    pauses = item.pause_reason is not None and (known is None or known.paused_at is None)
    if pauses and known:
        changes += (SettingChange(field=PAUSE_COLUMN, before=None, after=item.pause_reason),)
    outcome = Outcome.ADD if known is None else Outcome.UPDATE if changes else Outcome.UNCHANGED
    return PreviewLine(
        number=item.number,
        address=item.address,
        outcome=outcome,
        changes=changes,
        pauses=pauses,
        mailbox_input=bulk.MailboxInput(address=item.address, settings=settings),
        pause_reason=item.pause_reason,
    )


def _merge_settings(item: ParsedMailbox, known: MailboxRecord | None) -> MailboxSettings:
    """Return the settings that the mailbox will have: of one that exists, those that the file is silent about stay."""
    if known is None:
        return item.settings
    given = item.settings.model_fields_set
    return item.settings.model_copy(
        update={name: getattr(known, name) for name in MailboxSettings.model_fields if name not in given}
    )


def _diff_settings(known: MailboxRecord, wished: MailboxSettings) -> tuple[SettingChange, ...]:
    pairs = ((name, getattr(known, name), getattr(wished, name)) for name in MailboxSettings.model_fields)
    return tuple(
        SettingChange(field=name, before=before, after=after) for name, before, after in pairs if before != after
    )


_CLI_HINT = "import the file on the server: gmail-warmup mailboxes import FILE"


def _find_cli_only_problems(item: ParsedMailbox, known: MailboxRecord | None, unit: str) -> list[LineProblem]:
    """Say what only the command line may do."""
    found = []
    if item.grant is not None:
        found.append(("oauth_token", f"holds a token, and tokens must not travel through a browser; {_CLI_HINT}"))
    if known and "auth" in item.settings.model_fields_set and known.auth is not item.settings.auth:
        found.append(("auth", f"is '{known.auth.value}' and cannot be changed here; leave it, or {_CLI_HINT}"))
    return [
        LineProblem(unit=unit, number=item.number, address=item.address, field=column, rule=rule)
        for column, rule in found
    ]


def _build_bad_lines(problems: Sequence[LineProblem]) -> list[PreviewLine]:
    grouped: dict[int, list[LineProblem]] = {}
    for problem in problems:
        grouped.setdefault(problem.number, []).append(problem)
    return [
        PreviewLine(
            number=number,
            address=next((problem.address for problem in found if problem.address), ""),
            outcome=Outcome.BAD,
            problems=tuple(found),
        )
        for number, found in grouped.items()
    ]
