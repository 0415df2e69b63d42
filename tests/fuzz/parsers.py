"""Everything that reads what strangers wrote: what it may raise, and what has to hold of what it returns."""

from __future__ import annotations

import base64
import json
import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from email import message_from_bytes
from email.policy import default

import httplib2
import httpx
from googleapiclient.errors import HttpError

from fuzz.mutator import Mutator
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError
from gmail_warmup.core.options import validate_settings as parse_settings
from gmail_warmup.core.settings import Settings
from gmail_warmup.domains.check import check_domain
from gmail_warmup.domains.lookup import InvalidNameError, NoAnswerError, RecordType
from gmail_warmup.gmail import client, delivery_status, errors, mime, transport
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import classify_response, parse_response
from gmail_warmup.transfer import csv_format, encrypted_backup, parser
from gmail_warmup.transfer.authorized_user import parse_authorized_user
from gmail_warmup.warmup.content import generators
from gmail_warmup.warmup.content.template_parser import parse_templates
from gmail_warmup.warmup.content.templates import MailKind
from gmail_warmup.web.queries.sorting import Cursor, Order


@dataclass(frozen=True, kw_only=True)
class Parser:
    """One thing to feed.

    Attributes:
        feed: draws an input and has it read; a broken promise is an AssertionError, as is anything else that is raised.
        examples: valid inputs.
        cost: how much longer it takes than the others, roughly; it gets the fewer inputs.
    """

    name: str
    feed: Callable[[Mutator, random.Random], None]
    examples: tuple[bytes, ...]
    cost: int = 1


_REPORT = """From: mailer-daemon@sandbox.example
Subject: Failure
In-Reply-To: <a@b.example>
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; pia@pool.example
Action: failed
Status: 5.1.1

--b
Content-Type: message/rfc822

From: ada@warm.example
Message-ID: <own@warm.example>
X-Warmup-Id: 0123456789abcdef0123456789abcdef

Hi.
--b--
""".replace("\n", "\r\n").encode()


def _report(draw: Mutator, source: random.Random) -> None:
    found = delivery_status.parse_delivery_status(draw.bytes(), token_header="X-Warmup-Id")
    if found:
        assert re.fullmatch(r"[45]\.\d{1,3}\.\d{1,3}", found.status)
        assert all(re.fullmatch(r"[0-9a-f]{32}", token) for token in found.tokens)
        assert all(re.fullmatch(r"<[^<>\s]{1,900}>", name) for name in found.message_ids)


def _headers(draw: Mutator, source: random.Random) -> None:
    names = ("auto-submitted", "precedence", "x-autoreply", "x-autorespond", "in-reply-to", "references")
    headers = {source.choice(names): draw.text(most=300) for _ in range(3)}
    assert delivery_status.is_auto_reply(headers) in (True, False)
    assert (
        len(delivery_status.find_replied_message_id(headers.get("in-reply-to", ""), headers.get("references", ""))) <= 1
    )


