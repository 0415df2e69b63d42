"""The operator and the sensor for other DAGs, against Google's side: sent once, with attachments, by the grant."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from gmail_warmup.airflow import gmail_hook
from gmail_warmup.airflow.gmail_hook import GmailHook
from gmail_warmup.airflow.mail.message_sensor import GmailMessageSensor
from gmail_warmup.airflow.mail.send_operator import GmailSendOperator
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.gmail.errors import GmailUnavailableError, UnknownOutcomeError
from gmail_warmup.oauth.errors import FlaggedGrantError
from support.workers import services
from support.world import World

ADA, BEA, CLEO = "ada@warm.example", "bea@pool.example", "cleo@pool.example"


@pytest.fixture
def mail_world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world that the hooks of operators use."""
    monkeypatch.setattr(gmail_hook, "Services", lambda actor: services(world))
    for address in (ADA, BEA, CLEO):
        world.add(address, expired=False)
    return world


class Store(dict[str, Any]):
    """The state of a task, which survives its tries."""

    set = dict.__setitem__


def context(store: Any, *, try_number: int = 1, run_id: str = "run", map_index: int = -1) -> Any:
    ti = SimpleNamespace(dag_id="dag", run_id=run_id, task_id="send", map_index=map_index, try_number=try_number)
    dag_run = SimpleNamespace(run_after=datetime.now(UTC))
    return {"ti": ti, "dag_run": dag_run, "task_state_store": store}


def operator(**changes: Any) -> GmailSendOperator:
    usual = {"task_id": "send", "mailbox": ADA, "to": BEA, "subject": "Report", "text": "Here it is."}
    return GmailSendOperator(**(usual | changes))


def test_a_mail_with_attachments_arrives(mail_world: World, tmp_path: Path):
    report, notes = tmp_path / "Übersicht.pdf", tmp_path / "notes.txt"
    report.write_bytes(bytes(range(256)) * 10)
    notes.write_text("ä\n", encoding="utf-8")
    message_id = operator(
        to=[BEA, CLEO], html="<p>Here.</p>", attachments=[str(report), str(notes)], sender_name="Ada"
    ).execute(context(Store()))
    (mail,) = mail_world.sandbox.mails()
    assert (mail.subject, sorted(mail.to)) == ("Report", [BEA, CLEO])
    assert GmailHook(ADA).get_message(message_id).labels >= {"SENT"}
    for address in (BEA, CLEO):
        hook = GmailHook(address)
        (received,) = hook.search_messages("subject:Report", limit=5)
        files = [(file.filename, file.content_type, file.data) for file in hook.get_attachments(received)]
        assert files == [
            ("Übersicht.pdf", "application/pdf", report.read_bytes()),
            ("notes.txt", "text/plain", "ä\n".encode()),
        ]


