"""Gmail's methods through googleapiclient."""

from __future__ import annotations

import base64
from collections.abc import Callable
from email import message_from_bytes

import httpx
import pytest
from googleapiclient.errors import HttpError

from gmail_sandbox.client import SandboxClient
from sandbox.kit import Gmail, raw, reason

ME = {"userId": "me"}
Mailboxes = Callable[..., Gmail]


def test_mail_arrives_with_the_id_that_gmail_gave_it(sandbox: SandboxClient, gmail: Mailboxes) -> None:
    ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
    sent = ann.send("Bob <bob@example.org>", "Lunch?", message_id="<own@ann.test>", x_token="t-1")
    assert sent["labelIds"] == ["SENT"]
    rfc_id = ann.headers(sent["id"])["message-id"]
    assert rfc_id.endswith("@mail.sandbox.example>")
    assert bob.find("rfc822msgid:<own@ann.test>") == []
    (arrived,) = bob.find(f"rfc822msgid:{rfc_id} in:anywhere")
    assert set(bob.get(arrived)["labelIds"]) == {"INBOX", "UNREAD"}
    headers = bob.headers(arrived)
    assert (headers["from"], headers["delivered-to"]) == ("ann@example.com", "bob@example.org")
    (mail,) = sandbox.mails()
    assert (mail.sender, mail.to, mail.method) == ("ann@example.com", ["bob@example.org"], "messages.send")
    assert (mail.rfc_message_id, mail.headers["x-token"]) == (rfc_id, "t-1")
    assert (mail.copies[0].mailbox, mail.copies[0].placement) == ("bob@example.org", "INBOX")


def test_message_id_can_be_kept(sandbox: SandboxClient, gmail: Mailboxes) -> None:
    sandbox.set(replace_message_id=False)
    ann = gmail("ann@example.com")
    assert ann.headers(ann.send("ann@example.com", message_id="<own@ann.test>")["id"])["message-id"] == "<own@ann.test>"


def test_foreign_from_is_rewritten_and_bcc_stays_secret(gmail: Mailboxes) -> None:
    ann, bob, eve = gmail("ann@example.com"), gmail("bob@example.org"), gmail("eve@example.net")
    sent = ann.send("bob@example.org", **{"from": "boss@example.com", "bcc": "eve@example.net"})
    assert ann.headers(sent["id"])["from"] == "ann@example.com"
    assert ann.headers(sent["id"])["bcc"] == "eve@example.net"
    for box in (bob, eve):
        assert "bcc" not in box.headers(box.find()[0])
        assert b"eve@" not in base64.urlsafe_b64decode(box.get(box.find()[0], format="raw")["raw"]).split(b"\r\nTo:")[1]


def test_raw_is_the_whole_mail_and_metadata_only_what_was_asked(gmail: Mailboxes) -> None:
    ann = gmail("ann@example.com")
    sent = ann.send("ann@example.com", "Grüße", "Straße & <b>mehr</b>")["id"]
    mail = message_from_bytes(base64.urlsafe_b64decode(ann.get(sent, format="raw")["raw"]))
    assert mail.get_payload(decode=True).decode().strip() == "Straße & <b>mehr</b>"
    metadata = ann.get(sent, format="metadata", metadataHeaders=["Subject", "to"])
    rows = {row["name"]: row["value"] for row in metadata["payload"]["headers"]}
    assert rows == {"Subject": "Grüße", "To": "ann@example.com"}
    assert metadata["snippet"] == "Straße &amp; &lt;b&gt;mehr&lt;/b&gt;"
    assert "payload" not in ann.get(sent, format="minimal")
    body = ann.get(sent)["payload"]["body"]
    assert base64.urlsafe_b64decode(body["data"]).decode().strip() == "Straße & <b>mehr</b>"


def test_mail_to_oneself_is_one_message(gmail: Mailboxes) -> None:
    ann = gmail("ann@example.com")
    sent = ann.send("ann@example.com")
    assert set(sent["labelIds"]) == {"SENT", "INBOX", "UNREAD"}
    assert ann.find() == [sent["id"]]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({}, "RFC822 payload"),
        ({"raw": "%%%"}, "Base64"),
        ({"raw": base64.urlsafe_b64encode(b"Subject: x\r\n\r\ny").decode()}, "Recipient address required"),
        ({"raw": raw("not-an-address")}, "Invalid To header"),
    ],
)
def test_bad_mails_are_refused(sandbox: SandboxClient, gmail: Mailboxes, body: dict[str, str], text: str) -> None:
    with pytest.raises(HttpError, match=text) as caught:
        gmail("ann@example.com").messages.send(**ME, body=body).execute()
    assert reason(caught.value) == (400, "invalidArgument")
    assert sandbox.mails() == []


