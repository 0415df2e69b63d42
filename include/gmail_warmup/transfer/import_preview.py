"""Import settings in two steps: preview the changes line by line, then apply exactly these in one transaction.

Either all lines are imported or none, because a file that was imported by half is hard to import again or to compare
with the database.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import ChangeAction, MailboxAuth
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.core.text import shorten_text
from gmail_warmup.mailboxes import bulk, lookup, removals
from gmail_warmup.mailboxes.change_log import record_change
from gmail_warmup.mailboxes.pause_end import Pause
from gmail_warmup.mailboxes.records import MailboxRecord, MailboxSettings
from gmail_warmup.mailboxes.tags import join_tags
from gmail_warmup.transfer.parser import PAUSE_COLUMN, PAUSE_END_COLUMN, LineProblem, ParsedFile, ParsedMailbox


class Outcome(StrEnum):
    """The effect of an import on one line."""

    BAD = "bad"
    """The line has a problem; nothing is imported while there is one."""
    ADD = "add"
    """The mailbox is new."""
    UPDATE = "update"
    """The mailbox exists and gets other settings, or is paused."""
    UNCHANGED = "unchanged"
    """The mailbox has these settings already."""


@dataclass(frozen=True, kw_only=True)
class SettingChange:
    """A setting with its value before and after the import."""

    field: str
    before: str | int | None
    after: str | int | None

    def __str__(self) -> str:
        """Return it for a list on one line."""
        before, after = (
            shorten_text(str(value)) if value is not None else "none" for value in (self.before, self.after)
        )
        return f"{self.field} {before} -> {after}"


@dataclass(frozen=True, kw_only=True)
class PreviewLine:
    """A line of a file, and the effect of an import on it."""

    number: int
    address: str
    outcome: Outcome
    changes: tuple[SettingChange, ...] = ()
    pauses: bool = False
    needs_sign_in: bool = False
    """Whether the mailbox is new and its owner has to sign in, because the page imports no grants."""
    problems: tuple[LineProblem, ...] = ()
    mailbox_input: bulk.MailboxInput | None = None
    pause: Pause | None = None


@dataclass(frozen=True, kw_only=True)
class ImportPreview:
    """The effects that an import of a file would have now."""

    unit: str
    """The unit of the numbers: ``line``, ``row`` or ``entry``."""
    lines: list[PreviewLine] = field(repr=False)
    warnings: tuple[str, ...] = ()
    """What a person should check, because the encoding of the file is not certain."""
    unchecked: int = 0
    """Number of further lines, after so many problems that the rest was not checked."""

    def count_lines(self, outcome: Outcome) -> int:
        """Return the number of lines with an outcome."""
        return self._counts[outcome]

    @functools.cached_property
    def _counts(self) -> Counter[Outcome]:
        return Counter(line.outcome for line in self.lines)

    @property
    def pause_count(self) -> int:
        """Return the number of mailboxes that would be paused."""
        return sum(line.pauses for line in self.lines)

    @property
    def token(self) -> str | None:
        """Return a hash of all effects, or None if a line has a problem."""
        if self.count_lines(Outcome.BAD):
            return None
        effects = [
            [line.address, line.outcome, line.pauses, str(line.pause),
             line.mailbox_input and line.mailbox_input.settings.model_dump(),
             [[change.field, change.before, change.after] for change in line.changes]]
            for line in self.lines
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(effects).encode()).hexdigest()


class PreviewOutdatedError(GmailWarmupError):
    """The effects would differ from the preview; nothing was imported."""


def build_preview(connection: sa.Connection, contents: ParsedFile, *, lock: bool = False) -> ImportPreview:
    """Return the effects of an import.

    Args:
        lock: lock the rows of the mailboxes until the transaction ends.
    """
    addresses = [item.address for item in contents.mailboxes]
    known = bulk.find_existing(connection, addresses, lock=lock)
    refusals = _find_refusals(connection, addresses)
    lines = [
        _build_line(item, known.get(item.address), contents.unit, refusals.get(item.address))
        for item in contents.mailboxes
    ]
    lines += _build_bad_lines(contents.problems)
    lines.sort(key=lambda line: line.number)
    return ImportPreview(unit=contents.unit, lines=lines, warnings=contents.warnings, unchecked=contents.unchecked)


def _find_refusals(connection: sa.Connection, addresses: Sequence[str]) -> dict[str, str]:
    """Return why addresses are refused: mailboxes that are being removed, or that exist under another address."""
    spellings = lookup.find_second_spellings(connection, addresses)
    removed = removals.find_removed(connection, addresses)
    return {address: lookup.describe_spelling(address, first) for address, first in spellings.items()} | {
        address: str(removals.MailboxBeingRemovedError(address)) for address in removed
    }


def apply_preview(connection: sa.Connection, contents: ParsedFile, *, token: str, actor: str) -> ImportPreview:
    """Import everything if the effects are still those of the preview with this token; return them.

    Raises:
        PreviewOutdatedError: if they differ, or a line has a problem; the caller rolls back.
    """
    now = build_preview(connection, contents, lock=True)
    if now.token is None or now.token != token:
        raise PreviewOutdatedError
    added, changed = _select_inputs(now, Outcome.ADD), _select_inputs(now, Outcome.UPDATE)
    pauses = {line.address: line.pause for line in now.lines if line.pauses and line.pause}
    done = (
        not added or len(bulk.add_mailboxes(connection, added, actor=actor)) == len(added),
        not changed or bulk.update_mailboxes(connection, changed, actor=actor) == len(changed),
        not pauses or bulk.pause_each(connection, pauses, actor=actor) == len(pauses),
    )
    if not all(done):  # another transaction has added one of the new mailboxes
        raise PreviewOutdatedError
    counts = {"added": len(added), "updated": len(changed), "paused": len(pauses)}
    if any(counts.values()):
        record_change(connection, ChangeAction.IMPORT, actor=actor, after=counts)
    return now


def _select_inputs(shown: ImportPreview, outcome: Outcome) -> list[bulk.MailboxInput]:
    return [line.mailbox_input for line in shown.lines if line.outcome is outcome and line.mailbox_input]


def _build_line(item: ParsedMailbox, known: MailboxRecord | None, unit: str, refusal: str | None) -> PreviewLine:
    problems = tuple(_find_database_problems(item, known, unit, refusal))
    if problems:
        return PreviewLine(number=item.number, address=item.address, outcome=Outcome.BAD, problems=problems)
    settings = merge_settings(item, known)
    changes = diff_settings(known, settings) if known else ()
    pauses = item.pause is not None and (known is None or known.paused_at is None)
    if item.pause and known and pauses:
        changes += tuple(_list_pause_changes(item.pause))
    outcome = Outcome.ADD if known is None else Outcome.UPDATE if changes else Outcome.UNCHANGED
    return PreviewLine(
        number=item.number,
        address=item.address,
        outcome=outcome,
        changes=changes,
        pauses=pauses,
        needs_sign_in=known is None and settings.auth is MailboxAuth.GRANT,
        mailbox_input=bulk.MailboxInput(address=item.address, settings=settings),
        pause=item.pause,
    )


def _list_pause_changes(pause: Pause) -> Iterator[SettingChange]:
    yield SettingChange(field=PAUSE_COLUMN, before=None, after=pause.reason)
    if pause.until:
        yield SettingChange(field=PAUSE_END_COLUMN, before=None, after=pause.until.isoformat())


def merge_settings(item: ParsedMailbox, known: Any | None) -> MailboxSettings:
    """Return the settings after the import; an existing mailbox keeps those that are not in the file."""
    if known is None:
        return item.settings
    given = item.settings.model_fields_set
    return item.settings.model_copy(
        update={name: getattr(known, name) for name in MailboxSettings.model_fields if name not in given}
    )


def diff_settings(known: Any, imported: MailboxSettings) -> tuple[SettingChange, ...]:
    """Return the settings of a record or row that an import changes."""
    pairs = ((name, getattr(known, name), getattr(imported, name)) for name in MailboxSettings.model_fields)
    return tuple(
        SettingChange(field=name, before=_to_cell(before), after=_to_cell(after))
        for name, before, after in pairs
        if before != after
    )


def _to_cell(value: Any) -> Any:
    return join_tags(value) or None if isinstance(value, tuple) else value


_CLI_HINT = "import the file on the server: gmail-warmup mailboxes import FILE"


def _find_database_problems(
    item: ParsedMailbox, known: MailboxRecord | None, unit: str, refusal: str | None
) -> list[LineProblem]:
    """Return problems for an address that is refused, and for changes that only the command line may make."""
    found = []
    if refusal:
        found.append(("address", refusal))
    if item.grant is not None:
        found.append(("oauth_token", f"contains a token, and tokens must not be sent through a browser; {_CLI_HINT}"))
    if known and "auth" in item.settings.model_fields_set and known.auth is not item.settings.auth:
        found.append(("auth", f"is '{known.auth.value}' and cannot be changed here; keep it, or {_CLI_HINT}"))
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
