"""``gmail-warmup content``: the words of the mails."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from gmail_warmup.cli.output import NEEDS_PERSON, JsonOption, print_json, report_errors
from gmail_warmup.core.text import pluralize

app = typer.Typer(no_args_is_help=True, help="Look after the words of the mails.")


@app.callback()
def content_group() -> None:
    """Keep `content` a group of commands, also while there is one."""


@app.command()
def lint(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(help="Folder with templates; by default that of the settings, else the library.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check templates of mails: every problem with file, line, rule and what to do. Exit code 1 if there is one."""
    from gmail_warmup.warmup.content.template_library import load_builtin_templates, parse_templates_folder

    with report_errors():
        folder = folder or _templates_folder(context)
        collection, problems = parse_templates_folder(folder) if folder else (load_builtin_templates(), [])
    count = sum(len(templates) for kinds in collection.languages.values() for templates in kinds.values())
    if as_json:
        print_json({"ok": not problems, "templates": count, "problems": [asdict(problem) for problem in problems]})
    else:
        for problem in problems:
            typer.echo(str(problem))
        typer.echo(
            f"{pluralize(len(problems), 'problem')} in {folder or 'the library'}, {pluralize(count, 'template')}."
        )
    if problems:
        raise typer.Exit(NEEDS_PERSON)


def _templates_folder(context: typer.Context) -> Path | None:
    from gmail_warmup.airflow.services import Services
    from gmail_warmup.core.settings import load_settings

    services = context.find_object(Services)
    settings = services.settings if services else load_settings()
    return Path(settings.templates_folder) if settings.templates_folder else None
