"""The effect of an import on each mailbox, as a dry run lists it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class MailboxOutcome(StrEnum):
    """The effect of an import on a mailbox."""

    NOT_IMPORTED = "not_imported"
    """Nothing of it is imported."""
    NEW = "new"
    """It is added."""
    CHANGED = "changed"
    """It exists and gets other settings, or is paused."""
    UNCHANGED = "unchanged"
    """It exists and keeps its settings."""


class GrantOutcome(StrEnum):
    """The effect of an import on a grant."""

    NEEDS_SIGN_IN = "needs_sign_in"
    """The owner has to sign in."""
    REPLACED = "replaced"
    """The stored grant is replaced."""
    IMPORTED = "imported"
    """It is stored; there was none."""
    KEPT = "kept"
    """The stored grant is kept, because it works and is newer."""
    UNCHANGED = "unchanged"
    """This grant is stored already."""
    NONE = "none"
    """The import contains no grant for it, and none is needed."""


_TEXT_OF_MAILBOX = {
    MailboxOutcome.NOT_IMPORTED: "not imported",
    MailboxOutcome.NEW: "new",
    MailboxOutcome.CHANGED: "settings changed",
    MailboxOutcome.UNCHANGED: "existing, settings unchanged",
}
_TEXT_OF_GRANT = {
    GrantOutcome.NEEDS_SIGN_IN: "needs sign-in",
    GrantOutcome.REPLACED: "grant replaced",
    GrantOutcome.IMPORTED: "grant imported",
    GrantOutcome.KEPT: "stored grant kept",
    GrantOutcome.UNCHANGED: "grant stored already",
}
REASONS = {
    GrantOutcome.NEEDS_SIGN_IN: "the import contains no grant for it",
    GrantOutcome.KEPT: "it works and is newer than the imported one",
}
"""Why a grant has an outcome, if nothing more exact is known."""


@dataclass(frozen=True, kw_only=True)
class MailboxEffect:
    """The effect of an import on one mailbox, and the reason."""

    source: str
    """Where the data comes from: a line, a row or a file."""
    address: str
    mailbox: MailboxOutcome
    grant: GrantOutcome = GrantOutcome.NONE
    changes: tuple[str, ...] = ()
    """The changed settings with their values before and after."""
    pauses: bool = False
    why: str = ""

    def describe(self) -> str:
        """Return what happens as one line of text."""
        settings = f": {', '.join(self.changes)}" if self.changes else ""
        parts = (
            _TEXT_OF_MAILBOX[self.mailbox] + settings,
            _TEXT_OF_GRANT.get(self.grant, ""),
            "paused" if self.pauses else "",
        )
        return "; ".join(part for part in parts if part)


def sort_by_urgency(effects: Iterable[MailboxEffect]) -> Sequence[MailboxEffect]:
    """Return effects in the order in which a person needs them: what is not imported and what to do come first."""
    ranks, grants = list(MailboxOutcome), list(GrantOutcome)
    return sorted(
        effects,
        key=lambda effect: (
            effect.mailbox is not MailboxOutcome.NOT_IMPORTED,
            effect.grant is not GrantOutcome.NEEDS_SIGN_IN,
            grants.index(effect.grant),
            ranks.index(effect.mailbox),
        ),
    )