class TestDrafts:
    def test_draft_is_sent_once(self, sandbox: SandboxClient, gmail: Mailboxes) -> None:
        ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
        draft = ann.draft("bob@example.org")
        assert draft["message"]["labelIds"] == ["DRAFT"]
        assert bob.find() == []
        sent = ann.drafts.send(**ME, body={"id": draft["id"]}).execute()
        assert sent["id"] != draft["message"]["id"]
        assert sent["threadId"] == draft["message"]["threadId"]
        for gone in (ann.drafts.send(**ME, body={"id": draft["id"]}), ann.drafts.get(**ME, id=draft["id"])):
            with pytest.raises(HttpError) as caught:
                gone.execute()
            assert reason(caught.value) == (404, "notFound")
        assert len(bob.find()) == len(sandbox.mails()) == 1
        assert ann.find("in:draft") == []

    @pytest.mark.parametrize("cuts", [1, 2])
    def test_lost_answer_leaves_one_mail_and_no_draft(
        self, sandbox: SandboxClient, gmail: Mailboxes, cuts: int
    ) -> None:
        ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
        draft = ann.draft("bob@example.org", x_token="slot-1")
        sandbox.add_fault("gmail.users.drafts.send", when="after", close=True, times=cuts)
        # httplib2 repeats a request once by itself: after one cut the caller sees the repetition's 404.
        with pytest.raises(HttpError if cuts == 1 else OSError) as caught:
            ann.drafts.send(**ME, body={"id": draft["id"]}).execute(num_retries=0)
        if cuts == 1:
            assert reason(caught.value) == (404, "notFound")
        with pytest.raises(HttpError) as gone:
            ann.drafts.get(**ME, id=draft["id"]).execute()
        assert reason(gone.value) == (404, "notFound")
        assert len(bob.find()) == 1
        assert [mail.headers["x-token"] for mail in sandbox.mails()] == ["slot-1"]

    def test_updated_draft_is_what_is_sent(self, gmail: Mailboxes) -> None:
        ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
        draft = ann.draft("bob@example.org", "Old")
        body = {"message": {"raw": raw("bob@example.org", "New")}}
        assert ann.drafts.update(**ME, id=draft["id"], body=body).execute()["id"] == draft["id"]
        ann.drafts.send(**ME, body={"id": draft["id"]}).execute()
        assert [bob.headers(found)["subject"] for found in bob.find()] == ["New"]

    def test_refused_sending_keeps_the_draft(self, sandbox: SandboxClient, gmail: Mailboxes) -> None:
        ann = gmail("ann@example.com")
        draft = ann.draft("bob@example.org")
        sandbox.put_mailbox("ann@example.com", sending_limit=0)
        with pytest.raises(HttpError):
            ann.drafts.send(**ME, body={"id": draft["id"]}).execute()
        assert ann.drafts.list(**ME).execute()["drafts"][0]["id"] == draft["id"]


class TestThreads:
    def test_reply_joins_on_both_sides(self, gmail: Mailboxes) -> None:
        ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
        sent = ann.send("bob@example.org", "Lunch?")
        (arrived,) = bob.find()
        rfc_id = bob.headers(arrived)["message-id"]
        thread = bob.get(arrived)["threadId"]
        reply = bob.send("ann@example.com", "Re: Lunch?", threadId=thread, in_reply_to=rfc_id, references=rfc_id)
        assert reply["threadId"] == thread
        messages = ann.threads.get(userId="me", id=sent["threadId"]).execute()["messages"]
        assert [set(message["labelIds"]) for message in messages] == [{"SENT"}, {"INBOX", "UNREAD"}]

    @pytest.mark.parametrize(
        ("subject", "with_reference"), [("Other", True), ("Re: Lunch?", False)], ids=["subject", "reference"]
    )
    def test_thread_id_alone_is_not_enough(self, gmail: Mailboxes, subject: str, with_reference: bool) -> None:
        ann, _ = gmail("ann@example.com"), gmail("bob@example.org")
        sent = ann.send("bob@example.org", "Lunch?")
        rfc_id = ann.headers(sent["id"])["message-id"]
        headers = {"in_reply_to": rfc_id} if with_reference else {}
        reply = ann.send("bob@example.org", subject, threadId=sent["threadId"], **headers)
        assert reply["threadId"] != sent["threadId"]

    def test_thread_of_another_mailbox_is_unknown(self, gmail: Mailboxes) -> None:
        ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
        ann.send("bob@example.org")
        thread = bob.get(bob.find()[0])["threadId"]
        with pytest.raises(HttpError) as caught:
            ann.send("bob@example.org", threadId=thread)
        assert reason(caught.value) == (404, "notFound")


