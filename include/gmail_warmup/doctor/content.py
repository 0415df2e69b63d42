"""Checks of the content of mails."""

from __future__ import annotations

from pathlib import Path

from gmail_warmup.airflow.connections import load_text_generator
from gmail_warmup.core.text import pluralize
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.warmup.content.generators import build_template_generator
from gmail_warmup.warmup.content.template_library import parse_templates_folder


def check_templates(context: DoctorContext) -> CheckOutcome:
    """Check the configured templates."""
    folder = context.services.settings.templates_folder
    if not folder:
        return Status.OK, "The built-in library is used."
    _, problems = parse_templates_folder(Path(folder))
    if problems:
        found = f"{pluralize(len(problems), 'problem')} in {folder}, so the library is used. First: {problems[0]}"
        return Status.PROBLEM, found, f"Run: gmail-warmup content lint {folder}"
    return Status.OK, f"The templates in {folder} are used."


def check_text_generator(context: DoctorContext) -> CheckOutcome:
    """Check the Connection of the text generator, without a request to it."""
    settings = context.services.settings
    if load_text_generator(settings, build_template_generator(settings)) is None:
        return Status.OK, "None; mails are written from templates."
    return Status.OK, f"Connection '{settings.generator_conn_id}'; if it fails, templates are used."
