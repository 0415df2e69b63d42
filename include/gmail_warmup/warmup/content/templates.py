"""Templates of mails as text files: the package's own, and the same form for an operator's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from gmail_warmup.warmup.content import spam_rules

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
"""What the placeholders of the package's own templates stand for."""
CUSTOM_PLACEHOLDERS = ("sender", "recipient", "signature")
"""The placeholders of an operator's templates."""

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}|[{}]")


class MailKind(StrEnum):
    """What a mail is in its thread; also the name of the file that holds its templates."""

    FIRST = "first"
    """It begins a thread."""
    REPLY = "replies"
    """The recipient answers."""
    FOLLOWUP = "followups"
    """Who began the thread answers an answer."""


@dataclass(frozen=True, kw_only=True)
class MailTemplate:
    """A mail in parts: paragraphs of lines, each line and the subject with its alternatives.

    Attributes:
        whole: it has its own greeting and closing, and its lines stay lines; else a line is a sentence.
    """

    name: str
    subjects: tuple[str, ...]
    paragraphs: tuple[tuple[tuple[str, ...], ...], ...]
    is_complete: bool


@dataclass(frozen=True, kw_only=True)
class TemplateProblem:
    """What is wrong in a file of templates: where, which rule it breaks, and what to do; no line if all of it is."""

    file: str
    line: int | None
    rule: str
    remedy: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: {self.rule}. {self.remedy}"


def parse_templates(
    text: str, *, origin: str, kind: MailKind, whole: bool
) -> tuple[tuple[MailTemplate, ...], list[TemplateProblem]]:
    """Read templates; return those that are right, and what is wrong with the others.

    `== name` begins one; `Subject:` and then each line hold alternatives separated by ` | `; an empty line begins a
    paragraph, `#` a comment. Only a first mail has a subject.
    """
    return _TemplateParser(origin, kind, whole).parse(text)


class _TemplateParser:
    def __init__(self, origin: str, kind: MailKind, whole: bool) -> None:
        self._origin, self._whole = origin, whole
        self._has_subject = kind is MailKind.FIRST
        allowed = set(CUSTOM_PLACEHOLDERS) if whole else set(PLACEHOLDER_VALUES)
        self._allowed = allowed if whole or self._has_subject else allowed - {"topic"}
        self._problems: list[TemplateProblem] = []

    def parse(self, text: str) -> tuple[tuple[MailTemplate, ...], list[TemplateProblem]]:
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line[:1] != "#"]
        starts = [index for index, (_, line) in enumerate(lines) if line.startswith("==")]
        for number, line in lines[: starts[0] if starts else None]:
            if line:
                self._add_problem(
                    number, "text before the first template", "Begin one with a line like '== meeting-notes'."
                )
                break
        found: dict[str, MailTemplate] = {}
        for index, end in pairwise([*starts, len(lines)]):
            number, name = lines[index][0], lines[index][1].strip("= ")
            if not name or name in found:
                self._add_problem(number, "a template needs a name of its own", "Write it behind the ==.")
            found[name] = self._parse_template(name, number, lines[index + 1 : end])
        if not found and not self._problems:
            self._add_problem(None, "no templates", "Begin one with a line like '== meeting-notes'.")
        return tuple(found.values()), self._problems

    def _parse_template(self, name: str, start: int, lines: list[tuple[int, str]]) -> MailTemplate:
        subjects: tuple[str, ...] = ()
        paragraphs: list[list[tuple[str, ...]]] = [[]]
        for number, line in lines:
            if line.startswith("Subject:"):
                self._check_subject(number, has_one=bool(subjects))
                subjects = self._split_alternatives(
                    line.removeprefix("Subject:"), number, longest=spam_rules.MAX_SUBJECT_LENGTH
                )
            elif line:
                paragraphs[-1].append(self._split_alternatives(line, number, longest=spam_rules.MAX_TEXT_LENGTH))
            else:
                paragraphs.append([])
        filled = tuple(tuple(paragraph) for paragraph in paragraphs if paragraph)
        self._check_parts(name, start, subjects, filled)
        return MailTemplate(name=name, subjects=subjects, paragraphs=filled, is_complete=self._whole)

    def _check_subject(self, number: int, *, has_one: bool) -> None:
        if not self._has_subject:
            self._add_problem(
                number, "an answer has no subject", "Remove the line: it keeps that of the mail it answers."
            )
        elif has_one:
            self._add_problem(number, "a template has one Subject line", "Separate alternatives by ' | ' in one line.")

    def _check_parts(
        self, name: str, start: int, subjects: tuple[str, ...], paragraphs: tuple[tuple[tuple[str, ...], ...], ...]
    ) -> None:
        if not paragraphs:
            self._add_problem(start, f"template '{name}' has no text", "Write the mail below its first lines.")
        if self._has_subject and not subjects:
            self._add_problem(
                start, f"template '{name}' has no subject", "Add a line like 'Subject: Notes from Monday'."
            )
        longest = sum(max(map(len, line)) + 1 for paragraph in paragraphs for line in paragraph)
        if longest > spam_rules.MAX_TEXT_LENGTH:
            rule = f"template '{name}' is too long ({longest} characters)"
            self._add_problem(start, rule, f"Use up to {spam_rules.MAX_TEXT_LENGTH} characters.")

    def _split_alternatives(self, line: str, number: int, *, longest: int) -> tuple[str, ...]:
        found = tuple(part.strip() for part in line.split("|"))
        if not all(found):
            self._add_problem(number, "an alternative is empty", "Write something on both sides of each '|'.")
        for unknown in self._find_unknown_placeholders(line):
            known = ", ".join(f"{{{name}}}" for name in sorted(self._allowed))
            self._add_problem(number, f"unknown placeholder {unknown}", f"Use {known}.")
        for part in found:
            if len(part) > longest:
                self._add_problem(number, f"too long ({len(part)} characters)", f"Use up to {longest} characters.")
            for fault in spam_rules.find_violations(_PLACEHOLDER.sub("that", part)):
                self._add_problem(number, fault.rule, fault.remedy)
        return found

    def _find_unknown_placeholders(self, line: str) -> Iterator[str]:
        return (match[0] for match in _PLACEHOLDER.finditer(line) if match[1] not in self._allowed)

    def _add_problem(self, number: int | None, rule: str, remedy: str) -> None:
        self._problems.append(TemplateProblem(file=self._origin, line=number, rule=rule, remedy=remedy))
