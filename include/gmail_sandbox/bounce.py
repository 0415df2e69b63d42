"""Build Gmail's automatic mails: delivery status notifications, notices of the sending limit, vacation replies."""

from __future__ import annotations

from gmail_sandbox.addresses import MAILER_DAEMON, MESSAGE_ID_DOMAIN
from gmail_sandbox.clock import mail_date
from gmail_sandbox.mime import Content

_BOUNDARY = "sandbox-delivery-status"
_HEAD = """From: Mail Delivery Subsystem <{daemon}>
To: {sender}
Subject: Delivery Status Notification ({subject})
Date: {date}
Message-ID: {message_id}
In-Reply-To: {original_id}
References: {original_id}
Auto-Submitted: auto-replied
X-Failed-Recipients: {recipient}
MIME-Version: 1.0
"""
_REPORT = """Content-Type: multipart/report; report-type={report_type}; boundary="{boundary}"

--{boundary}
Content-Type: text/plain; charset="utf-8"

{text}

--{boundary}
Content-Type: message/{report_type}

{status_part}
--{boundary}
Content-Type: message/{returned_type}

"""
_PLAIN = """Content-Type: text/plain; charset="utf-8"

{text}

----- Original message -----

"""
_TEXT = """** {title} **

Your message to {recipient} {what}.

The response was:

{diagnostic}"""
_STATUS_PART = """Reporting-MTA: dns; {mta}
Arrival-Date: {date}

Final-Recipient: {address_type}; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {diagnostic}
Last-Attempt-Date: {date}
"""

UNKNOWN, LIMIT = "5.1.1", "5.4.5"
_FAILED = {"subject": "Failure", "action": "failed", "title": "Message not delivered", "what": "was not delivered"}
_DELAYED = {"subject": "Delay", "action": "delayed", "title": "Delivery incomplete", "what": "is still being tried"}
_DIAGNOSTICS = {UNKNOWN: "The email account that you tried to reach does not exist."}
LIMIT_NOTICES = {
    "en": "You have reached a limit for sending mail. Your message was not sent.",
    "de": "Sie haben das Limit für das Senden von E-Mails erreicht. Ihre Nachricht wurde nicht gesendet.",
    "es": "Has alcanzado el límite de envío de correo. Tu mensaje no se ha enviado.",
    "fr": "Vous avez atteint la limite d'envoi d'e-mails. Votre message n'a pas été envoyé.",
    "ja": "送信できるメールの制限数に達しました。メールは送信されませんでした。",
}
"""Google's notice of the sending limit by language."""


def bounce(
    original: Content,
    sender: str,
    recipient: str,
    message_id: str,
    at: float,
    status: str = UNKNOWN,
    form: str = "rfc3464",
) -> bytes:
    """Return the delivery status notification for a mail; a 4.x.x status reports a delay, otherwise a failure."""
    delayed = status.startswith("4.")
    diagnostic = f"{450 if delayed else 550} {status} {_DIAGNOSTICS.get(status, 'The recipient refuses it.')}"
    words = {"sender": sender, "recipient": recipient, "message_id": message_id, "status": status}
    words |= {"diagnostic": diagnostic} | (_DELAYED if delayed else _FAILED)
    return _notice(original, words, _TEXT.format(**words), at, form)


def limit_notice(original: Content, sender: str, message_id: str, at: float, language: str, form: str) -> bytes:
    """Return the notice with which Google takes back a mail that it accepted, because of the sending limit."""
    recipient = ", ".join(original.addresses("to"))
    words = {"sender": sender, "recipient": recipient, "message_id": message_id, "status": LIMIT} | _FAILED
    words["diagnostic"] = f"550-{LIMIT} Daily user sending limit exceeded."
    return _notice(original, words, LIMIT_NOTICES[language], at, form)


def _notice(original: Content, words: dict[str, str], text: str, at: float, form: str) -> bytes:
    international = form == "rfc6533"
    words |= {
        "daemon": MAILER_DAEMON, "date": mail_date(at), "original_id": original.rfc_id, "mta": MESSAGE_ID_DOMAIN,
        "boundary": _BOUNDARY, "text": text, "address_type": "utf-8" if international else "rfc822",
        "report_type": "global-delivery-status" if international else "delivery-status",
        "returned_type": "global" if international else "rfc822",
    }  # fmt: skip
    words["status_part"] = "" if form == "empty_status" else _STATUS_PART.format(**words)
    head = (_HEAD + (_PLAIN if form == "text" else _REPORT)).format(**words).replace("\n", "\r\n").encode()
    end = b"" if form == "text" else f"\r\n--{_BOUNDARY}--\r\n".encode()
    return head + original.raw + end


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
