"""Every method of the sandbox against Google's discovery document."""

from __future__ import annotations

from collections.abc import Callable

import jsonschema
import pytest

from gmail_sandbox.gmail.methods import METHODS, Method
from gmail_sandbox.quota import UNITS
from sandbox import discovery
from sandbox.kit import Gmail, raw

FULL = "https://mail.google.com/"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_method_is_googles(method: Method) -> None:
    theirs = discovery.methods()[method.id]
    assert method.verb == theirs["httpMethod"]
    assert f"gmail/v1/users/{{userId}}/{method.path}" == theirs["flatPath"]
    # The scopes of add-ons are the only ones the sandbox does not know.
    assert method.scopes == {scope for scope in theirs["scopes"] if ".addons." not in scope}
    assert method.name in UNITS


def test_every_methods_answer_fits(gmail: Callable[..., Gmail]) -> None:
    discovery.seen.clear()
    ann, bob = gmail("ann@example.com", scopes=[FULL]), gmail("bob@example.org")
    me = {"userId": "me"}
    for subject in ("One", "Two", "Three"):
        ann.send("bob@example.org", subject)
    start = ann.users.getProfile(**me).execute()["historyId"]
    first, second, third = bob.find()
    for form in ("minimal", "metadata", "full", "raw"):
        bob.get(first, format=form)
        bob.threads.get(**me, id=first, **({"format": form} if form != "raw" else {})).execute()
    bob.messages.modify(**me, id=first, body={"addLabelIds": ["STARRED"]}).execute()
    bob.messages.batchModify(**me, body={"ids": [first, second], "removeLabelIds": ["UNREAD"]}).execute()
    bob.messages.trash(**me, id=third).execute()
    bob.messages.untrash(**me, id=third).execute()
    assert "nextPageToken" in bob.messages.list(**me, maxResults=1).execute()
    bob.threads.list(**me, maxResults=1).execute()
    bob.threads.modify(**me, id=first, body={"addLabelIds": ["IMPORTANT"]}).execute()
    bob.threads.trash(**me, id=first).execute()
    bob.threads.untrash(**me, id=first).execute()

    label = ann.labels.create(**me, body={"name": "Warmup", "color": {"textColor": "#000000"}}).execute()["id"]
    ann.labels.get(**me, id=label).execute()
    ann.labels.patch(**me, id=label, body={"labelListVisibility": "labelHide"}).execute()
    ann.labels.update(**me, id=label, body={"name": "Warm"}).execute()
    ann.labels.list(**me).execute()

    draft = ann.draft("bob@example.org")["id"]
    ann.drafts.get(**me, id=draft).execute()
    ann.drafts.update(**me, id=draft, body={"message": {"raw": raw("bob@example.org", "Other")}}).execute()
    ann.drafts.list(**me).execute()
    sent = ann.drafts.send(**me, body={"id": draft}).execute()
    ann.drafts.delete(**me, id=ann.draft("bob@example.org")["id"]).execute()
    ann.messages.modify(**me, id=sent["id"], body={"addLabelIds": [label, "INBOX"]}).execute()
    ann.labels.delete(**me, id=label).execute()
    ann.messages.delete(**me, id=sent["id"]).execute()
    history = ann.history.list(**me, startHistoryId=start).execute()["history"]
    kinds = {key for entry in history for key in entry} - {"id", "messages"}
    assert kinds == {"messagesAdded", "messagesDeleted", "labelsAdded", "labelsRemoved"}

    assert discovery.seen == {method.id for method in METHODS}


def test_the_check_notices_what_google_would_not_say() -> None:
    for answer in ({"id": "1", "extra": 1}, {"id": 1}, {"historyId": "x"}, {"payload": {"headers": {}}}):
        with pytest.raises(jsonschema.ValidationError):
            discovery.check("gmail.users.messages.get", answer)
