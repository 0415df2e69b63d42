"""Mail owners through an Airflow Connection of the type SMTP, or from a mailbox of this installation."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from smtplib import SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import TYPE_CHECKING

from gmail_warmup.airflow.configuration import load_urls
from gmail_warmup.airflow.connections import load_smtp_sender
from gmail_warmup.alerts.outbox import SendCounts
from gmail_warmup.alerts.owner_mails.delivery import OwnerMailer, OwnerMessage, send_due_mails
from gmail_warmup.alerts.owner_mails.template import load_template
from gmail_warmup.core.errors import ConfigurationError, GmailWarmupError
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.mailboxes import repository

if TYPE_CHECKING:
    from gmail_warmup.airflow.services import Services

log = logging.getLogger(__name__)

_SETTING = "[gmail_warmup] owner_mail_sender"


class OwnerMailError(GmailWarmupError):
    """The mail server did not accept the mail."""


def send_owner_mails(services: Services) -> SendCounts:
    """Send the mails to owners that are due, if the setting ``owner_mail_sender`` names a sender.

    A sender or template that cannot be used is logged if a mail is due. Nothing is lost: the mails are sent once it
    works.
    """
    if not services.settings.owner_mail_sender:
        return SendCounts()
    try:
        return send_due_mails(services.engine, lambda: build_mailer(services))
    except ConfigurationError as error:
        log.error("No mail is sent to owners: %s", error)
        return SendCounts()


def build_mailer(services: Services) -> OwnerMailer:
    """Return what writes and sends the mails, without a request to a server.

    Raises:
        ConfigurationError: if the sender, the template or Airflow's address is missing or wrong.
    """
    settings = services.settings
    sender = settings.owner_mail_sender
    return OwnerMailer(
        send=_build_mailbox_sender(services, sender) if "@" in sender else _build_smtp_sender(sender),
        template=load_template(settings.owner_mail_template),
        urls=load_urls(),
        invite_days=settings.invite_days,
    )


def _build_mailbox_sender(services: Services, address: str) -> Callable[[OwnerMessage], None]:
    """Return a function that sends from a mailbox of this installation, which has to work."""
    from gmail_warmup.airflow.gmail_hook import GmailHook
    from gmail_warmup.gmail.errors import GmailError
    from gmail_warmup.gmail.mime import OutgoingMail, encode_message, make_message_id

    with read_transaction(services.engine) as connection:
        mailbox = repository.find_mailbox(connection, address)
    if mailbox is None or not mailbox.is_usable:
        state = "is not a mailbox of this installation" if mailbox is None else "is paused or does not work"
        raise ConfigurationError(f"{_SETTING} is {address}, which {state}. Name another mailbox, or repair it.")

    def send(message: OwnerMessage) -> None:
        hook = GmailHook(mailbox.address, services=services)
        mail = OutgoingMail(
            sender=mailbox.address,
            sender_name=mailbox.display_name,
            recipient=message.owner,
            recipient_name=None,
            subject=message.subject,
            text=message.text,
            html=None,
            message_id=make_message_id(secrets.token_hex(16), mailbox.address),
        )
        draft = hook.create_draft(encode_message(mail))
        try:
            hook.send_draft(draft.id)
        except GmailError:
            with suppress(GmailError):  # the next try has new links; a draft that was sent is gone
                hook.delete_draft(draft.id)
            raise

    return send


def _build_smtp_sender(conn_id: str) -> Callable[[OwnerMessage], None]:
    """Return a function that sends through an SMTP Connection, with Airflow's own hook."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    from_email = load_smtp_sender(conn_id, "the sender of mails to owners")

    def send(message: OwnerMessage) -> None:
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"], mail["Subject"] = from_email, message.owner, message.subject
        mail["Date"], mail["Message-ID"] = formatdate(), make_msgid(domain=from_email.rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text, cte="quoted-printable")
        try:
            # The hook's public method sends HTML only, and sends a mail again if the server hung up after accepting it.
            with SmtpHook(conn_id) as hook:
                hook._smtp_client.send_message(mail, from_email, [message.owner])  # type: ignore[union-attr,call-arg]
        except (SMTPException, OSError) as error:
            raise OwnerMailError(f"the server of the Airflow Connection '{conn_id}' {_describe(error)}.") from None

    return send


def _describe(error: Exception) -> str:
    """Return what a server answered: the code only, because the text of an answer may contain the mail."""
    if isinstance(error, SMTPRecipientsRefused):
        return f"refused the recipient ({', '.join(str(code) for code, _ in error.recipients.values())})"
    if isinstance(error, SMTPResponseException):
        return f"answered {error.smtp_code}"
    return f"did not accept it ({type(error).__name__})"
