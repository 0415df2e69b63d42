"""Where mail lands: spam by chance, categories, delay, bounces, limits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from googleapiclient.errors import HttpError

from gmail_sandbox.client import SandboxClient
from sandbox.kit import Gmail, reason

ME = {"userId": "me"}
Mailboxes = Callable[..., Gmail]


def _placements(sandbox: SandboxClient, after: int = 0) -> list[str]:
    return [copy.placement for mail in sandbox.mails(after) for copy in mail.copies]


@pytest.mark.parametrize(
    ("settings", "mailbox", "expected"),
    [
        ({}, {}, "INBOX"),
        ({"spam_chance": 1}, {}, "SPAM"),
        ({"spam_chance": 1, "spam_chance_by_domain": {"example.org": 0}}, {}, "INBOX"),
        ({"spam_chance_by_domain": {"example.org": 1}}, {}, "SPAM"),
        ({"spam_chance_by_domain": {"example.com": 1}}, {}, "INBOX"),
        ({"spam_chance_by_domain": {"example.org": 0}, "spam_chance_by_sender_domain": {"example.com": 1}}, {}, "SPAM"),
        ({"spam_chance_by_sender_domain": {"example.com": 1}}, {"spam_chance": 0}, "INBOX"),
        ({"spam_chance": 0}, {"spam_chance": 1}, "SPAM"),
        ({"category_chances": {"CATEGORY_PROMOTIONS": 1}}, {}, "CATEGORY_PROMOTIONS"),
        ({"category_chances": {"CATEGORY_PROMOTIONS": 1}, "spam_chance": 1}, {}, "SPAM"),
    ],
)
def test_most_specific_chance_wins(
    sandbox: SandboxClient, gmail: Mailboxes, settings: dict[str, object], mailbox: dict[str, float], expected: str
) -> None:
    ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
    sandbox.set(**settings)
    sandbox.put_mailbox("bob@example.org", **mailbox)
    ann.send("bob@example.org")
    assert _placements(sandbox) == [expected]
    (arrived,) = bob.find("in:anywhere")
    place = {"SPAM"} if expected == "SPAM" else {"INBOX", expected}
    assert set(bob.get(arrived)["labelIds"]) == {"UNREAD"} | place


def test_seed_repeats_placement_whatever_else_happens(sandbox: SandboxClient, gmail: Mailboxes) -> None:
    runs = []
    for seed, noise in ((1, False), (1, True), (2, False)):
        sandbox.reset()
        sandbox.put_client("client-1.apps.example")
        sandbox.set(seed=seed, spam_chance=0.5)
        ann, eve = gmail("ann@example.com"), gmail("eve@example.net")
        sandbox.put_mailbox("bob@example.org")
        for _ in range(30):
            if noise:
                eve.send("bob@example.org")
            ann.send("bob@example.org")
        mails = [mail for mail in sandbox.mails() if mail.sender == "ann@example.com"]
        runs.append([mail.copies[0].placement for mail in mails])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert 5 <= Counter(runs[0])["SPAM"] <= 25


def test_delay_is_on_the_sandboxs_clock(sandbox: SandboxClient, gmail: Mailboxes) -> None:
    sandbox.set(delivery_delay_seconds=60)
    ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
    ann.send("bob@example.org")
    assert bob.find() == []
    assert sandbox.mails()[0].copies == []
    sandbox.advance(61)
    (arrived,) = bob.find()
    # It arrives when it was due, not when somebody looked.
    sent_at = sandbox.mails()[0].sent_at.timestamp()
    assert int(bob.get(arrived)["internalDate"]) / 1000 == pytest.approx(sent_at + 60, abs=0.01)


def test_unknown_recipient_bounces_below_the_mail(sandbox: SandboxClient, gmail: Mailboxes) -> None:
    ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
    sent = ann.send("nobody@example.org, bob@example.org")
    (bounce,) = ann.find("from:mailer-daemon")
    message = ann.get(bounce)
    assert message["threadId"] == sent["threadId"]
    assert set(message["labelIds"]) == {"INBOX", "UNREAD"}
    headers = ann.headers(bounce)
    assert headers["from"].endswith("<mailer-daemon@sandbox.example>")
    assert headers["x-failed-recipients"] == "nobody@example.org"
    assert headers["in-reply-to"] == ann.headers(sent["id"])["message-id"]
    payload = message["payload"]
    assert payload["mimeType"] == "multipart/report"
    kinds = ["text/plain", "message/delivery-status", "message/rfc822"]
    assert [part["mimeType"] for part in payload["parts"]] == kinds
    status = {row["name"]: row["value"] for part in payload["parts"][1]["parts"] for row in part["headers"]}
    assert (status["Action"], status["Status"]) == ("failed", "5.1.1")
    assert len(bob.find()) == 1
    assert sandbox.mails()[0].bounced == ["nobody@example.org"]
    assert sandbox.stats().mailboxes["ann@example.com"].bounced == 1


def test_tagged_address_reaches_the_mailbox(gmail: Mailboxes) -> None:
    ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
    ann.send("bob+news@example.org")
    assert len(bob.find()) == 1


def test_sending_limit_rolls_over_24_hours(sandbox: SandboxClient, gmail: Mailboxes) -> None:
    ann = gmail("ann@example.com")
    sandbox.put_mailbox("ann@example.com", sending_limit=2)
    ann.send("ann@example.com")
    sandbox.advance(3000)
    ann.send("ann@example.com")
    with pytest.raises(HttpError, match=r"\(Mail sending\)") as caught:
        ann.send("ann@example.com")
    assert reason(caught.value) == (429, "userRateLimitExceeded")
    assert len(sandbox.mails()) == 2
    sandbox.advance(86400 - 3000 + 1)
    ann = gmail("ann@example.com")
    ann.send("ann@example.com")
    with pytest.raises(HttpError):
        ann.send("ann@example.com")


def test_outside_mail_stays_as_it_was_put(sandbox: SandboxClient, gmail: Mailboxes) -> None:
    sandbox.set(spam_chance=1)
    ann = gmail("ann@example.com")
    arrived = sandbox.deliver("ann@example.com", sender="Boss <boss@corp.test>", subject="Täglich", text="Numbers?")
    assert ann.find() == [arrived.message_id]
    assert ann.headers(arrived.message_id)["subject"] == "Täglich"
    assert ann.find(f"rfc822msgid:{arrived.rfc_message_id}") == [arrived.message_id]
    assert sandbox.mails() == [], "nobody in the sandbox sent it"
