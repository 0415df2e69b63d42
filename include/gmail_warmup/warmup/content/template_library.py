"""Where templates come from: the package's own library, or an operator's folder."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.warmup.content.templates import Kind, Problem, Template, parse

_LARGEST = 1_000_000
"""Bytes of a file of templates at most."""


@dataclass(frozen=True, kw_only=True)
class Collection:
    """Templates by language and kind; each language has all kinds, so that a thread stays in one."""

    languages: Mapping[str, Mapping[Kind, tuple[Template, ...]]]

    def of(self, kind: Kind, *, thread: str) -> Sequence[Template]:
        """Return the templates for a mail; all mails of a thread are in one language.

        Args:
            thread: the seed of the thread.
        """
        names = sorted(self.languages)
        language = names[int(random.Random(f"language:{thread}").random() * len(names))]  # noqa: S311  # variety
        return self.languages[language][kind]


@lru_cache
def library() -> Collection:
    """Return the package's own templates."""
    found: dict[Kind, tuple[Template, ...]] = {}
    for kind in Kind:
        name = f"{kind}.txt"
        text = (files("gmail_warmup.warmup.content") / "library" / name).read_text(encoding="utf-8")
        found[kind], problems = parse(text, origin=name, kind=kind, whole=False)
        assert not problems, problems
    return Collection(languages={"en": found})


def read(folder: Path) -> tuple[Collection, list[Problem]]:
    """Read an operator's folder; return what is right in it, and every problem.

    A file is named after what it holds, and its language if there are several: `first.txt`, `replies.de.txt`.
    """
    problems: list[Problem] = []
    found: dict[str, dict[Kind, tuple[Template, ...]]] = {}
    for file in _files(folder, problems):
        kind, language = _named(file.name)
        if kind is None:
            rule = "the name says neither first, replies nor followups"
            problems.append(_of_file(file.name, rule, "Name it like first.txt or replies.de.txt."))
            continue
        text = _text(file, problems)
        if text is not None:
            found.setdefault(language, {})[kind], wrong = parse(text, origin=file.name, kind=kind, whole=True)
            problems += wrong
    problems += _gaps(found)
    if not found and not problems:
        problems.append(_of_file(str(folder), "no templates", "Put first.txt, replies.txt and followups.txt there."))
    return Collection(languages=found), problems


def load(folder: Path) -> Collection:
    """Return the templates of an operator's folder.

    Raises:
        InvalidInputError: listing every problem with file, line, rule and remedy.
    """
    try:
        stamp = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in folder.glob("*.txt")))
    except OSError:
        stamp = ()
    collection, problems = _read_once(folder, stamp)
    if problems:
        raise InvalidInputError("\n".join(map(str, problems)))
    return collection


@lru_cache(maxsize=4)
def _read_once(folder: Path, stamp: tuple[tuple[str, int], ...]) -> tuple[Collection, list[Problem]]:
    return read(folder)


def _files(folder: Path, problems: list[Problem]) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == ".txt" and not file.name.startswith("."))
    except OSError as error:
        rule = f"the folder cannot be read: {error.strerror}"
        problems.append(_of_file(str(folder), rule, "Correct the setting templates_folder, or the folder's rights."))
        return []


def _named(name: str) -> tuple[Kind | None, str]:
    stem, _, language = name.removesuffix(".txt").partition(".")
    return (Kind(stem) if stem in set(Kind) else None), language.lower()


def _text(file: Path, problems: list[Problem]) -> str | None:
    try:
        if file.stat().st_size <= _LARGEST:
            return file.read_text(encoding="utf-8-sig")
        problems.append(_of_file(file.name, f"larger than {_LARGEST} bytes", "Split it, or remove templates."))
    except OSError as error:
        problems.append(_of_file(file.name, f"it cannot be read: {error.strerror}", "Correct its rights."))
    except UnicodeDecodeError:
        problems.append(_of_file(file.name, "it is not a text in UTF-8", "Save it as UTF-8."))
    return None


def _gaps(found: Mapping[str, Mapping[Kind, object]]) -> list[Problem]:
    """Name the files that a language lacks: its threads could not be continued."""
    problems = []
    for language, kinds in found.items():
        for kind in Kind:
            if kind not in kinds:
                name = f"{kind}.{language}.txt" if language else f"{kind}.txt"
                rule = "the file is missing, and a thread needs all three kinds in one language"
                problems.append(_of_file(name, rule, "Add it."))
    return problems


def _of_file(name: str, rule: str, remedy: str) -> Problem:
    return Problem(file=name, line=None, rule=rule, remedy=remedy)
