"""Parse template files.

The syntax is documented at ``parse_templates``; the built-in templates and those of an operator share it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from gmail_warmup.core.characters import find_character, is_unsafe_in_text
from gmail_warmup.warmup.content import spam_rules
from gmail_warmup.warmup.content.templates import (
    CUSTOM_PLACEHOLDERS,
    PLACEHOLDER_VALUES,
    MailKind,
    MailTemplate,
    TemplateProblem,
)

_LINE_BREAK = re.compile(r"\r\n?|\n")  # those that editors count, unlike str.splitlines()
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}|[{}]")


def parse_templates(
    text: str, *, file_name: str, kind: MailKind, complete: bool
) -> tuple[tuple[MailTemplate, ...], list[TemplateProblem]]:
    """Parse the text of a template file; return the valid templates and all problems.

    A line `== name` begins a template. `Subject:` and each following line contain alternatives separated by ` | `. An
    empty line begins a paragraph, and `#` a comment. Only a first mail has a subject.

    Args:
        complete: whether the templates have their own greeting and closing, as an operator's have.
    """
    return _TemplateParser(file_name, kind, complete).parse(text)


class _TemplateParser:
    def __init__(self, file_name: str, kind: MailKind, complete: bool) -> None:
        self._file_name, self._complete = file_name, complete
        self._has_subject = kind is MailKind.FIRST
        allowed = set(CUSTOM_PLACEHOLDERS) if complete else set(PLACEHOLDER_VALUES)
        self._allowed = allowed if complete or self._has_subject else allowed - {"topic"}
        self._problems: list[TemplateProblem] = []
        self._template: str | None = None

    def parse(self, text: str) -> tuple[tuple[MailTemplate, ...], list[TemplateProblem]]:
        all_lines = _LINE_BREAK.split(spam_rules.normalize_text(text))
        lines = [(number, line.strip()) for number, line in enumerate(all_lines, 1) if line[:1] != "#"]
        starts = [index for index, (_, line) in enumerate(lines) if line.startswith("==")]
        self._check_text_before(lines[: starts[0] if starts else None])
        templates: dict[str, MailTemplate] = {}
        names: set[str] = set()
        for index, end in pairwise([*starts, len(lines)]):
            number, name = lines[index][0], lines[index][1].strip("= ")
            known_problems, self._template = len(self._problems), name
            if not name or name in names:
                self._add_problem(number, "a template needs a unique name", "Write it after the ==.")
            names.add(name)
            template = self._parse_template(name, number, lines[index + 1 : end])
            if len(self._problems) == known_problems:
                templates[name] = template
        if not starts and not self._problems:
            self._add_problem(None, "no templates", "Begin one with a line like '== meeting-notes'.")
        return tuple(templates.values()), self._problems

    def _check_text_before(self, lines: list[tuple[int, str]]) -> None:
        number = next((number for number, line in lines if line), None)
        if number is not None:
            self._add_problem(
                number, "text before the first template", "Begin one with a line like '== meeting-notes'."
            )

    def _parse_template(self, name: str, start: int, lines: list[tuple[int, str]]) -> MailTemplate:
        subjects: tuple[str, ...] = ()
        paragraphs: list[list[tuple[str, ...]]] = [[]]
        for number, line in lines:
            if line.startswith("Subject:"):
                self._check_subject(number, is_repeated=bool(subjects))
                subjects = self._split_alternatives(
                    line.removeprefix("Subject:"), number, max_length=spam_rules.MAX_SUBJECT_LENGTH
                )
            elif line:
                paragraphs[-1].append(self._split_alternatives(line, number, max_length=spam_rules.MAX_TEXT_LENGTH))
            else:
                paragraphs.append([])
        filled = tuple(tuple(paragraph) for paragraph in paragraphs if paragraph)
        self._check_parts(name, start, subjects, filled)
        return MailTemplate(name=name, subjects=subjects, paragraphs=filled, is_complete=self._complete)

    def _check_subject(self, number: int, *, is_repeated: bool) -> None:
        if not self._has_subject:
            self._add_problem(
                number, "a reply has no subject", "Remove the line: a reply keeps the subject of its thread."
            )
        elif is_repeated:
            self._add_problem(number, "a template has one Subject line", "Separate alternatives by ' | ' in one line.")

    def _check_parts(
        self, name: str, start: int, subjects: tuple[str, ...], paragraphs: tuple[tuple[tuple[str, ...], ...], ...]
    ) -> None:
        if not paragraphs:
            self._add_problem(start, f"template '{name}' has no text", "Write the mail below its name.")
        if self._has_subject and not subjects:
            self._add_problem(
                start, f"template '{name}' has no subject", "Add a line like 'Subject: Notes from Monday'."
            )
        lengths = (max(map(spam_rules.count_characters, line)) for paragraph in paragraphs for line in paragraph)
        longest = sum(length + 1 for length in lengths)
        if longest > spam_rules.MAX_TEXT_LENGTH:
            rule = f"template '{name}' is too long ({longest} characters)"
            self._add_problem(start, rule, f"Use up to {spam_rules.MAX_TEXT_LENGTH} characters.")

    def _split_alternatives(self, line: str, number: int, *, max_length: int) -> tuple[str, ...]:
        alternatives = tuple(part.strip() for part in line.split("|"))
        if any(map(spam_rules.is_blank, alternatives)):
            self._add_problem(number, "an alternative is empty", "Write text on both sides of each '|'.")
        if found := find_character(line.replace("\t", " "), is_unsafe_in_text):
            self._add_problem(number, f"contains the character {found}", "Remove it.")
        for unknown in self._find_unknown_placeholders(line):
            known = ", ".join(f"{{{name}}}" for name in sorted(self._allowed))
            self._add_problem(number, f"unknown placeholder {unknown}", f"Use {known}.")
        for part in alternatives:
            if (length := spam_rules.count_characters(part)) > max_length:
                self._add_problem(number, f"too long ({length} characters)", f"Use up to {max_length} characters.")
            for violation in spam_rules.find_violations(_PLACEHOLDER.sub("that", part)):
                self._add_problem(number, violation.rule, violation.remedy)
        return alternatives

    def _find_unknown_placeholders(self, line: str) -> Iterator[str]:
        return (match[0] for match in _PLACEHOLDER.finditer(line) if match[1] not in self._allowed)

    def _add_problem(self, number: int | None, rule: str, remedy: str) -> None:
        self._problems.append(
            TemplateProblem(file=self._file_name, template=self._template, line=number, rule=rule, remedy=remedy)
        )
