"""Delivery status notifications (RFC 3464), as Gmail sends them."""

from __future__ import annotations

from gmail_sandbox.addresses import MAILER_DAEMON, MESSAGE_ID_DOMAIN
from gmail_sandbox.clock import mail_date
from gmail_sandbox.mime import Content

_BOUNDARY = "sandbox-delivery-status"
_TEMPLATE = """From: Mail Delivery Subsystem <{daemon}>
To: {sender}
Subject: Delivery Status Notification (Failure)
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

** Address not found **

Your message wasn't delivered to {recipient} because the address couldn't be found, or is unable to receive mail.

The response was:

550 5.1.1 The email account that you tried to reach does not exist.

--{boundary}
Content-Type: message/delivery-status

Reporting-MTA: dns; {mta}
Arrival-Date: {date}

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist.
Last-Attempt-Date: {date}

--{boundary}
Content-Type: message/rfc822

"""


def bounce(original: Content, sender: str, recipient: str, message_id: str, at: float) -> bytes:
    """Return the mail that tells `sender` that `recipient` does not exist."""
    head = _TEMPLATE.format(
        daemon=MAILER_DAEMON,
        sender=sender,
        recipient=recipient,
        date=mail_date(at),
        message_id=message_id,
        original_id=original.rfc_id,
        mta=MESSAGE_ID_DOMAIN,
        boundary=_BOUNDARY,
    )
    return head.replace("\n", "\r\n").encode() + original.raw + f"\r\n--{_BOUNDARY}--\r\n".encode()
