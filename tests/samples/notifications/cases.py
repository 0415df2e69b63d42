"""Notifications and what they mean: with status parts of every shape, and texts in the manner of many mail systems."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from samples.notifications.forms import HEADERS, OTHER, RECIPIENT, SENDER, TOKEN, group, plain, report, with_mail

FAILED, DELAYED, NONE = "failed", "delayed", "none"
_DAEMON = "From: Mail Delivery System <mailer-daemon@mx.example>\nSubject: {}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A notification.

    Attributes:
        verdict: ``failed``, ``delayed`` or ``none``.
        status: the expected status code; empty where it does not matter.
        recipient: the recipient that is concerned; empty where the notification names none.
    """

    name: str
    raw: bytes
    verdict: str
    status: str = ""
    recipient: str = RECIPIENT


def _shape_cases() -> list[Case]:
    """Status parts in every type, encoding and container."""
    types = ("message/delivery-status", "message/global-delivery-status", "text/plain", "Message/Delivery-Status")
    returned = ("message/rfc822", "message/global", "text/rfc822-headers", "message/global-headers")
    kinds = ("multipart/report; report-type=delivery-status", "multipart/report", "multipart/mixed")
    encodings = ("7bit", "base64", "quoted-printable")
    return [
        Case(
            name=" ".join((status_type, returned_type, kind, encoding)),
            raw=report(group(), status_type=status_type, returned_type=returned_type, kind=kind, encoding=encoding),
            verdict=FAILED,
            status="5.1.1",
        )
        for status_type, returned_type, kind, encoding in itertools.product(types, returned, kinds, encodings)
    ]


_FIELD_ROWS: tuple[tuple[str, str, str, dict[str, str | None]], ...] = (
    ("a comment in the action", FAILED, "5.1.1", {"action": "failed (no such user)"}),
    ("upper case", FAILED, "5.1.1", {"action": "FAILED"}),
    ("a comment in the status", FAILED, "5.7.1", {"status": "5.7.1 (refused; see below)"}),
    ("a comment before the status", FAILED, "5.2.2", {"status": "(full) 5.2.2"}),
    ("the action of OpenSMTPD", FAILED, "5.0.0", {"action": "error", "status": "5.0.0"}),
    ("given up after days", FAILED, "4.4.7", {"status": "4.4.7"}),
    ("delayed", DELAYED, "4.4.1", {"action": "delayed", "status": "4.4.1"}),
    ("delayed, with a comment", DELAYED, "4.2.2", {"action": "Delayed (is tried again)", "status": "4.2.2"}),
    ("delayed, whatever the status", DELAYED, "5.4.1", {"action": "delayed", "status": "5.4.1"}),
    ("without an action", FAILED, "5.1.1", {"action": None}),
    ("without an action, temporary", DELAYED, "4.3.0", {"action": None, "status": "4.3.0"}),
    ("without action and status", FAILED, "5.1.1", {"action": None, "status": None, "code": "smtp; 550 5.1.1 none"}),
    ("with a reply code only", FAILED, "5.0.0", {"action": None, "status": None, "code": "smtp; 550 no such user"}),
    ("with a temporary reply code only", DELAYED, "4.0.0", {"action": None, "status": None, "code": "smtp; 451 later"}),
    ("without a status", FAILED, "5.0.0", {"status": None}),
    ("a status that is none", FAILED, "5.0.0", {"status": "unknown"}),
    ("the reason in the code", FAILED, "5.7.26", {"status": "5.0.0", "code": "smtp; 550-5.7.26 unauthenticated"}),
    ("a folded code", FAILED, "5.2.1", {"status": "5.0.0", "code": "smtp; 550\n 5.2.1 The account is\n\tdisabled"}),
    ("delivered", NONE, "", {"action": "delivered", "status": "2.0.0"}),
    ("relayed", NONE, "", {"action": "relayed", "status": "2.0.0"}),
    ("relayed, whatever the status", NONE, "", {"action": "relayed", "status": "5.1.1"}),
    ("expanded", NONE, "", {"action": "expanded", "status": "2.0.0"}),
    ("successful, whatever the action", NONE, "", {"action": "failed", "status": "2.1.5"}),
    ("an address in brackets", FAILED, "5.1.1", {"recipient": f"RFC822;<{RECIPIENT}>"}),
    ("an address without a type", FAILED, "5.1.1", {"recipient": RECIPIENT}),
    ("an address with a comment", FAILED, "5.1.1", {"recipient": f"rfc822; {RECIPIENT} (Pia)"}),
    ("an address of the type utf-8", FAILED, "5.1.1", {"recipient": f"utf-8; {RECIPIENT}"}),
    ("an encoded address", FAILED, "5.1.1", {"recipient": "utf-8; p\\x{69}a@pool.example"}),
    ("only the original recipient", FAILED, "5.1.1", {"recipient": None, "Original_Recipient": f"rfc822;{RECIPIENT}"}),
    ("another final recipient", FAILED, "5.1.1",
     {"recipient": f"rfc822; {OTHER}", "Original_Recipient": f"rfc822;{RECIPIENT}"}),
)  # fmt: skip