class TestLabels:
    @pytest.mark.parametrize(
        ("change", "text"),
        [
            ({"addLabelIds": ["Label_99"]}, "Invalid label: Label_99"),
            ({"addLabelIds": ["SENT"]}, "Invalid label: SENT"),
            ({"removeLabelIds": ["DRAFT"]}, "Invalid label: DRAFT"),
            ({}, "No label add or removes specified"),
            ({"addLabelIds": ["STARRED"], "removeLabelIds": ["STARRED"]}, "both add and remove"),
        ],
    )
    def test_change_is_checked(self, gmail: Mailboxes, change: dict[str, list[str]], text: str) -> None:
        ann = gmail("ann@example.com")
        sent = ann.send("ann@example.com")
        for request in (
            ann.messages.modify(**ME, id=sent["id"], body=change),
            ann.messages.batchModify(**ME, body={"ids": [sent["id"]]} | change),
            ann.threads.modify(**ME, id=sent["threadId"], body=change),
        ):
            with pytest.raises(HttpError, match=text) as caught:
                request.execute()
            assert reason(caught.value) == (400, "invalidArgument")
        assert set(ann.get(sent["id"])["labelIds"]) == {"SENT", "INBOX", "UNREAD"}

    def test_rescue_from_spam_shows_in_the_mails_events(self, sandbox: SandboxClient, gmail: Mailboxes) -> None:
        sandbox.set(spam_chance=1)
        ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
        ann.send("bob@example.org")
        (arrived,) = bob.find("in:spam")
        bob.messages.modify(**ME, id=arrived, body={"addLabelIds": ["INBOX"], "removeLabelIds": ["SPAM"]}).execute()
        (copy,) = sandbox.mails()[0].copies
        assert (copy.placement, copy.labels) == ("SPAM", ["INBOX", "UNREAD"])
        changes = [(event.added, event.removed) for event in copy.events]
        assert changes == [(["SPAM", "UNREAD"], []), (["INBOX"], ["SPAM"])]

    def test_labels_live_and_die(self, gmail: Mailboxes) -> None:
        ann = gmail("ann@example.com")
        sent = ann.send("ann@example.com")["id"]
        label = ann.labels.create(**ME, body={"name": "Warm Up/Done"}).execute()["id"]
        ann.messages.modify(**ME, id=sent, body={"addLabelIds": [label]}).execute()
        counts = ann.labels.get(**ME, id=label).execute()
        assert (counts["messagesTotal"], counts["messagesUnread"]) == (1, 1)
        assert ann.find("label:warm-up-done") == [sent]
        with pytest.raises(HttpError) as caught:
            ann.labels.create(**ME, body={"name": "warm up/done"}).execute()
        assert caught.value.status_code == 409
        ann.labels.delete(**ME, id=label).execute()
        assert label not in ann.get(sent)["labelIds"]
        with pytest.raises(HttpError) as caught:
            ann.labels.delete(**ME, id="INBOX").execute()
        assert caught.value.status_code == 400

    def test_trash_leaves_the_inbox_and_the_default_search(self, gmail: Mailboxes) -> None:
        ann = gmail("ann@example.com")
        sent = ann.send("ann@example.com")["id"]
        ann.messages.trash(**ME, id=sent).execute()
        assert ann.find() == []
        assert ann.find(includeSpamTrash=True) == ann.find("in:trash") == ann.find(labelIds=["TRASH"]) == [sent]


