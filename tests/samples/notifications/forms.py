"""Build notifications as mail systems send them: with a status part, and in plain text. The texts are our own."""

from __future__ import annotations

import base64
import quopri

TOKEN = "0123456789abcdef" * 2
OWN_ID = "<own@mail.sandbox.example>"
SENDER, RECIPIENT, OTHER = "ada@warm.example", "pia@pool.example", "max@elsewhere.example"
HEADERS = f"""Received: by mail.sandbox.example with SMTP id 1
From: {SENDER}
To: {RECIPIENT}
Subject: A question
Message-ID: {OWN_ID}
X-Warmup-Id: {TOKEN}
"""
RETURNED = f"{HEADERS}\nHello.\n"
_ENCODERS = {
    "7bit": lambda data: data,
    "base64": base64.encodebytes,
    "quoted-printable": quopri.encodestring,
}


def group(
    *,
    recipient: str = f"rfc822; {RECIPIENT}",
    action: str | None = "failed",
    status: str | None = "5.1.1",
    code: str | None = None,
    **more: str,
) -> str:
    """Return the fields of one recipient."""
    fields = {"Final-Recipient": recipient, "Action": action, "Status": status, "Diagnostic-Code": code}
    fields |= {name.replace("_", "-"): value for name, value in more.items()}
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value is not None)


def report(
    *groups: str,
    status_type: str = "message/delivery-status",
    returned_type: str = "message/rfc822",
    kind: str = "multipart/report; report-type=delivery-status",
    encoding: str = "7bit",
    text: str = "Something happened to your message.",
    head: str = "From: Mail Delivery Subsystem <mailer-daemon@sandbox.example>\nSubject: About your message\n",
    fields: str | None = None,
    returned: str = RETURNED,
) -> bytes:
    """Return a report with three parts: text, status, returned mail."""
    status = "Reporting-MTA: dns; mx.example\n\n" + "\n".join(groups) if fields is None else fields
    part = _ENCODERS[encoding](status.encode()).decode()
    coding = "" if encoding == "7bit" else f"Content-Transfer-Encoding: {encoding}\n"
    mail = (
        f'{head}To: {SENDER}\nMIME-Version: 1.0\nContent-Type: {kind}; boundary="b"\n\n'
        f'--b\nContent-Type: text/plain; charset="utf-8"\n\n{text}\n'
        f"--b\nContent-Type: {status_type}\n{coding}\n{part}\n"
        f"--b\nContent-Type: {returned_type}\n\n{returned}\n--b--\n"
    )
    return mail.replace("\n", "\r\n").encode()


def plain(text: str, *, head: str, returned: str = "") -> bytes:
    """Return a notification in plain text."""
    mail = f'{head}\nTo: {SENDER}\nMIME-Version: 1.0\nContent-Type: text/plain; charset="utf-8"\n\n{text}\n{returned}'
    return mail.replace("\n", "\r\n").encode()


def with_mail(text: str, *, head: str, kind: str = "multipart/mixed", text_type: str = "text/plain") -> bytes:
    """Return a notification of two parts: text and returned mail."""
    mail = (
        f'{head}\nTo: {SENDER}\nMIME-Version: 1.0\nContent-Type: {kind}; boundary="b"\n\n'
        f'--b\nContent-Type: {text_type}; charset="utf-8"\n\n{text}\n'
        f"--b\nContent-Type: message/rfc822\n\n{RETURNED}\n--b--\n"
    )
    return mail.replace("\n", "\r\n").encode()
