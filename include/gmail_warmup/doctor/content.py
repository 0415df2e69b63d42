"""Checks of the content of mails."""

from __future__ import annotations

from pathlib import Path

from gmail_warmup.airflow.connections import load_text_generator
from gmail_warmup.core.text import pluralize
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status
from gmail_warmup.warmup.content.generators import build_template_generator
from gmail_warmup.warmup.content.template_library import NoTemplatesError, load_templates_folder
from gmail_warmup.warmup.content.templates import MailKind
from gmail_warmup.warmup.content.variety import find_shortages
from gmail_warmup.warmup.planning.schedules import count_languages


def check_templates(context: DoctorContext) -> CheckOutcome:
    """Check the configured templates."""
    folder = context.services.settings.templates_folder
    if not folder:
        return Status.OK, "The built-in library is used."
    library = load_templates_folder(Path(folder))
    lint = f"Run: gmail-warmup content lint {folder}"
    if problems := library.problems:
        found = f"{pluralize(len(problems), 'problem')} in {folder}; these templates are left out. First: {problems[0]}"
        return Status.PROBLEM, found, lint
    if shortages := list(find_shortages(library)):
        return Status.WARNING, f"Too few templates in {folder}. First: {shortages[0]}", lint
    return Status.OK, f"The templates in {folder} are used."


def check_languages(context: DoctorContext) -> CheckOutcome:
    """Check that mails can be written in the language of each mailbox."""
    library = build_template_generator(context.services.settings).library
    with read_transaction(context.services.engine) as connection:
        counts = count_languages(connection, context.services.settings)
    missing = []
    for language, mailboxes in counts.items():
        try:
            library.select_templates(MailKind.FIRST, thread_seed="", language=language)
        except NoTemplatesError as error:
            missing.append(f"{pluralize(mailboxes, 'mailbox')}: {error}")
    if missing:
        return Status.PROBLEM, " ".join(missing), "Run: gmail-warmup content lint"
    return Status.OK, "There are templates in the language of each mailbox."


def check_text_generator(context: DoctorContext) -> CheckOutcome:
    """Check the Connection of the text generator, without a request to it."""
    settings = context.services.settings
    if load_text_generator(settings, build_template_generator(settings)) is None:
        return Status.OK, "None; mails are written from templates."
    return Status.OK, f"Connection '{settings.generator_conn_id}'; if it fails, templates are used."
