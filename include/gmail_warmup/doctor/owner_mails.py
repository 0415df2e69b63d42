"""Check of the mails to owners."""

from __future__ import annotations

from gmail_warmup.airflow.mail.owner_mails import build_mailer
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.doctor.result import CheckOutcome, Status


def check_owner_mails(context: DoctorContext) -> CheckOutcome:
    """Check the sender and the template, without a request to a server."""
    sender = context.services.settings.owner_mail_sender
    if not sender:
        return Status.OK, "Owners are not mailed; the setting owner_mail_sender is empty."
    build_mailer(context.services)
    return Status.OK, f"Owners of mailboxes that need re-authentication are mailed through '{sender}'."
