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
    """Check templates and show each problem with file, line, rule and remedy. Exit code 1 if there is one."""
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
            f"{pluralize(len(problems), 'problem')} in {folder or 'the built-in library'} "
            f"({pluralize(count, 'template')})."
        )
    if problems:
        raise typer.Exit(NEEDS_PERSON)


def _templates_folder(context: typer.Context) -> Path | None:
    from gmail_warmup.airflow.configuration import load_settings
    from gmail_warmup.airflow.services import Services

    services = context.find_object(Services)
    settings = services.settings if services else load_settings()
    return Path(settings.templates_folder) if settings.templates_folder else None
