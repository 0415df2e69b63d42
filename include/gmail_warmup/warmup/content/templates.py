"""Templates of mails as text files: the package's own, and the same form for an operator's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from gmail_warmup.warmup.content import spam_rules

WORDS: Mapping[str, tuple[str, ...]] = {
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
NAMES = ("sender", "recipient", "signature")
"""The placeholders of an operator's templates."""

_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")


class Kind(StrEnum):
    """What a mail is in its thread; also the name of the file that holds its templates."""

    FIRST = "first"
    """It begins a thread."""
    REPLY = "replies"
    """The recipient answers."""
    FOLLOWUP = "followups"
    """Who began the thread answers an answer."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """A mail in parts: paragraphs of lines, each line and the subject with its alternatives.

    Attributes:
        whole: it has its own greeting and closing, and its lines stay lines; else a line is a sentence.
    """

    name: str
    subjects: tuple[str, ...]
    paragraphs: tuple[tuple[tuple[str, ...], ...], ...]
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong in a file of templates: where, which rule it breaks, and what to do; no line if all of it is."""

    file: str
    line: int | None
    rule: str
    remedy: str

    def __str__(self) -> str:
        """Return the problem as one line."""
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: {self.rule}. {self.remedy}"


def parse(text: str, *, origin: str, kind: Kind, whole: bool) -> tuple[tuple[Template, ...], list[Problem]]:
    """Read templates; return those that are right, and what is wrong with the others.

    `== name` begins one; `Subject:` and then each line hold alternatives separated by ` | `; an empty line begins a
    paragraph, `#` a comment. Only a first mail has a subject.
    """
    return _Reader(origin, kind, whole).read(text)


class _Reader:
    def __init__(self, origin: str, kind: Kind, whole: bool) -> None:
        self._origin, self._whole = origin, whole
        self._has_subject = kind is Kind.FIRST
        allowed = set(NAMES) if whole else set(WORDS)
        self._allowed = allowed if whole or self._has_subject else allowed - {"topic"}
        self._problems: list[Problem] = []

    def read(self, text: str) -> tuple[tuple[Template, ...], list[Problem]]:
        lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line[:1] != "#"]
        starts = [index for index, (_, line) in enumerate(lines) if line.startswith("==")]
        for number, line in lines[: starts[0] if starts else None]:
            if line:
                self._wrong(number, "text before the first template", "Begin one with a line like '== meeting-notes'.")
                break
        found: dict[str, Template] = {}
        for index, end in pairwise([*starts, len(lines)]):
            number, name = lines[index][0], lines[index][1].strip("= ")
            if not name or name in found:
                self._wrong(number, "a template needs a name of its own", "Write it behind the ==.")
            found[name] = self._template(name, number, lines[index + 1 : end])
        if not found and not self._problems:
            self._wrong(None, "no templates", "Begin one with a line like '== meeting-notes'.")
        return tuple(found.values()), self._problems

    def _template(self, name: str, start: int, lines: list[tuple[int, str]]) -> Template:
        subjects: tuple[str, ...] = ()
        paragraphs: list[list[tuple[str, ...]]] = [[]]
        for number, line in lines:
            if line.startswith("Subject:"):
                self._check_subject(number, has_one=bool(subjects))
                subjects = self._alternatives(line.removeprefix("Subject:"), number, longest=spam_rules.LONGEST_SUBJECT)
            elif line:
                paragraphs[-1].append(self._alternatives(line, number, longest=spam_rules.LONGEST_TEXT))
            else:
                paragraphs.append([])
        filled = tuple(tuple(paragraph) for paragraph in paragraphs if paragraph)
        self._check_parts(name, start, subjects, filled)
        return Template(name=name, subjects=subjects, paragraphs=filled, whole=self._whole)

    def _check_subject(self, number: int, *, has_one: bool) -> None:
        if not self._has_subject:
            self._wrong(number, "an answer has no subject", "Remove the line: it keeps that of the mail it answers.")
        elif has_one:
            self._wrong(number, "a template has one Subject line", "Separate alternatives by ' | ' in one line.")

    def _check_parts(
        self, name: str, start: int, subjects: tuple[str, ...], paragraphs: tuple[tuple[tuple[str, ...], ...], ...]
    ) -> None:
        if not paragraphs:
            self._wrong(start, f"template '{name}' has no text", "Write the mail below its first lines.")
        if self._has_subject and not subjects:
            self._wrong(start, f"template '{name}' has no subject", "Add a line like 'Subject: Notes from Monday'.")
        longest = sum(max(map(len, line)) + 1 for paragraph in paragraphs for line in paragraph)
        if longest > spam_rules.LONGEST_TEXT:
            rule = f"template '{name}' is too long ({longest} characters)"
            self._wrong(start, rule, f"Use up to {spam_rules.LONGEST_TEXT} characters.")

    def _alternatives(self, line: str, number: int, *, longest: int) -> tuple[str, ...]:
        found = tuple(part.strip() for part in line.split("|"))
        if not all(found):
            self._wrong(number, "an alternative is empty", "Write something on both sides of each '|'.")
        for unknown in self._unknown(line):
            known = ", ".join(f"{{{name}}}" for name in sorted(self._allowed))
            self._wrong(number, f"unknown placeholder {unknown}", f"Use {known}.")
        for part in found:
            if len(part) > longest:
                self._wrong(number, f"too long ({len(part)} characters)", f"Use up to {longest} characters.")
            for fault in spam_rules.faults(_BRACES.sub("that", part)):
                self._wrong(number, fault.rule, fault.remedy)
        return found

    def _unknown(self, line: str) -> Iterator[str]:
        return (match[0] for match in _BRACES.finditer(line) if match[1] not in self._allowed)

    def _wrong(self, number: int | None, rule: str, remedy: str) -> None:
        self._problems.append(Problem(file=self._origin, line=number, rule=rule, remedy=remedy))
