"""GmailSendOperator: send a mail from a mailbox in a DAG of one's own."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from gmail_warmup.airflow.mail.values import require_text, require_texts
from gmail_warmup.airflow.retry_policy import RETRY_BY_CAUSE

if TYPE_CHECKING:
    from airflow.sdk import Context

    from gmail_warmup.gmail.mime import OutgoingMail
    from gmail_warmup.gmail.models import Attachment
    from gmail_warmup.gmail.outgoing.send_once import EarlierTries

_DRAFT_KEY = "gmail_draft_id"
_CLOCK_TOLERANCE = timedelta(days=1)


class GmailSendOperator(BaseOperator):
    """Send one mail from a mailbox, with the grant of the mailbox; return the id of the sent message.

    The mail is sent once, also if the task is retried or cleared: its header ``X-Idempotency-Key`` identifies it, the
    draft's id is stored before it is sent, and a further try continues with that draft. If it is not known
    whether the mail was sent, the task fails and is not retried. The warmup's kill switch, pauses and hours do not
    apply to it. It counts for Google's daily limit, and the warmup sends less.

    Args:
        mailbox: the address of the mailbox.
        to: one address or several, as are `cc` and `bcc`: a text with one of them, or a list.
        text: the plain text.
        html: the HTML part.
        attachments: paths of files that the worker can read, one or several, 5 MB in total.
        sender_name: the name in the From header.
        idempotency_key: another name for this mail in its run. Default: DAG, run, task and map index.
    """

    template_fields = (
        "mailbox", "to", "cc", "bcc", "subject", "text", "html", "attachments", "sender_name", "idempotency_key",
    )  # fmt: skip
    template_fields_renderers = {"html": "html"}  # noqa: RUF012  Airflow's own form

    def __init__(
        self,
        *,
        mailbox: str,
        to: str | Sequence[str],
        subject: str,
        text: str,
        html: str | None = None,
        cc: str | Sequence[str] = (),
        bcc: str | Sequence[str] = (),
        attachments: str | Sequence[str] = (),
        sender_name: str | None = None,
        idempotency_key: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"retry_policy": RETRY_BY_CAUSE} | kwargs)
        self.mailbox, self.sender_name = mailbox, sender_name
        self.to, self.cc, self.bcc = to, cc, bcc
        self.subject, self.text, self.html = subject, text, html
        self.attachments = attachments
        self.idempotency_key = idempotency_key

    def execute(self, context: Context) -> str:
        """Send the mail unless an earlier try did; return the id of the sent message."""
        from gmail_warmup.airflow.gmail_hook import GmailHook
        from gmail_warmup.gmail.outgoing.send_once import IDEMPOTENCY_HEADER, send_once

        hook = GmailHook(require_text("mailbox", self.mailbox))
        hook.token_header = IDEMPOTENCY_HEADER
        mail = self._build_mail(hook.address, self.idempotency_key or _describe_task(context))
        store: Any = context.get("task_state_store")
        earlier = _load_earlier_tries(context, store)
        message_id = send_once(
            hook,
            mail,
            earlier=earlier,
            store_draft=lambda draft_id: store.set(_DRAFT_KEY, draft_id) if store is not None else None,
        )
        self.log.info("%s: sent the mail %s", hook.address, mail.message_id)
        return message_id

    def _build_mail(self, sender: str, key: str) -> OutgoingMail:
        from gmail_warmup.gmail.mime import OutgoingMail, make_message_id
        from gmail_warmup.gmail.outgoing.send_once import IDEMPOTENCY_HEADER

        to = _list_addresses("to", self.to)
        token = hashlib.sha256(f"{sender}\n{key}".encode()).hexdigest()[:40]
        return OutgoingMail(
            sender=sender,
            sender_name=_find_text("sender_name", self.sender_name),
            recipient=to[0] if to else "",
            recipient_name=None,
            other_recipients=to[1:],
            cc=_list_addresses("cc", self.cc),
            bcc=_list_addresses("bcc", self.bcc),
            subject=require_text("subject", self.subject),
            text=require_text("text", self.text),
            html=_find_text("html", self.html),
            attachments=tuple(_read_file(Path(path)) for path in require_texts("attachments", self.attachments)),
            message_id=make_message_id(token, sender),
            headers={IDEMPOTENCY_HEADER: token},
        )


def _list_addresses(name: str, addresses: str | Sequence[str]) -> tuple[str, ...]:
    from gmail_warmup.mailboxes.addresses import to_stored_address

    # The mail's builder names an address that is none.
    return tuple(to_stored_address(address) or address for address in require_texts(name, addresses))


def _find_text(name: str, value: str | None) -> str | None:
    return None if value is None else require_text(name, value)


def _read_file(path: Path) -> Attachment:
    from gmail_warmup.core.errors import InvalidInputError
    from gmail_warmup.gmail.models import Attachment
    from gmail_warmup.gmail.outgoing.attachments import MAX_TOTAL_BYTES

    content_type, encoding = mimetypes.guess_type(path.name)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_TOTAL_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: the path contains NUL
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise InvalidInputError(f"attachment {str(path)!r}: cannot be read ({why}).") from None
    is_known = content_type and not encoding and not content_type.startswith(("message/", "multipart/"))
    return Attachment(
        filename=path.name,
        content_type=content_type if is_known and content_type else "application/octet-stream",
        data=data,
    )


def _describe_task(context: Context) -> str:
    ti = context["ti"]
    return f"{ti.dag_id}\n{ti.run_id}\n{ti.task_id}\n{ti.map_index}"


def _load_earlier_tries(context: Context, store: Any) -> EarlierTries:
    from gmail_warmup.gmail.outgoing.send_once import EarlierTries

    draft_id = store.get(_DRAFT_KEY) if store is not None else None
    is_retry = context["ti"].try_number > 1 or draft_id is not None
    began_at = context["dag_run"].run_after - _CLOCK_TOLERANCE if is_retry else None
    return EarlierTries(since=began_at, draft_id=draft_id, keeps_drafts=store is not None)
