"""Where templates come from: the package's own library, or an operator's folder."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.warmup.content.templates import MailKind, MailTemplate, TemplateProblem, parse_templates

_MAX_FILE_BYTES = 1_000_000
"""Bytes of a file of templates at most."""


@dataclass(frozen=True, kw_only=True)
class TemplateLibrary:
    """Templates by language and kind; each language has all kinds, so that a thread stays in one."""

    languages: Mapping[str, Mapping[MailKind, tuple[MailTemplate, ...]]]

    def select_templates(self, kind: MailKind, *, thread: str) -> Sequence[MailTemplate]:
        """Return the templates for a mail; all mails of a thread are in one language.

        Args:
            thread: the seed of the thread.
        """
        names = sorted(self.languages)
        language = names[int(random.Random(f"language:{thread}").random() * len(names))]  # noqa: S311  # variety
        return self.languages[language][kind]


@lru_cache
def load_builtin_templates() -> TemplateLibrary:
    """Return the package's own templates."""
    found: dict[MailKind, tuple[MailTemplate, ...]] = {}
    for kind in MailKind:
        name = f"{kind}.txt"
        text = (files("gmail_warmup.warmup.content") / "library" / name).read_text(encoding="utf-8")
        found[kind], problems = parse_templates(text, origin=name, kind=kind, whole=False)
        assert not problems, problems
    return TemplateLibrary(languages={"en": found})


def parse_templates_folder(folder: Path) -> tuple[TemplateLibrary, list[TemplateProblem]]:
    """Read an operator's folder; return what is right in it, and every problem.

    A file is named after what it holds, and its language if there are several: `first.txt`, `replies.de.txt`.
    """
    problems: list[TemplateProblem] = []
    found: dict[str, dict[MailKind, tuple[MailTemplate, ...]]] = {}
    for file in _list_template_files(folder, problems):
        kind, language = _parse_file_name(file.name)
        if kind is None:
            rule = "the name says neither first, replies nor followups"
            problems.append(_build_problem(file.name, rule, "Name it like first.txt or replies.de.txt."))
            continue
        text = _read_text(file, problems)
        if text is not None:
            found.setdefault(language, {})[kind], wrong = parse_templates(text, origin=file.name, kind=kind, whole=True)
            problems += wrong
    problems += _find_missing_files(found)
    if not found and not problems:
        problems.append(
            _build_problem(str(folder), "no templates", "Put first.txt, replies.txt and followups.txt there.")
        )
    return TemplateLibrary(languages=found), problems


def load_templates_folder(folder: Path) -> TemplateLibrary:
    """Return the templates of an operator's folder.

    Raises:
        InvalidInputError: listing every problem with file, line, rule and remedy.
    """
    try:
        stamp = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in folder.glob("*.txt")))
    except OSError:
        stamp = ()
    collection, problems = _parse_folder_cached(folder, stamp)
    if problems:
        raise InvalidInputError("\n".join(map(str, problems)))
    return collection


@lru_cache(maxsize=4)
def _parse_folder_cached(
    folder: Path, stamp: tuple[tuple[str, int], ...]
) -> tuple[TemplateLibrary, list[TemplateProblem]]:
    return parse_templates_folder(folder)


def _list_template_files(folder: Path, problems: list[TemplateProblem]) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == ".txt" and not file.name.startswith("."))
    except OSError as error:
        rule = f"the folder cannot be read: {error.strerror}"
        problems.append(
            _build_problem(str(folder), rule, "Correct the setting templates_folder, or the folder's rights.")
        )
        return []


def _parse_file_name(name: str) -> tuple[MailKind | None, str]:
    stem, _, language = name.removesuffix(".txt").partition(".")
    return (MailKind(stem) if stem in set(MailKind) else None), language.lower()


def _read_text(file: Path, problems: list[TemplateProblem]) -> str | None:
    try:
        if file.stat().st_size <= _MAX_FILE_BYTES:
            return file.read_text(encoding="utf-8-sig")
        problems.append(
            _build_problem(file.name, f"larger than {_MAX_FILE_BYTES} bytes", "Split it, or remove templates.")
        )
    except OSError as error:
        problems.append(_build_problem(file.name, f"it cannot be read: {error.strerror}", "Correct its rights."))
    except UnicodeDecodeError:
        problems.append(_build_problem(file.name, "it is not a text in UTF-8", "Save it as UTF-8."))
    return None


def _find_missing_files(found: Mapping[str, Mapping[MailKind, object]]) -> list[TemplateProblem]:
    """Name the files that a language lacks: its threads could not be continued."""
    problems = []
    for language, kinds in found.items():
        for kind in MailKind:
            if kind not in kinds:
                name = f"{kind}.{language}.txt" if language else f"{kind}.txt"
                rule = "the file is missing, and a thread needs all three kinds in one language"
                problems.append(_build_problem(name, rule, "Add it."))
    return problems


def _build_problem(name: str, rule: str, remedy: str) -> TemplateProblem:
    return TemplateProblem(file=name, line=None, rule=rule, remedy=remedy)