def _mail(draw: Mutator, source: random.Random) -> None:
    """Build a mail of anything; what is built has the headers that were asked for, once each, and no others."""

    def maybe(good: str) -> str:
        return good if source.random() < 0.6 else draw.text(most=400)

    try:
        built = mime.build_message(
            mime.OutgoingMail(
                sender=maybe("ada@warm.example"),
                sender_name=maybe("Ada"),
                recipient=maybe("pia@pool.example"),
                recipient_name=maybe("Pia"),
                subject=maybe("A question"),
                text=maybe("Hello."),
                html=maybe("<p>Hello.</p>"),
                message_id=maybe("<a@warm.example>"),
                headers={"X-Warmup-Id": maybe("0" * 32)},
                in_reply_to=maybe("<b@pool.example>"),
            )
        )
    except InvalidInputError:
        return
    head = built.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n") if not line.startswith((b" ", b"\t"))]
    assert sorted(names) == sorted(
        (b"From", b"To", b"Subject", b"Message-ID", b"In-Reply-To", b"X-Warmup-Id", b"MIME-Version", b"Content-Type")
    ), names
    assert built.isascii()
    assert max(map(len, built.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", built), "a bare CR or LF"
    assert len(list(message_from_bytes(built, policy=default).iter_parts())) == 2


_DNS = (
    b"v=spf1 include:_spf.google.com ~all", b"v=spf1 a mx ip4:192.0.2.0/24 ip6:2001:db8::/32 redirect=b.example",
    b"v=spf1 include:a.example include:b.example exists:%{i}.c.example ?all",
    b"v=DMARC1; p=reject; sp=none; rua=mailto:a@b", b"v=DKIM1; k=rsa; p=" + b"A" * 392,
    b"v=DKIM1; k=ed25519; p=" + b"A" * 43 + b"=", b"google-site-verification=x",
)  # fmt: skip


def _dns(draw: Mutator, source: random.Random) -> None:
    asked = 0

    def lookup(name: str, record_type: RecordType = RecordType.TXT) -> list[str]:
        nonlocal asked
        asked += 1
        chance = source.random()
        if chance < 0.03:
            raise NoAnswerError(name)
        if chance < 0.06 or len(name) > 253:
            raise InvalidNameError(name)
        return [draw.text(most=600) for _ in range(source.choice((0, 1, 1, 1, 2)))]

    findings = check_domain("a.b.warm.example", lookup, selector="google")
    assert len(findings) == 3
    assert asked < 250, "a record makes for too many questions"


_FILES = (
    b"address,kind,daily_target,timezone,display_name\r\nada@warm.example,warmup,20,Europe/Berlin,Ada\r\n"
    b"pia@pool.example,pool,,,\r\n",
    b'\xef\xbb\xbfaddress;kind;pause_reason\nada@warm.example;warmup;"a; ""b"""\n',
    b'[{"address": "ada@warm.example", "kind": "warmup", "oauth_token": {"refresh_token": "1//x", "expiry": ""}}]',
    b'{"address": "ada@warm.example", "kind": "pool", "open_rate": 50, "signature": "--\\nAda", "token": "{}"}',
)  # fmt: skip


def _file(draw: Mutator, source: random.Random) -> None:
    try:
        found = parser.parse_with_problems(
            draw.text() if source.random() < 0.7 else draw.json().decode("utf-8", "replace")
        )
    except InvalidInputError:
        return
    numbers = {item.number for item in found.mailboxes}
    assert not numbers & {problem.number for problem in found.problems}, "a line is both good and bad"
    json.dumps([item.settings.model_dump(mode="json") for item in found.mailboxes]).encode()


def _cells(draw: Mutator, source: random.Random) -> None:
    cells = [draw.text(most=80).replace("\0", "").strip() for _ in range(3)]
    columns = ["one", "two", "three"]
    rows = [dict(zip(columns, cells, strict=True))]
    lines = list(csv_format.write_table(columns, rows))
    assert not [cell for cell in map(csv_format.escape_formula, cells) if cell[:1] in tuple("=+-@\t\r")]
    table = csv_format.parse_table("".join(lines).encode("utf-8", "replace").decode())
    if any(cells) and all(cell.isprintable() for cell in cells):
        assert [line.cells for line in table.lines] == rows


_ANSWERS = (
    b'{"access_token": "ya29.x", "expires_in": 3599, "scope": "a b", "refresh_token_expires_in": 604799}',
    b'{"error": "invalid_grant", "error_description": "Token has been expired or revoked.", "error_subtype": "x"}',
    b'{"error": {"code": 503, "status": "UNAVAILABLE", "errors": [{"reason": "rateLimitExceeded"}], "message": "no"}}',
    b"<html>Service Unavailable</html>", b"120", b"Wed, 21 Oct 2037 07:28:00 GMT", b"Wed, 21 Oct 2037 07:28:00 -0000",
)  # fmt: skip
_STATUSES = (200, 200, 200, 302, 400, 400, 401, 403, 404, 408, 425, 429, 500, 503)


def _answer(draw: Mutator, source: random.Random) -> None:
    headers = httpx.Headers([(b"retry-after", _one_line(draw))])
    verdict = classify_response(
        parse_response(source.choice(_STATUSES), headers, source.choice((draw.bytes, draw.json))())
    )
    assert verdict.reason.code in REASONS
    for seconds in (verdict.expires_in, verdict.refresh_expires_in, verdict.retry_after):
        assert seconds is None or (0 <= seconds < 10**10 and math.isfinite(seconds))


def _one_line(draw: Mutator) -> bytes:
    return draw.bytes(most=60).replace(b"\r", b"").replace(b"\n", b"")


def _gmail(draw: Mutator, source: random.Random) -> None:
    """Hand a refusal on as the transport does, and read it as the operations do."""
    status = source.choice([code for code in _STATUSES if code >= 400])
    response = httplib2.Response({"status": str(status), "retry-after": _one_line(draw).decode("latin-1")})
    content = transport._drop_unreadable_body(response, source.choice((draw.bytes, draw.json))())
    error = client._translate_error("ada@warm.example", HttpError(response, content))
    assert isinstance(error, errors.GmailError)
    assert error.retry_after is None or 0 <= error.retry_after < 10**10
    assert len(str(error)) < 500


_TOKENS = (
    b'{"refresh_token": "1//x", "token": "ya29.x", "expiry": "2030-01-01T00:00:00", "scopes": ["a"], "client_id": "c"}',
    b'{"refresh_token": "1//x", "access_token": "y", "granted_at": "2030-01-01T00:00:00+05:00", "scopes": "a b"}',
)


def _token(draw: Mutator, source: random.Random) -> None:
    try:
        said = repr(parse_authorized_user(draw.text() if source.random() < 0.5 else json.loads(draw.json())))
    except InvalidInputError as error:
        said = str(error)
    assert "ya29" not in said
    assert "1//" not in said


_BACKUP = encrypted_backup.encrypt_backup('{"mailboxes": []}', "a passphrase long enough").encode()


def _backup(draw: Mutator, source: random.Random) -> None:
    try:
        encrypted_backup.parse_encrypted_backup(
            draw.text() if source.random() < 0.5 else draw.json().decode("utf-8", "replace")
        )
    except InvalidInputError:
        pass


_PLACES = tuple(
    json.dumps([order, 0, key, last]).encode()
    for order in Order
    for key, last in ((None, "a@b.example"), (3, 7), ("2030-01-01T00:00:00+00:00", 7))
)


def _cursor(draw: Mutator, source: random.Random) -> None:
    order = source.choice(list(Order))
    try:
        inside = draw.json() if source.random() < 0.8 else b"[" * source.choice((1, 5000))
        text = base64.urlsafe_b64encode(inside).decode() if source.random() < 0.7 else draw.text(most=2000)
        found = Cursor.parse(text, order)
    except InvalidInputError:
        return
    assert Cursor.parse(str(found), order) == found


def _setting(draw: Mutator, source: random.Random) -> None:
    name = source.choice(list(Settings.model_fields))
    try:
        parse_settings({name: draw.text(most=200)})
    except ConfigurationError as error:
        said = str(error)
    else:
        return
    assert name in said.lower() or "gmail_warmup" in said


_TEMPLATE = b"# a\n== notes\nSubject: A | B {day}\nHi {recipient} | Yo.\n\nBye.\n"


def _templates(draw: Mutator, source: random.Random) -> None:
    found, problems = parse_templates(
        draw.text(), file_name="a", kind=source.choice(list(MailKind)), complete=source.random() < 0.5
    )
    assert found or problems
    assert len(list(map(str, problems))) == len(problems)


def _generated(draw: Mutator, source: random.Random) -> None:
    try:
        assert generators._extract_content(
            httpx.Response(200, content=source.choice((draw.bytes, draw.json))())
        ).strip()
    except generators.GeneratorError:
        pass


PARSERS = (
    Parser(name="bounces and their mails", feed=_report, examples=(_REPORT,), cost=2),
    Parser(
        name="headers of auto-replies", feed=_headers, examples=(b"auto-replied; x", b"<a@b.example> <c@d.example>")
    ),
    Parser(name="mails to send", feed=_mail, examples=(b'Ada "L" O\'Neil', "Zo\u00eb".encode(), b"<p>a</p>"), cost=8),
    Parser(name="SPF, DKIM and DMARC", feed=_dns, examples=_DNS),
    Parser(name="files of mailboxes", feed=_file, examples=_FILES, cost=4),
    Parser(name="cells of spreadsheets", feed=_cells, examples=(b"=1+1", b"'=x", b"plain, text", b'"q"')),
    Parser(name="answers of the token endpoint", feed=_answer, examples=_ANSWERS),
    Parser(name="refusals of Gmail", feed=_gmail, examples=_ANSWERS),
    Parser(name="tokens of google-auth", feed=_token, examples=_TOKENS),
    Parser(name="backups", feed=_backup, examples=(_BACKUP, b"{}")),
    Parser(name="places in the list", feed=_cursor, examples=_PLACES),
    Parser(name="settings", feed=_setting, examples=(b"09:00-18:00", b"20", b"mon,tue", b"true", b"Warmup/x"), cost=4),
    Parser(name="templates", feed=_templates, examples=(_TEMPLATE,)),
    Parser(name="generated texts", feed=_generated, examples=(b'{"choices": [{"message": {"content": "Hello."}}]}',)),
)
