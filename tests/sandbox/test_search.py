"""The search box, operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from googleapiclient.errors import HttpError

from gmail_sandbox.client import SandboxClient
from sandbox.kit import CLIENT, Gmail, reason

ADDRESS = "ann@example.com"
NOON = datetime(2030, 6, 15, 12, tzinfo=UTC)
MAILS = {
    # name: (days before noon, sender, subject, text, labels)
    "fresh": (0, "Bob Brown <bob@example.org>", "Lunch on Friday", "Pasta, or the café?", ["INBOX", "UNREAD"]),
    "read": (3, "carol@sub.example.net", "Re: Lunch on Friday", "Soup for me.", ["INBOX", "STARRED"]),
    "old": (40, "bob@example.org", "Invoice 42", "Please pay, friend-day special", ["INBOX", "IMPORTANT"]),
    "ancient": (500, "joann@example.com", "Archive", "friday's notes", []),
    "spam": (1, "win@spam.test", "You won lunch", "Click", ["SPAM", "UNREAD"]),
    "trash": (2, "bob@example.org", "Forget this", "nothing", ["TRASH"]),
    "offer": (1, "shop@example.net", "Sale", "Buy", ["INBOX", "CATEGORY_PROMOTIONS"]),
    "labelled": (5, "dan@example.org", "Warmth", "x", ["Label_1"]),
}


@pytest.fixture(scope="module")
def gmail(started: SandboxClient) -> Gmail:
    """Return the service of a mailbox that got all the mails."""
    started.reset()
    started.put_client(CLIENT)
    started.put_mailbox(ADDRESS)
    early = Gmail(started.base_url, started.grant(ADDRESS, CLIENT).access_token)
    early.labels.create(userId="me", body={"name": "Team/Warm up"}).execute()
    for name, (days, sender, subject, text, labels) in MAILS.items():
        started.set_clock(NOON)
        started.advance(-days * 86400)
        headers = {"Message-ID": f"<{name}@mail.test>"}
        started.deliver(ADDRESS, sender=sender, subject=subject, text=text, labels=labels, headers=headers)
    started.set_clock(NOON)
    started.set(units=False)
    return Gmail(started.base_url, started.grant(ADDRESS, CLIENT).access_token)


@pytest.fixture(scope="module")
def search(gmail: Gmail) -> Callable[..., set[str]]:
    """Return a function that answers a query with the names of the mails found."""
    names = {
        found: gmail.headers(found)["message-id"].strip("<>").partition("@")[0]
        for found in gmail.find(includeSpamTrash=True)
    }
    return lambda q, **more: {names[found] for found in gmail.find(q, **more)}


VISIBLE = set(MAILS) - {"spam", "trash"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", VISIBLE),
        ("in:inbox", {"fresh", "read", "old", "offer"}),
        ("in:spam", {"spam"}),
        ("in:trash", {"trash"}),
        ("in:anywhere", set(MAILS)),
        ("in:anywhere -in:inbox", {"ancient", "spam", "trash", "labelled"}),
        ("-in:spam", VISIBLE),
        ("from:bob@example.org", {"fresh", "old"}),
        ("from:BOB", {"fresh", "old"}),
        ("from:brown", {"fresh"}),
        ("from:ann@example.com", set()),
        ("from:example.net", {"read", "offer"}),
        ("from:bob in:anywhere", {"fresh", "old", "trash"}),
        ("-from:bob", VISIBLE - {"fresh", "old"}),
        ("to:ann@example.com is:unread", {"fresh"}),
        ("is:read in:inbox", {"read", "old", "offer"}),
        ("is:important", {"old"}),
        ("is:starred", {"read"}),
        ("label:team-warm-up", {"labelled"}),
        ('label:"Team/Warm up"', {"labelled"}),
        ("label:nothing", set()),
        ("label:inbox is:unread", {"fresh"}),
        ("category:promotions", {"offer"}),
        ("rfc822msgid:fresh@mail.test", {"fresh"}),
        ("rfc822msgid:<spam@mail.test>", set()),
        ("rfc822msgid:<spam@mail.test> in:anywhere", {"spam"}),
        ("subject:lunch", {"fresh", "read"}),
        ('subject:"lunch on friday"', {"fresh", "read"}),
        ('subject:"friday lunch"', set()),
        ("lunch", {"fresh", "read"}),
        ("friday", {"fresh", "read", "ancient"}),
        ("fri", set()),
        ("CAFÉ", {"fresh"}),
        ('"soup for me"', {"read"}),
        ("lunch -soup", {"fresh"}),
        ("lunch pasta", {"fresh"}),
        ("newer_than:2d", {"fresh", "offer"}),
        ("older_than:1m", {"old", "ancient"}),
        ("older_than:1y", {"ancient"}),
        ("after:2030/06/12 in:inbox", {"fresh", "read", "offer"}),
        ("after:2030-06-14", {"fresh", "offer"}),
        ("before:2029/02/02", {"ancient"}),
        (f"after:{int(NOON.timestamp()) - 60}", {"fresh"}),
        (f"before:{int(NOON.timestamp()) - 400 * 86400}", {"ancient"}),
    ],
)
def test_query(search: Callable[..., set[str]], query: str, expected: set[str]) -> None:
    assert search(query) == expected


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"includeSpamTrash": True}, set(MAILS)),
        ({"labelIds": ["INBOX", "UNREAD"]}, {"fresh"}),
        ({"labelIds": ["SPAM"]}, {"spam"}),
        ({"labelIds": ["Label_1"]}, {"labelled"}),
    ],
)
def test_parameters(search: Callable[..., set[str]], parameters: dict[str, object], expected: set[str]) -> None:
    assert search("", **parameters) == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("has:drive", "has:"),
        ("filename:pdf", "filename:"),
        ("is:chatty", "is:chatty"),
        ("lunch OR soup", "OR"),
        ("{lunch soup}", "{lunch"),
        ("(lunch soup)", "(lunch"),
        ("newer_than:soon", "newer_than"),
        ("after:yesterday", "after"),
        ("from:", "from:"),
    ],
)
def test_what_is_not_understood_is_named(search: Callable[..., set[str]], query: str, named: str) -> None:
    with pytest.raises(HttpError) as caught:
        search(query)
    assert reason(caught.value) == (400, "badRequest")
    assert named in caught.value.reason


def test_newest_first_with_an_estimate(gmail: Gmail) -> None:
    answer = gmail.messages.list(userId="me", maxResults=2).execute()
    subjects = [gmail.headers(row["id"])["subject"] for row in answer["messages"]]
    assert subjects == ["Lunch on Friday", "Sale"]
    assert answer["resultSizeEstimate"] == len(VISIBLE)
    nothing = gmail.messages.list(userId="me", q="subject:nowhere").execute()
    assert nothing == {"resultSizeEstimate": 0}


def test_has_attachment_finds_mails_with_a_file(started: SandboxClient) -> None:
    address = "files@example.com"
    started.put_mailbox(address)
    started.deliver(address, sender="bob@example.org", text="attachment")
    part = "--b\nContent-Type: text/csv\nContent-Disposition: attachment; filename=a.csv\n\n1,2\n--b--\n"
    raw = f"To: {address}\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n{part}"
    delivered = started.deliver(address, sender="bob@example.org", raw=raw)
    gmail = Gmail(started.base_url, started.grant(address, CLIENT).access_token)
    assert list(gmail.find("has:attachment in:inbox")) == [delivered.message_id]
    assert len(list(gmail.find("-has:attachment"))) == 1