def _field_cases() -> list[Case]:
    return [
        Case(name=name, raw=report(group(**changes)), verdict=verdict, status=status)  # type: ignore[arg-type]
        for name, verdict, status, changes in _FIELD_ROWS
    ]


def _group_cases() -> list[Case]:
    """Several recipients, and groups that are separated in unusual ways."""
    other_failed = group(recipient=f"rfc822; {OTHER}", status="5.2.2")
    other_delivered = group(recipient=f"rfc822; {OTHER}", action="delivered", status="2.0.0")
    ours_delivered = group(action="delivered", status="2.0.0")
    own = group()
    rows = (
        ("ours is the second", report(other_failed, own), FAILED, "5.1.1"),
        ("only the other was delivered", report(other_delivered, own), FAILED, "5.1.1"),
        ("only the other failed", report(ours_delivered, other_failed), NONE, ""),
        ("ours is delayed", report(other_failed, group(action="delayed", status="4.4.1")), DELAYED, "4.4.1"),
        ("no blank line between recipients", report(fields=other_failed + own), FAILED, "5.1.1"),
        ("blank lines between fields", report(fields=own.replace("\n", "\n\n")), FAILED, "5.1.1"),
        ("no fields of the message", report(fields=own), FAILED, "5.1.1"),
        ("everything in one group", report(fields="Reporting-MTA: dns; mx.example\n" + own), FAILED, "5.1.1"),
        ("white space before the colon", report(fields=own.replace(": ", " : ")), FAILED, "5.1.1"),
        ("fields in lower case", report(fields=own.lower()), FAILED, "5.1.1"),
        ("fields in upper case", report(fields=own.upper()), FAILED, "5.1.1"),
    )
    return [Case(name=name, raw=raw, verdict=verdict, status=status) for name, raw, verdict, status in rows]


_GOOGLE = "From: Mail Delivery Subsystem <mailer-daemon@sandbox.example>\nX-Failed-Recipients: " + RECIPIENT
_EMPTY_ROWS = (
    ("an empty status part", f"{_GOOGLE}\nSubject: Delivery Status Notification (Failure)\n", "Not delivered.", FAILED),
    ("an empty status part, delay", f"{_GOOGLE}\nSubject: Delivery Status Notification (Delay)\n", "Pending.", DELAYED),
    ("an empty part, another language", f"{_GOOGLE}\nSubject: Delivery Status Notification (Failure)\n",
     "Adresse nicht gefunden", FAILED),
    ("an empty part with a reply", f"{_GOOGLE}\nSubject: Delivery Status Notification (Failure)\n",
     "The response was:\n\n550 5.2.1 The account is disabled.", FAILED),
)  # fmt: skip


def _google_cases() -> list[Case]:
    return [
        Case(name=name, raw=report(fields=fields, text=text, head=head), verdict=verdict)
        for name, head, text, verdict in _EMPTY_ROWS
        for fields in ("", "\n\n", "Reporting-MTA: dns; googlemail.com\n")
    ]


