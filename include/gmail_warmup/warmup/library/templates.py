"""Templates of mails as text files: the package's own, and the same form for an operator's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise

from gmail_warmup.errors import InvalidInputError

PLACEHOLDERS = frozenset(("topic", "day", "time"))

_BRACES = re.compile(r"\{([^{}]*)\}|[{}]")


@dataclass(frozen=True, kw_only=True)
class Template:
    """A mail in parts: paragraphs of sentences, each sentence and the subject with its alternatives."""

    name: str
    subjects: tuple[str, ...]
    paragraphs: tuple[tuple[tuple[str, ...], ...], ...]


@lru_cache
def first_mails() -> tuple[Template, ...]:
    """Return the library of first mails."""
    return parse(_read("first.txt"), origin="first.txt")


@lru_cache
def replies() -> tuple[Template, ...]:
    """Return the library of replies; they have no subjects and name no topic."""
    return parse(_read("replies.txt"), origin="replies.txt", reply=True)


def parse(text: str, *, origin: str, reply: bool = False) -> tuple[Template, ...]:
    """Read templates.

    `== name` begins one; `Subject:` and then each line hold alternatives separated by ` | `, a line being one
    sentence; an empty line begins a paragraph, `#` a comment. `{topic}`, `{day}` and `{time}` may be used; a reply
    has no subject and no topic.

    Raises:
        InvalidInputError: naming `origin` (a file), the line and the rule.
    """
    allowed = PLACEHOLDERS - {"topic"} if reply else PLACEHOLDERS
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line[:1] != "#"]
    starts = [index for index, (_, line) in enumerate(lines) if line.startswith("==")]
    for number, line in lines[: starts[0] if starts else None]:
        if line:
            raise _wrong(origin, number, "text before the first '== name'")
    templates: list[Template] = []
    for index, end in pairwise([*starts, len(lines)]):
        number, name = lines[index][0], lines[index][1].strip("= ")
        if not name or any(name == other.name for other in templates):
            raise _wrong(origin, number, "a template needs a name of its own")
        templates.append(_template(name, number, lines[index + 1 : end], origin, reply, allowed))
    return tuple(templates)


def _template(
    name: str, start: int, lines: list[tuple[int, str]], origin: str, reply: bool, allowed: frozenset[str]
) -> Template:
    subjects: tuple[str, ...] = ()
    paragraphs: list[list[tuple[str, ...]]] = [[]]
    for number, line in lines:
        if line.startswith("Subject:"):
            if reply or subjects:
                raise _wrong(origin, number, "a reply has no subject" if reply else "a template has one Subject line")
            subjects = _alternatives(line.removeprefix("Subject:"), number, origin, allowed)
        elif line:
            paragraphs[-1].append(_alternatives(line, number, origin, allowed))
        else:
            paragraphs.append([])
    filled = tuple(tuple(paragraph) for paragraph in paragraphs if paragraph)
    if not filled or not (subjects or reply):
        raise _wrong(origin, start, f"template '{name}' needs {'a text' if reply else 'a Subject line and a text'}")
    return Template(name=name, subjects=subjects, paragraphs=filled)


def _alternatives(line: str, number: int, origin: str, allowed: frozenset[str]) -> tuple[str, ...]:
    found = tuple(part.strip() for part in line.split("|"))
    if not all(found):
        raise _wrong(origin, number, "an alternative is empty")
    for unknown in _unknown(line, allowed):
        raise _wrong(origin, number, f"unknown placeholder {unknown}; use {', '.join(sorted(allowed))} in braces")
    return found


def _unknown(line: str, allowed: frozenset[str]) -> Iterator[str]:
    return (match[0] for match in _BRACES.finditer(line) if match[1] not in allowed)


def _wrong(origin: str, number: int, rule: str) -> InvalidInputError:
    return InvalidInputError(f"{origin}, line {number}: {rule}.")


def _read(name: str) -> str:
    return (files("gmail_warmup.warmup") / "library" / name).read_text(encoding="utf-8")