@pytest.mark.parametrize("where", ["create", "send"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_whatever_answer_is_lost_the_mail_is_sent_once(mail_world: World, where: str, when: str):
    store = Store()
    mail_world.sandbox.add_fault(f"gmail.users.drafts.{where}", close=True, times=1, when=when)
    with pytest.raises(GmailUnavailableError):
        operator().execute(context(store))
    sent = operator().execute(context(store, try_number=2))
    assert operator().execute(context(store, try_number=3)) == sent, "a cleared task sends nothing again"
    assert len(mail_world.sandbox.mails()) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_without_state_a_retry_never_sends_twice(mail_world: World, when: str):
    mail_world.sandbox.add_fault("gmail.users.drafts.create", close=True, times=1, when=when)
    with pytest.raises(GmailUnavailableError):
        operator().execute(context(None))
    if when == "before":
        with pytest.raises(UnknownOutcomeError, match="Airflow keeps no state"):
            operator().execute(context(None, try_number=2))
    else:
        sent = operator().execute(context(None, try_number=2))
        assert operator().execute(context(None, try_number=3)) == sent
    assert len(mail_world.sandbox.mails()) == (when == "after")


def test_a_draft_that_is_gone_without_a_trace_is_not_sent_again(mail_world: World):
    store = Store(gmail_draft_id="r-1")
    with pytest.raises(UnknownOutcomeError, match=f"{ADA}: the mail .* may have been sent: its draft is gone"):
        operator().execute(context(store, try_number=2))
    assert mail_world.sandbox.mails() == []


def test_each_run_and_each_mapped_task_sends_its_own_mail(mail_world: World):
    for options in ({}, {"run_id": "other"}, {"map_index": 1}):
        operator().execute(context(Store(), **options))
    operator(idempotency_key="fixed").execute(context(Store()))
    operator(idempotency_key="fixed").execute(context(Store(), run_id="third", try_number=2))
    assert len(mail_world.sandbox.mails()) == 4


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"to": "Bea <bea@pool.example>"}, "recipient: 'bea <bea@pool.example>' is not a bare ASCII mail address"),
        ({"to": []}, "recipient: '' is not a bare ASCII mail address"),
        ({"cc": [BEA, "x"]}, "cc: 'x' is not a bare"),
        ({"bcc": "a@b@c"}, "bcc: 'a@b@c' is not a bare"),
        ({"subject": "A\r\nBcc: eve@example.com"}, "subject: must not contain"),
        ({"attachments": ["/does/not/exist"]}, "cannot be read"),
        ({"attachments": "/does/not/exist"}, "attachment '/does/not/exist': cannot be read"),
        ({"attachments": ["/tmp"]}, "attachment '/tmp': cannot be read"),
        ({"attachments": ["a\x00b"]}, "cannot be read .embedded null byte"),
        ({"to": None}, "recipient: '' is not a bare ASCII mail address"),
        ({"to": [BEA, None]}, "to: the value has to be a text, not NoneType. Check its template or XCom."),
        ({"cc": 5}, "cc: the value has to be a text, not int"),
        ({"subject": None}, "subject: the value has to be a text, not NoneType"),
        ({"text": {"a": 1}}, "text: the value has to be a text, not dict"),
        ({"html": 5}, "html: the value has to be a text, not int"),
        ({"sender_name": 5}, "sender_name: the value has to be a text, not int"),
        ({"mailbox": None}, "mailbox: the value has to be a text, not NoneType"),
        ({"attachments": [None]}, "attachments: the value has to be a text, not NoneType"),
    ],
)
def test_what_cannot_be_sent_is_refused_by_name(mail_world: World, changes: dict[str, Any], rule: str):
    with pytest.raises(InvalidInputError, match=rule):
        operator(**changes).execute(context(Store()))
    assert mail_world.sandbox.mails() == []


@pytest.mark.parametrize("nothing", [None, "", []])
def test_a_template_may_return_no_copies_and_no_attachments(mail_world: World, nothing: Any):
    operator(cc=nothing, bcc=nothing, attachments=nothing).execute(context(Store()))
    assert len(mail_world.sandbox.mails()) == 1


def test_an_attachment_is_named_by_a_path_too(mail_world: World, tmp_path: Path):
    file = tmp_path / "empty.txt"
    file.touch()
    operator(attachments=file).execute(context(Store()))
    hook = GmailHook(BEA)
    (received,) = hook.search_messages("subject:Report", limit=5)
    assert [(each.filename, each.data) for each in hook.get_attachments(received)] == [("empty.txt", b"")]


@pytest.mark.parametrize(("changes", "name"), [({"mailbox": None}, "mailbox"), ({"query": 5}, "query")])
def test_a_sensor_names_a_value_that_is_no_text(mail_world: World, changes: dict[str, Any], name: str):
    sensor = GmailMessageSensor(task_id="wait", **({"mailbox": ADA, "query": "subject:x"} | changes))
    with pytest.raises(InvalidInputError, match=f"{name}: the value has to be a text"):
        sensor.poke(context(Store()))


