"""Mail templates, and the placeholders that they may contain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

PLACEHOLDER_VALUES: Mapping[str, tuple[str, ...]] = {
    "topic": (
        "the onboarding guide",
        "the project overview",
        "the weekly report",
        "the meeting agenda",
        "the team calendar",
        "the training outline",
        "the draft summary",
        "the review checklist",
        "the planning sheet",
        "the workshop outline",
        "the feedback form",
        "the contact list",
        "the room plan",
        "the style guide",
        "the handover document",
        "the test protocol",
        "the reading list",
        "the process description",
        "the timetable",
        "the yearly overview",
    ),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    "time": ("at ten", "at half past ten", "at eleven", "at two", "at half past two", "at three"),
}
"""The values of the placeholders in the built-in templates."""
CUSTOM_PLACEHOLDERS = ("sender", "recipient", "signature")
"""The placeholders in an operator's templates."""


class MailKind(StrEnum):
    """The position of a mail in its thread; also the name of the file with its templates."""

    FIRST = "first"
    """The first mail of a thread."""
    REPLY = "replies"
    """A reply of the recipient."""
    FOLLOWUP = "followups"
    """A reply of the sender to such a reply."""


@dataclass(frozen=True, kw_only=True)
class MailTemplate:
    """A mail as paragraphs of lines, with alternatives for each line and for the subject.

    Attributes:
        is_complete: whether it has its own greeting and closing and keeps its lines; otherwise each line is a sentence
            and greeting and closing are added.
    """

    name: str
    subjects: tuple[str, ...]
    paragraphs: tuple[tuple[tuple[str, ...], ...], ...]
    is_complete: bool


@dataclass(frozen=True, kw_only=True)
class TemplateProblem:
    """A problem in a template file: the violated rule and the remedy.

    Attributes:
        template: its name; None for the whole file.
        line: None for the whole file.
    """

    file: str
    template: str | None = None
    line: int | None
    rule: str
    remedy: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        template = "" if self.template is None else f", template '{self.template}'"
        line = "" if self.line is None else f", line {self.line}"
        return f"{self.file}{line}{template}: {self.rule}. {self.remedy}"
