"""Load templates: the built-in ones of the package, or those in an operator's folder."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.warmup.content.template_parser import parse_templates
from gmail_warmup.warmup.content.templates import MailKind, MailTemplate, TemplateProblem

_MAX_FILE_BYTES = 1_000_000
"""Maximum size of a template file."""


class NoTemplatesError(GmailWarmupError):
    """There is no valid template for a mail, so it waits. Run: gmail-warmup content lint"""

    reason = "no_templates"


@dataclass(frozen=True, kw_only=True)
class TemplateLibrary:
    """The valid templates by language and kind.

    Attributes:
        languages: all languages that have a file, also those in which no mail can be written because of a problem, so
            that a problem never changes the language of a mail.
        problems: of the templates that are left out, and of files.
    """

    languages: Mapping[str, Mapping[MailKind, tuple[MailTemplate, ...]]]
    problems: tuple[TemplateProblem, ...] = ()

    def choose_language(self, wanted: str | None, *, thread_seed: str) -> str:
        """Return the language of a thread: the wanted one, or one drawn for the thread if none is wanted.

        The wanted language, such as `de-at`, includes the one without a region.

        Raises:
            NoTemplatesError: no template exists, or not the wanted one.
        """
        names = sorted(self.languages)
        if not names:
            raise NoTemplatesError("No template file can be read, so no mail can be written.")
        if wanted is None:
            return names[int(random.Random(f"language:{thread_seed}").random() * len(names))]  # noqa: S311  # variety
        for name in (wanted, wanted.partition("-")[0]):
            if name in self.languages:
                return name
        files = ", ".join(get_file_name(kind, wanted) for kind in MailKind)
        raise NoTemplatesError(
            f"There are no templates in the language '{wanted}'. Add {files} to the folder of templates, or change the "
            "language of the mailbox."
        )

    def select_templates(
        self, kind: MailKind, *, thread_seed: str, language: str | None = None
    ) -> Sequence[MailTemplate]:
        """Return the templates of a mail.

        Args:
            language: of the thread; None to draw one for the thread.

        Raises:
            NoTemplatesError: there are none in this language. No thread is started that could not be continued.
        """
        chosen = self.choose_language(language, thread_seed=thread_seed)
        kinds = self.languages[chosen]
        for needed in MailKind if kind is MailKind.FIRST else (kind,):
            if not kinds.get(needed):
                raise NoTemplatesError(
                    f"{get_file_name(needed, chosen)} has no valid template, so no mail can be written in this "
                    "language. Run: gmail-warmup content lint"
                )
        return kinds[kind]


def get_file_name(kind: MailKind, language: str) -> str:
    """Return the name of the file with the templates of a kind; the language may be empty."""
    return f"{kind}.{language}.txt" if language else f"{kind}.txt"


@lru_cache
def load_builtin_templates() -> TemplateLibrary:
    """Return the built-in templates of the package."""
    templates: dict[MailKind, tuple[MailTemplate, ...]] = {}
    for kind in MailKind:
        name = f"{kind}.txt"
        text = (files("gmail_warmup.warmup.content") / "library" / name).read_text(encoding="utf-8")
        templates[kind], problems = parse_templates(text, file_name=name, kind=kind, complete=False)
        assert not problems, problems
    return TemplateLibrary(languages={"en": templates})


def parse_templates_folder(folder: Path) -> TemplateLibrary:
    """Parse an operator's folder.

    A file is named after its kind and its language: `first.de.txt`, or `first.txt` if there is only one language.
    """
    problems: list[TemplateProblem] = []
    languages: dict[str, dict[MailKind, tuple[MailTemplate, ...]]] = {}
    for file in _list_template_files(folder, problems):
        kind, language = _parse_file_name(file.name)
        if kind is None:
            rule = "the name is neither first, replies nor followups"
            problems.append(_build_problem(file.name, rule, "Rename it, for example to first.txt or replies.de.txt."))
            continue
        text = _read_text(file, problems)
        found: list[TemplateProblem] = []
        templates: tuple[MailTemplate, ...] = ()
        if text is not None:
            templates, found = parse_templates(text, file_name=file.name, kind=kind, complete=True)
        languages.setdefault(language, {})[kind] = templates
        problems += found
    problems += _find_missing_files(languages)
    if not languages and not problems:
        problems.append(_build_problem(str(folder), "no templates", "Add first.txt, replies.txt and followups.txt."))
    return TemplateLibrary(languages=languages, problems=tuple(problems))


def load_templates_folder(folder: Path) -> TemplateLibrary:
    """Return the templates of an operator's folder. They are cached until a file changes."""
    try:
        modified = tuple(sorted((file.name, file.stat().st_mtime_ns) for file in folder.glob("*.txt")))
    except OSError:
        modified = ()
    return _parse_folder_cached(folder, modified)


@lru_cache(maxsize=4)
def _parse_folder_cached(folder: Path, modified: tuple[tuple[str, int], ...]) -> TemplateLibrary:
    return parse_templates_folder(folder)


def _list_template_files(folder: Path, problems: list[TemplateProblem]) -> list[Path]:
    try:
        return sorted(file for file in folder.iterdir() if file.suffix == ".txt" and not file.name.startswith("."))
    except OSError as error:
        rule = f"the folder cannot be read: {error.strerror}"
        problems.append(
            _build_problem(str(folder), rule, "Correct the option templates_folder, or the permissions of the folder.")
        )
        return []


def _parse_file_name(name: str) -> tuple[MailKind | None, str]:
    stem, _, language = name.removesuffix(".txt").partition(".")
    return (MailKind(stem) if stem in set(MailKind) else None), language.lower()


def _read_text(file: Path, problems: list[TemplateProblem]) -> str | None:
    try:
        if file.stat().st_size <= _MAX_FILE_BYTES:
            return file.read_text(encoding="utf-8-sig")
        problems.append(_build_problem(file.name, f"larger than {_MAX_FILE_BYTES} bytes", "Remove some templates."))
    except OSError as error:
        problems.append(_build_problem(file.name, f"it cannot be read: {error.strerror}", "Correct its permissions."))
    except UnicodeDecodeError:
        problems.append(_build_problem(file.name, "it is not encoded in UTF-8", "Save it as UTF-8."))
    return None


def _find_missing_files(languages: Mapping[str, Mapping[MailKind, object]]) -> list[TemplateProblem]:
    """Return a problem for each file that a language lacks: its threads could not be continued."""
    problems = []
    for language, kinds in languages.items():
        for kind in MailKind:
            if kind not in kinds:
                rule = "the file is missing; a thread needs all three kinds in one language"
                problems.append(_build_problem(get_file_name(kind, language), rule, "Add it."))
    return problems


def _build_problem(name: str, rule: str, remedy: str) -> TemplateProblem:
    return TemplateProblem(file=name, line=None, rule=rule, remedy=remedy)