SPELLINGS = {
    "bea@pool.example": ("Bea@Pool.EXAMPLE", " bea@pool.example", "bea@pool.example\n"),
    "ada@xn--bcher-kva.example": ("ada@bücher.example", "ADA@BÜCHER.example", "ada@xn--bcher-kva.example"),
}


@pytest.mark.parametrize(("stored", "given"), [(stored, one) for stored, all_ in SPELLINGS.items() for one in all_])
def test_an_address_is_known_in_each_spelling(mail_world: World, stored: str, given: str):
    mail_world.add("ada@xn--bcher-kva.example", expired=False)
    operator(mailbox=given, to=given, cc=[given], bcc=(given,)).execute(context(Store()))
    (mail,) = mail_world.sandbox.mails()
    assert (mail.sender, {*mail.to}) == (stored, {stored})
    assert GmailMessageSensor(task_id="wait", mailbox=given, query="subject:Report").poke(context(Store())).is_done


def test_a_mailbox_is_known_with_the_dot_of_the_root(mail_world: World):
    answer = GmailMessageSensor(task_id="wait", mailbox="ada@warm.example.", query="subject:x").poke(context(Store()))
    assert not answer.is_done


@pytest.mark.parametrize("mailbox", ["eve@warm.example", "\u200fada@warm.example", "ada", ""])
def test_a_mailbox_that_is_not_known_is_named_and_google_is_not_blamed(mail_world: World, mailbox: str):
    with pytest.raises(InvalidInputError) as refused:
        GmailMessageSensor(task_id="wait", mailbox=mailbox, query="subject:x").poke(context(Store()))
    assert f"Unknown mailbox: {mailbox}" in str(refused.value)
    with pytest.raises(InvalidInputError):
        operator(mailbox=mailbox).execute(context(Store()))
    hook = GmailHook(mailbox)
    for call in (hook.get_profile, lambda: hook.get_message("1"), lambda: hook.trash_messages(["1"]),
                 lambda: hook.ensure_label("x"), lambda: hook.send_draft("r-1")):  # fmt: skip
        with pytest.raises(InvalidInputError, match="Unknown mailbox"):
            call()


def test_attachments_that_are_too_large_are_refused(mail_world: World, tmp_path: Path):
    file = tmp_path / "large.bin"
    file.write_bytes(b"x" * 5_000_001)
    with pytest.raises(InvalidInputError, match="attachments: 5000001 bytes; up to 5000000 can be sent"):
        operator(attachments=[str(file)]).execute(context(Store()))


def test_a_flagged_mailbox_is_named(mail_world: World):
    mail_world.sql("UPDATE gmail_warmup.oauth_grant SET state = 'needs_reauth', reason = 'expired_or_revoked'")
    with pytest.raises(FlaggedGrantError, match=ADA):
        operator().execute(context(Store()))
    with pytest.raises(FlaggedGrantError, match=ADA):
        GmailMessageSensor(task_id="wait", mailbox=ADA, query="subject:x").poke(context(Store()))


def test_the_sensor_waits_for_a_matching_message(mail_world: World):
    sensor = GmailMessageSensor(task_id="wait", mailbox=BEA, query="subject:Report", min_messages=2)
    assert sensor.mode == "reschedule"
    for number, done in ((1, False), (2, True)):
        operator().execute(context(Store(), run_id=str(number)))
        found = sensor.poke(context(Store()))
        assert bool(found) is done
        assert len(found.xcom_value) == number


@pytest.mark.parametrize("limits", [{"min_messages": 0}, {"min_messages": 5, "limit": 4}, {"limit": 501}])
def test_limits_of_the_sensor(limits: dict[str, int]):
    with pytest.raises((ValueError, AirflowException), match="min_messages <= limit"):
        GmailMessageSensor(task_id="wait", mailbox=ADA, query="x", **limits)


def test_every_value_that_a_dag_fills_in_is_a_template():
    assert set(GmailSendOperator.template_fields) >= {"mailbox", "to", "subject", "text", "html", "attachments"}
    assert set(GmailMessageSensor.template_fields) == {"mailbox", "query"}
