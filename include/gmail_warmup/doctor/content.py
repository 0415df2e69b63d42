"""Checks on what the mails say."""

from __future__ import annotations

from pathlib import Path

from gmail_warmup.airflow import services
from gmail_warmup.core.text import pluralize
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.warmup.content.generators import build_template_generator
from gmail_warmup.warmup.content.template_library import parse_templates_folder


def check_templates(ground: DoctorContext) -> CheckOutcome:
    """Read the operator's templates."""
    folder = ground.services.settings.templates_folder
    if not folder:
        return Status.OK, "The package's own library."
    _, problems = parse_templates_folder(Path(folder))
    if problems:
        found = f"{pluralize(len(problems), 'problem')} in {folder}, so the library is used. The first: {problems[0]}"
        return Status.PROBLEM, found, f"Run: gmail-warmup content lint {folder}"
    return Status.OK, f"Those in {folder}."


def check_text_generator(ground: DoctorContext) -> CheckOutcome:
    """Look for the Connection of the text generator; it is not asked for a text."""
    settings = ground.services.settings
    if services.build_chat_server(settings, build_template_generator(settings)) is None:
        return Status.OK, "None; the mails come from templates."
    return Status.OK, f"The Connection '{settings.generator_conn_id}'; where it fails, the templates are used."
