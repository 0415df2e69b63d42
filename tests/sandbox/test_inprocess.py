"""The sandbox in this process answers as it does over HTTP."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from googleapiclient.errors import HttpError

from gmail_sandbox.client import SandboxClient
from gmail_sandbox.inprocess import Users
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.settings import Settings
from gmail_sandbox.state import World
from sandbox.kit import Gmail, raw

ANN, BOB = "ann@example.com", "bob@example.org"
_TIMES = re.compile(r'("internalDate": )"\d+"|"\d{13}-|\w{3}, \d{2} \w{3} \d{4} [\d:]{8} \+0000')
_SPAM = {"spam_chance": 0.5, "category_chances": {"CATEGORY_UPDATES": 0.5}}


def conversation(ann: Any, bob: Any) -> list[Any]:
    """Return what every method that the product uses answers, refusals too."""
    seen: list[Any] = []

    def ask(request: Any) -> Any:
        try:
            answer = request.execute(num_retries=0)
        except HttpError as error:
            answer = {"status": int(error.resp.status), "error": json.loads(error.content)["error"]}
        seen.append(answer)
        return answer

    me = {"userId": "me"}
    ask(ann.getProfile(**me))
    ask(ann.getProfile(userId=BOB))
    start = ask(bob.getProfile(**me))["historyId"]
    label = ask(ann.labels().create(**me, body={"name": "Warmup"}))["id"]
    ask(ann.labels().create(**me, body={"name": "warmup"}))
    ask(ann.labels().list(**me))
    for number in range(4):
        body = {
            "message": {"raw": raw(BOB, f"Grüße {number}", message_id=f"<own{number}@ann.test>", x_token=str(number))}
        }
        draft = ask(ann.drafts().create(**me, body=body))["id"]
        ask(ann.drafts().list(**me, q=f"rfc822msgid:own{number}@ann.test", maxResults=1))
        ask(ann.drafts().get(**me, id=draft, format="minimal"))
        if number == 3:
            ask(ann.drafts().delete(**me, id=draft))
        sent = ask(ann.drafts().send(**me, body={"id": draft}))
        ask(ann.drafts().get(**me, id=draft, format="minimal"))
    sent = ask(ann.messages().list(**me, q=f"in:sent to:{BOB} newer_than:7d", maxResults=2))
    ask(ann.messages().list(**me, q="in:sent", maxResults=2, pageToken=sent["nextPageToken"]))
    for row in ask(ann.messages().list(**me, q="in:sent"))["messages"]:
        names = ["Message-ID", "From", "Subject", "X-Token"]
        copy = ask(ann.messages().get(**me, id=row["id"], format="metadata", metadataHeaders=names))
        rfc_id = next(item["value"] for item in copy["payload"]["headers"] if item["name"] == "Message-ID")
        ask(ann.messages().modify(**me, id=row["id"], body={"addLabelIds": [label], "removeLabelIds": []}))
        (found,) = ask(bob.messages().list(**me, q=f"rfc822msgid:{rfc_id.strip('<>')} in:anywhere"))["messages"]
        for form in ("full", "raw", "metadata", "minimal"):
            ask(bob.messages().get(**me, id=found["id"], format=form))
        ask(bob.messages().modify(**me, id=found["id"], body={"addLabelIds": ["INBOX"], "removeLabelIds": ["SPAM"]}))
    ask(bob.messages().list(**me, labelIds=["INBOX"], includeSpamTrash=True))
    ask(bob.messages().modify(**me, id=found["id"], body={"addLabelIds": ["Label_99"], "removeLabelIds": []}))
    ask(bob.history().list(**me, startHistoryId=start, historyTypes=["messageAdded"]))
    ask(bob.history().list(**me, startHistoryId="1"))
    ask(bob.messages().batchModify(**me, body={"ids": [found["id"]], "addLabelIds": ["TRASH"], "removeLabelIds": []}))
    ask(bob.messages().get(**me, id="none"))
    return seen


def test_every_answer_is_the_same(sandbox: SandboxClient, gmail: Callable[..., Gmail]):
    sandbox.set(**_SPAM)
    over_http = conversation(gmail(ANN).users, gmail(BOB).users)
    http_stats = sandbox.stats().mailboxes
    world = World(Settings.model_validate(_SPAM))
    for address in (ANN, BOB):
        world.mailboxes[address] = Mailbox(address)
    here = conversation(Users(world, ANN), Users(world, BOB))
    assert len(here) == 60
    for one, other in zip(here, over_http, strict=True):
        assert _timeless(one) == _timeless(other)
    for address in (ANN, BOB):
        stats = world.stats.of(address)
        assert (dict(stats.calls), stats.units) == (http_stats[address].calls, http_stats[address].units)
        assert dict(stats.answers) == http_stats[address].answers


def _timeless(answer: Any) -> str:
    if isinstance(answer, dict) and "raw" in answer:
        answer = answer | {"raw": base64.urlsafe_b64decode(answer["raw"]).decode()}
    return _TIMES.sub("", json.dumps(answer, sort_keys=True))


def test_what_the_sandbox_has_not_is_no_method():
    world = World(Settings())
    world.mailboxes[ANN] = Mailbox(ANN)
    with pytest.raises(AttributeError, match=r"no messages\.insert"):
        Users(world, ANN).messages().insert(userId="me", body={})