_TEXTS: tuple[tuple[str, str, str, str, str], ...] = (
    ("qmail", "failure notice", FAILED, "5.1.1",
     f"Hi. This is the qmail-send program at mx.example.\nI was not able to deliver your message. I've given up.\n\n"
     f"<{RECIPIENT}>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.1.1 unknown\n\n"
     f"--- Below this line is a copy of the message.\n"),
    ("Exim", "Mail delivery failed: returning message to sender", FAILED, "5.0.0",
     f"This message was created by mail delivery software.\nThis is a permanent error. This address failed:\n\n"
     f"  {RECIPIENT}\n    host mx.example [192.0.2.1]: 550 no such person\n\n"
     f"------ This is a copy of your message, with all headers. ------\n"),
    ("Exim, delayed", "Warning: message 1abc delayed 24 hours", DELAYED, "4.0.0",
     f"Your message has not yet been delivered to:\n\n  {RECIPIENT}\n\nNo action is required on your part.\n"),
    ("Sendmail", "Returned mail: see transcript for details", FAILED, "5.1.1",
     f"   ----- The following addresses had permanent fatal errors -----\n<{RECIPIENT}>\n\n"
     f"   ----- Transcript of session follows -----\n550 5.1.1 <{RECIPIENT}>... User unknown\n"),
    ("Sendmail, warning", "Warning: could not send message for past 4 hours", DELAYED, "4.0.0",
     f"    THIS IS A WARNING MESSAGE ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE.\n\n"
     f"   ----- Transient problems -----\n<{RECIPIENT}>\nWill keep trying for 5 days\n"),
    ("Postfix", "Undelivered Mail Returned to Sender", FAILED, "5.4.4",
     f"This is the mail system at host mx.example.\n\nYour message could not be delivered.\n\n"
     f"<{RECIPIENT}>: Host or domain name not found (5.4.4)\n"),
    ("Exchange", "Undeliverable: A question", FAILED, "5.0.0",
     f"Your message\n\n  To:      Pia\n  Subject: A question\n\ndid not reach the following recipient(s):\n\n"
     f"{RECIPIENT} on Thu, 29 Oct 2026 00:00:00 +0000\n    The name is not known\n"),
    ("Domino", "DELIVERY FAILURE: User pia not listed in the directory", FAILED, "5.0.0",
     f"Your message\n\n  Subject: A question\n\nwas not delivered to:\n\n  {RECIPIENT}\n\nbecause:\n\n  not listed\n"),
    ("Groupwise", "Message status - undeliverable", FAILED, "5.0.0",
     f"The message that you sent was undeliverable to the following:\n\t{RECIPIENT} (user not found)\n"),
    ("Yahoo", "Failure Notice", FAILED, "5.2.2",
     f"Sorry, we were unable to deliver your message to this address.\n\n<{RECIPIENT}>:\n552: 5.2.2 mailbox full\n"),
    ("Zoho", "Undelivered Mail Returned to Sender", FAILED, "5.1.1",
     f"This is a permanent error.\n\n{RECIPIENT} Invalid Address, ERROR_CODE :550, ERROR_CODE :5.1.1\n"),
    ("Mimecast", "[Postmaster] Email Delivery Failure", FAILED, "4.4.4",
     f"An email to this address could not be delivered:\n-- {RECIPIENT}\n\nThe problem seems to be:\n-- 4.4.4 busy\n"),
    ("Barracuda", "**Message you sent blocked by our bulk email filter**", FAILED, "5.0.0",
     f"Your message to: {RECIPIENT}\nwas blocked by our filter. The email was not delivered.\n"),
    ("MailEnable", "Message Delivery Failure", FAILED, "5.0.0",
     f"Message could not be delivered to some recipients.\n\nRecipient: [SMTP:{RECIPIENT}]\nReason: inactive\n"),
    ("Google in 2012", "Delivery Status Notification (Failure)", FAILED, "5.1.1",
     f"Delivery to the following recipient failed permanently:\n\n     {RECIPIENT}\n\n"
     f"The error that the other server returned was: 550 5.1.1 no such user\n\n----- Original message -----\n"),
    ("a provider in Germany", "Mail delivery failed", FAILED, "5.0.0",
     f"Diese E-Mail konnte nicht zugestellt werden.\n\n<{RECIPIENT}>: host mx.example said: 550 mailbox unavailable\n"),
    ("a provider in France", "Non remis : A question", FAILED, "5.0.0",
     f"Votre message n'a pas pu être remis à :\n{RECIPIENT}\n\n550 adresse inconnue\n"),
    ("a provider in Japan", "メールエラー通知", FAILED, "5.0.0",
     f"送信先のメールボックスが一杯です。\n<{RECIPIENT}>\n550 mailbox is full\n"),
    ("a provider in Russia", "Недоставленное сообщение", FAILED, "5.0.0",
     f"Ваше сообщение не доставлено:\n<{RECIPIENT}>\n550 no such user\n"),
    ("a relay that succeeded", "Successful Mail Delivery Report", NONE, "",
     f"Your message was successfully delivered to:\n<{RECIPIENT}>\n"),
)  # fmt: skip


