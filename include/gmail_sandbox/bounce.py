"""Build Gmail's automatic mails: delivery status notifications (RFC 3464) and vacation replies."""

from __future__ import annotations

from gmail_sandbox.addresses import MAILER_DAEMON, MESSAGE_ID_DOMAIN
from gmail_sandbox.clock import mail_date
from gmail_sandbox.mime import Content

_BOUNDARY = "sandbox-delivery-status"
_TEMPLATE = """From: Mail Delivery Subsystem <{daemon}>
To: {sender}
Subject: Delivery Status Notification ({subject})
Date: {date}
Message-ID: {message_id}
In-Reply-To: {original_id}
References: {original_id}
Auto-Submitted: auto-replied
X-Failed-Recipients: {recipient}
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="{boundary}"

--{boundary}
Content-Type: text/plain; charset="utf-8"

** {title} **

Your message to {recipient} {what}.

The response was:

{diagnostic}

--{boundary}
Content-Type: message/delivery-status

Reporting-MTA: dns; {mta}
Arrival-Date: {date}

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnostic}
Last-Attempt-Date: {date}

--{boundary}
Content-Type: message/rfc822

"""


UNKNOWN = "5.1.1"
_FAILED = {"subject": "Failure", "action": "failed", "title": "Message not delivered", "what": "was not delivered"}
_DELAYED = {"subject": "Delay", "action": "delayed", "title": "Delivery incomplete", "what": "is still being tried"}
_DIAGNOSTICS = {UNKNOWN: "The email account that you tried to reach does not exist."}


def bounce(original: Content, sender: str, recipient: str, message_id: str, at: float, status: str = UNKNOWN) -> bytes:
    """Return the delivery status notification for a mail; a 4.x.x status reports a delay, otherwise a failure."""
    delayed = status.startswith("4.")
    head = _TEMPLATE.format(
        daemon=MAILER_DAEMON,
        sender=sender,
        recipient=recipient,
        date=mail_date(at),
        message_id=message_id,
        original_id=original.rfc_id,
        mta=MESSAGE_ID_DOMAIN,
        boundary=_BOUNDARY,
        status=status,
        diagnostic=f"{450 if delayed else 550} {status} {_DIAGNOSTICS.get(status, 'The recipient refuses it.')}",
        **(_DELAYED if delayed else _FAILED),
    )
    return head.replace("\n", "\r\n").encode() + original.raw + f"\r\n--{_BOUNDARY}--\r\n".encode()


_VACATION = """From: {sender}
To: {recipient}
Subject: Re: {subject}
Date: {date}
Message-ID: {message_id}
In-Reply-To: {original_id}
References: {original_id}
Auto-Submitted: auto-replied
Precedence: bulk
X-Autoreply: yes
MIME-Version: 1.0
Content-Type: text/plain; charset="utf-8"

{text}
"""


def auto_reply(original: Content, sender: str, recipient: str, text: str, message_id: str, at: float) -> bytes:
    """Return the vacation reply from `sender` to a mail of `recipient`."""
    reply = _VACATION.format(
        sender=sender,
        recipient=recipient,
        subject=original.header("subject"),
        date=mail_date(at),
        message_id=message_id,
        original_id=original.rfc_id,
        text=text,
    )
    return reply.replace("\n", "\r\n").encode()