class TestHistory:
    def test_tells_what_happened_since(self, gmail: Mailboxes) -> None:
        ann, bob = gmail("ann@example.com"), gmail("bob@example.org")
        start = bob.users.getProfile(**ME).execute()["historyId"]
        ann.send("bob@example.org")
        (arrived,) = bob.find()
        bob.messages.modify(**ME, id=arrived, body={"removeLabelIds": ["UNREAD"]}).execute()
        answer = bob.history.list(**ME, startHistoryId=start).execute()
        added, removed = answer["history"]
        assert added["messagesAdded"][0]["message"]["id"] == arrived
        assert removed["labelsRemoved"][0]["labelIds"] == ["UNREAD"]
        only = bob.history.list(**ME, startHistoryId=start, historyTypes=["labelRemoved"]).execute()["history"]
        assert only == [removed]
        assert "history" not in bob.history.list(**ME, startHistoryId=answer["historyId"]).execute()

    def test_too_old_is_404(self, sandbox: SandboxClient, gmail: Mailboxes) -> None:
        ann = gmail("ann@example.com")
        start = ann.users.getProfile(**ME).execute()["historyId"]
        ann.send("ann@example.com")
        sandbox.advance(8 * 86400)
        with pytest.raises(HttpError) as caught:
            gmail("ann@example.com").history.list(**ME, startHistoryId=start).execute()
        assert reason(caught.value) == (404, "notFound")

    def test_pages(self, gmail: Mailboxes) -> None:
        ann = gmail("ann@example.com")
        start = ann.users.getProfile(**ME).execute()["historyId"]
        for _ in range(5):
            ann.send("ann@example.com")
        request, seen = ann.history.list(**ME, startHistoryId=start, maxResults=2), []
        while request is not None:
            answer = request.execute()
            seen += [entry["id"] for entry in answer["history"]]
            request = ann.history.list_next(request, answer)
        assert len(seen) == len(set(seen)) == 5


class TestAccess:
    @pytest.mark.parametrize(
        ("authorization", "status", "why"),
        [(None, 401, "required"), ("Bearer ya29.unknown", 401, "authError"), ("Basic eDp5", 401, "required")],
    )
    def test_bearer_is_needed(self, http: httpx.Client, authorization: str | None, status: int, why: str) -> None:
        headers = {"authorization": authorization} if authorization else {}
        error = http.get("/gmail/v1/users/me/profile", headers=headers).json()["error"]
        assert (error["code"], error["errors"][0]["reason"]) == (status, why)

    @pytest.mark.parametrize("user_id", ["me", "ann@example.com", "Ann@Example.com"])
    def test_own_address_is_me(self, gmail: Mailboxes, user_id: str) -> None:
        profile = gmail("ann@example.com").users.getProfile(userId=user_id).execute()
        assert profile["emailAddress"] == "ann@example.com"

    def test_other_address_is_denied(self, gmail: Mailboxes) -> None:
        ann, _ = gmail("ann@example.com"), gmail("bob@example.org")
        with pytest.raises(HttpError, match="Delegation denied") as caught:
            ann.users.getProfile(userId="bob@example.org").execute()
        assert reason(caught.value) == (403, "delegationDenied")

    def test_missing_scope_names_itself(self, gmail: Mailboxes) -> None:
        ann = gmail("ann@example.com", scopes=["https://www.googleapis.com/auth/gmail.readonly"])
        with pytest.raises(HttpError) as caught:
            ann.send("ann@example.com")
        assert caught.value.status_code == 403
        assert b"ACCESS_TOKEN_SCOPE_INSUFFICIENT" in caught.value.content

    def test_metadata_scope_sees_headers_only(self, gmail: Mailboxes) -> None:
        gmail("ann@example.com").send("ann@example.com")
        ann = gmail("ann@example.com", scopes=["https://www.googleapis.com/auth/gmail.metadata"])
        (found,) = [row["id"] for row in ann.messages.list(**ME).execute()["messages"]]
        assert ann.get(found, format="metadata")["payload"]["headers"]
        for refused in (ann.messages.get(**ME, id=found), ann.messages.list(**ME, q="hello")):
            with pytest.raises(HttpError) as caught:
                refused.execute()
            assert caught.value.status_code == 403

    def test_unknown_method_says_so(self, http: httpx.Client) -> None:
        answer = http.get("/gmail/v1/users/me/settings/filters")
        assert answer.status_code == 501
        assert "settings/filters" in answer.json()["error"]["message"]


def test_pages_are_not_shifted_by_arriving_mail(gmail: Mailboxes) -> None:
    ann = gmail("ann@example.com")
    expected = [ann.send("ann@example.com", f"Mail {number}")["id"] for number in range(5)][::-1]
    request, seen = ann.messages.list(**ME, maxResults=2), []
    while request is not None:
        answer = request.execute()
        seen += [row["id"] for row in answer["messages"]]
        request = ann.messages.list_next(request, answer)
        ann.send("ann@example.com", "Arrives meanwhile")
    assert seen == expected