def _text_cases() -> list[Case]:
    cases = []
    for name, subject, verdict, status, text in _TEXTS:
        head = _DAEMON.format(subject)
        forms = {
            "headers in the text": plain(text, head=head, returned=f"\n{HEADERS}\nHello.\n"),
            "quoted headers": plain(text, head=head, returned="\n" + HEADERS.replace("\n", "\n> ")),
            "a part for the mail": with_mail(text, head=head),
            "a report": with_mail(text, head=head, kind="multipart/report; report-type=delivery-status"),
            "HTML": with_mail(
                f"<html><body><p>{text.replace('<', '&lt;').replace(chr(10), '<br>')}</p></body></html>",
                head=head,
                text_type="text/html",
            ),
        }
        cases += [
            Case(name=f"{name}: {form}", raw=raw, verdict=verdict, status=status)
            for form, raw in forms.items()
            if not (verdict == NONE and form == "a part for the mail")
        ]
    return cases


_PERSON = f"From: Pia <{RECIPIENT}>\nSubject: {{}}"
_OTHER_MAIL = (
    ("a reply", plain("Thank you. It failed yesterday.", head=_PERSON.format("Re: A question"))),
    ("a forwarded bounce", with_mail("Look at this.", head=_PERSON.format("Fwd: Undeliverable: A question"))),
    ("a mail with a mail in it", with_mail("The original is attached.", head=_PERSON.format("original as attachment"))),
    ("a vacation reply", plain("I am away.", head=_PERSON.format("Away") + "\nAuto-Submitted: auto-replied")),
    ("a complaint", with_mail("A complaint.", head=_DAEMON.format("FW: A question")).replace(
        b"message/rfc822", b"message/feedback-report", 1)),
    ("a read receipt", report(fields=f"Final-Recipient: rfc822; {RECIPIENT}\nDisposition: manual-action; displayed\n",
                              status_type="message/disposition-notification", head=_PERSON.format("Read: A question")
                              + "\n", kind="multipart/report; report-type=disposition-notification")),
    ("a newsletter of a postmaster", plain("Our servers are fine.", head=_PERSON.format("News"))),
)  # fmt: skip


def _foreign_cases() -> list[Case]:
    return [Case(name=name, raw=raw, verdict=NONE) for name, raw in _OTHER_MAIL]


CASES: tuple[Case, ...] = (
    *_shape_cases(), *_field_cases(), *_group_cases(), *_google_cases(), *_text_cases(), *_foreign_cases(),
)  # fmt: skip

LIMIT_SENTENCES = {
    "en": "You have reached a limit for sending mail. Your message was not sent.",
    "da": "Du har nået grænsen for at sende mails. Din mail blev ikke sendt.",
    "de": "Sie haben das Limit für das Senden von E-Mails erreicht. Ihre Nachricht wurde nicht gesendet.",
    "es": "Has alcanzado el límite de envío de correo. Tu mensaje no se ha enviado.",
    "fr": "Vous avez atteint la limite d'envoi. Votre message n'a pas été envoyé.",
    "it": "Hai raggiunto il limite di invio. Il messaggio non è stato inviato.",
    "ja": "メールの送信制限に達しました。メールは送信されていません。",
    "ko": "메일 전송 한도에 도달했습니다. 메일이 전송되지 않았습니다.",
    "nl": "Je hebt de limiet voor het verzenden van e-mail bereikt. Je bericht is niet verzonden.",
    "pl": "Osiągnięto limit wysyłania wiadomości. Wiadomość nie została wysłana.",
    "pt": "Você atingiu o limite de envio de e-mails. Sua mensagem não foi enviada.",
    "ru": "Превышено ограничение на отправку писем. Письмо не отправлено.",
    "sv": "Du har nått gränsen för att skicka e-post. Meddelandet har inte skickats.",
    "tr": "E-posta gönderme sınırına ulaştınız. İletiniz gönderilmedi.",  # noqa: RUF001
    "uk": "Ви вичерпали ліміт для надсилання листів. Лист не надіслано.",
    "zh": "您已达到邮件发送上限。您的邮件未发送。",
}
"""The meaning of Google's notice in the languages that are recognized without a status code or a link."""

__all__ = ["CASES", "DELAYED", "FAILED", "LIMIT_SENTENCES", "NONE", "RECIPIENT", "SENDER", "TOKEN", "Case"]
