"""What a removal says to a person: why it waits, and the receipt."""

from __future__ import annotations

from collections.abc import Mapping

from gmail_warmup.core.reasons import ReasonBase
from gmail_warmup.core.text import pluralize
from gmail_warmup.mailboxes.removals import DONE, Removal
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.warmup.removal.steps import DATABASE_REFUSED, NO_GRANT, TIME_IS_UP

WAITING_TEXTS = {
    "mailbox_busy": "A task uses the mailbox.",
    "partner_busy": "A task is sending a mail to it.",
    "grant_busy": "A process is refreshing its grant.",
    TIME_IS_UP: "It takes longer than one run.",
    DATABASE_REFUSED: "The database refused a step; the log of the task 'removals' has the error.",
    "configuration": "A Connection or an option is missing or wrong. Run: gmail-warmup doctor.",
    "stopped": "Everything is stopped; the removal continues after 'gmail-warmup start'.",
}
"""Why a removal waits, by the codes that are not in ``REASONS``."""
OUTCOMES = (DONE, NO_GRANT, *REASONS)
"""The outcomes of the steps at Google."""
_CONTINUES = "It continues automatically with the next run of gmail_monitor."
_ACCOUNT_PAGE = "https://myaccount.google.com/connections"


def explain_problem(code: str) -> str:
    """Return the sentence for the reason code of a removal that waits."""
    return WAITING_TEXTS.get(code) or _get_reason(code).message


def is_complete(removal: Removal) -> bool:
    """Return whether a removal is finished, and Google did what was asked for."""
    outcomes = {removal.trash_outcome, removal.revoke_outcome}
    return removal.is_done and outcomes <= {None, DONE, NO_GRANT}


def describe_removal(removal: Removal) -> str:
    """Return the state of a removal as sentences; those about a finished one are its receipt."""
    if not removal.is_done:
        why = f" {explain_problem(removal.problem)}" if removal.problem else ""
        return f"The removal of {removal.address} waits.{why} {_CONTINUES}"
    parts = [_describe_counts("Deleted", removal.receipt.get("deleted", {}))]
    parts.append(_describe_counts("Kept as anonymous counts of other mailboxes", removal.receipt.get("anonymized", {})))
    parts.append(_describe_counts("Address replaced in", removal.receipt.get("redacted", {})))
    return " ".join(filter(None, [*parts, _describe_trash(removal), _describe_revocation(removal)]))


def _describe_counts(title: str, counts: Mapping[str, int]) -> str:
    listed = ", ".join(f"{table} {number}" for table, number in sorted(counts.items()))
    return f"{title}: {listed}." if listed else ""


def _describe_trash(removal: Removal) -> str:
    if removal.trash_outcome is None:
        return ""
    moved = f"Moved to the trash: {pluralize(removal.trashed, 'message')}."
    if removal.trash_outcome == DONE:
        return moved
    return f"{moved} The others stay, because: {explain_problem(removal.trash_outcome)}"


def _describe_revocation(removal: Removal) -> str:
    if removal.revoke_outcome is None:
        return ""
    if removal.revoke_outcome == DONE:
        return "Google revoked the grant."
    if removal.revoke_outcome == NO_GRANT:
        return "There was no grant to revoke."
    why = explain_problem(removal.revoke_outcome)
    return f"The grant was not revoked: {why} The owner of the account can end it at {_ACCOUNT_PAGE}."


def _get_reason(code: str) -> ReasonBase:
    return REASONS.look_up(code, "unknown_answer")
