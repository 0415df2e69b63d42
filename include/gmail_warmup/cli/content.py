"""``gmail-warmup content``: the templates of the mails."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gmail_warmup.cli.output import NEEDS_PERSON, JsonOption, print_json, report_errors
from gmail_warmup.core.text import pluralize

app = typer.Typer(no_args_is_help=True, help="Check the templates of the mails.")


@app.callback()
def content_group() -> None:
    """Make `content` a command group although it has a single command."""


@app.command()
def lint(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder with templates. Default: the setting, otherwise the built-in library."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check templates and show each problem with file, line, template, rule and remedy. Exit code 1 if there is one.

    A file with too few templates to avoid repetitions is a note, not a problem.
    """
    from gmail_warmup.warmup.content.template_library import load_builtin_templates, parse_templates_folder
    from gmail_warmup.warmup.content.variety import find_shortages

    with report_errors():
        folder = folder or _templates_folder(context)
        library = parse_templates_folder(folder) if folder else load_builtin_templates()
    problems, notes = library.problems, list(find_shortages(library))
    count = sum(len(templates) for kinds in library.languages.values() for templates in kinds.values())
    if as_json:
        found = [asdict(problem) for problem in problems]
        print_json({"ok": not problems, "templates": count, "problems": found, "notes": notes})
    else:
        for note in notes:
            typer.echo(f"note: {note}")
        for problem in problems:
            typer.echo(str(problem))
        typer.echo(
            f"{pluralize(len(problems), 'problem')} in {folder or 'the built-in library'} "
            f"({pluralize(count, 'valid template') if problems else pluralize(count, 'template')})."
        )
    if problems:
        raise typer.Exit(NEEDS_PERSON)


def _templates_folder(context: typer.Context) -> Path | None:
    from gmail_warmup.airflow.configuration import load_settings
    from gmail_warmup.airflow.services import Services

    services = context.find_object(Services)
    settings = services.settings if services else load_settings()
    return Path(settings.templates_folder) if settings.templates_folder else None
