"""Checks on what the mails say."""

from __future__ import annotations

from pathlib import Path

from gmail_warmup.airflow import services
from gmail_warmup.core.text import counted
from gmail_warmup.doctor.context import Ground
from gmail_warmup.doctor.result import Finding, Status
from gmail_warmup.warmup.content.generators import templates_of
from gmail_warmup.warmup.content.template_library import read


def templates(ground: Ground) -> Finding:
    """Read the operator's templates."""
    folder = ground.services.settings.templates_folder
    if not folder:
        return Status.OK, "The package's own library."
    _, problems = read(Path(folder))
    if problems:
        found = f"{counted(len(problems), 'problem')} in {folder}, so the library is used. The first: {problems[0]}"
        return Status.PROBLEM, found, f"Run: gmail-warmup content lint {folder}"
    return Status.OK, f"Those in {folder}."


def text_generator(ground: Ground) -> Finding:
    """Look for the Connection of the text generator; it is not asked for a text."""
    settings = ground.services.settings
    if services.chat_server(settings, templates_of(settings)) is None:
        return Status.OK, "None; the mails come from templates."
    return Status.OK, f"The Connection '{settings.generator_conn_id}'; where it fails, the templates are used."
