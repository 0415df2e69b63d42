"""Text generators: a working chat server, and the fallback to templates for every kind of failure."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from airflow.sdk import BaseHook, Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from gmail_warmup.core.enums import Action
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.settings import Settings
from gmail_warmup.doctor.content import check_text_generator
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.warmup.actions.run import run_action
from gmail_warmup.warmup.content.compose import MailContext, MailText
from gmail_warmup.warmup.content.generators import ChatGenerator, MailWriter, TemplateGenerator
from gmail_warmup.warmup.content.template_library import load_builtin_templates
from gmail_warmup.warmup.content.templates import MailKind
from support.mail_kit import ADA
from support.workers import hook, services
from support.world import World

KEY = "sk-test-secret"
GOOD = "The second draft is on the shelf.\n\nShall we read it together?"
FRAME = TemplateGenerator(library=load_builtin_templates())
BRIEF = MailContext(
    kind=MailKind.FIRST, seed="s", thread_seed="s", sender_name="Ada Lovelace", recipient_name="Grace Hopper"
)


@dataclass
class Chat:
    """A chat server for tests."""

    url: str = ""
    status: int = 200
    body: bytes = b""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    release: Event = field(default_factory=Event)
    hangs: bool = False

    def says(self, content: Any) -> None:
        self.body = json.dumps({"choices": [{"message": {"role": "assistant", "content": content}}]}).encode()


@pytest.fixture
def chat() -> Iterator[Chat]:
    state = Chat()
    state.says(GOOD)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            state.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))) | {"path": self.path})
            state.keys.append(self.headers["Authorization"])
            if state.hangs:
                state.release.wait(20)
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(state.body)))
            self.end_headers()
            self.wfile.write(state.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}/v1"
    Thread(target=server.serve_forever, daemon=True).start()
    yield state
    state.release.set()
    server.shutdown()
    server.server_close()


def generator(chat: Chat, **changes: Any) -> ChatGenerator:
    return ChatGenerator(**({"templates": FRAME, "base_url": chat.url, "model": "small", "api_key": KEY} | changes))


def test_the_servers_words_stand_between_greeting_and_closing(chat: Chat):
    framed, letter = FRAME.write_mail(BRIEF), generator(chat).write_mail(BRIEF)
    assert letter.paragraphs == (framed.paragraphs[0], *GOOD.split("\n\n"), framed.paragraphs[-1])
    assert letter.subject == framed.subject
    (asked,) = chat.asked
    assert (asked["path"], asked["model"]) == ("/v1/chat/completions", "small")
    assert asked["messages"][1]["content"] == f"Subject: {framed.subject}"
    assert "Lovelace" not in json.dumps(asked), "no name leaves the house"
    assert chat.keys == [f"Bearer {KEY}"]


def broken(status: int = 200, body: bytes = b"{}") -> Callable[[Chat], None]:
    def change(chat: Chat) -> None:
        chat.status, chat.body = status, body

    return change


def says(content: Any) -> Callable[[Chat], None]:
    return lambda chat: chat.says(content)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (broken(status=500), "HTTP status 500"),
        (broken(status=401), "HTTP status 401"),
        (broken(body=b"<html>"), "not one of the chat API"),
        (broken(body=b"[]"), "not one of the chat API"),
        (broken(body=b'{"choices": []}'), "not one of the chat API"),
        (broken(body=b"\xff" * 10), "not one of the chat API"),
        (broken(body=b"x" * 200_000), "too large"),
        (says(None), "no text"),
        (says("  \n"), "no text"),
        (says(["a"]), "no text"),
        (says("Visit https://pages.test today"), "a link"),
        (says("Dear [Name], hello."), "a leftover placeholder"),
        (says("BUY NOW PLEASE"), "shouting"),
        (says("<b>Hello</b> there."), "markup"),
        (says("Word. " * 500), "too long"),
    ],
)
def test_whatever_is_wrong_the_templates_are_used_and_one_line_says_why(
    chat: Chat, change: Callable[[Chat], None], why: str, caplog: pytest.LogCaptureFixture
):
    change(chat)
    writer = MailWriter(FRAME, generator(chat))
    with caplog.at_level(logging.WARNING):
        assert writer.write_mail(BRIEF) == FRAME.write_mail(BRIEF)
        assert writer.write_mail(BRIEF) == FRAME.write_mail(BRIEF)
    (line,) = [record.getMessage() for record in caplog.records if "text generator" in record.getMessage()]
    assert why in line
    assert "\n" not in line
    assert KEY not in caplog.text
    assert len(chat.asked) == 1, "a server that failed is not asked again by the same task"


def test_a_server_that_hangs_or_is_down_costs_one_timeout(chat: Chat, caplog: pytest.LogCaptureFixture):
    chat.hangs = True
    for made, why in (
        (generator(chat, timeout=0.2), "ReadTimeout"),
        (generator(chat, base_url="http://127.0.0.1:9/v1"), "ConnectError"),
        (generator(chat, base_url="http://127.0.0.1:port/v1"), "InvalidURL"),
    ):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert MailWriter(FRAME, made).write_mail(BRIEF) == FRAME.write_mail(BRIEF)
        assert why in caplog.text


def test_another_generator_plugs_in_behind_the_same_method(caplog: pytest.LogCaptureFixture):
    class Poet:
        def write_mail(self, brief: MailContext) -> MailText:
            return MailText(
                subject=FRAME.write_mail(brief).subject, paragraphs=("Roses are red.",), template_name="poet"
            )

    class Rebel:
        def write_mail(self, brief: MailContext) -> MailText:
            return MailText(subject="Another subject", paragraphs=("Roses are red.",), template_name="rebel")

    assert MailWriter(FRAME, Poet()).write_mail(BRIEF).text == "Roses are red.\n"
    assert MailWriter(FRAME, Rebel()).write_mail(BRIEF) == FRAME.write_mail(BRIEF), "the claim has recorded the subject"
    assert MailWriter(FRAME, Poet()).write_from_templates(BRIEF) == FRAME.write_mail(BRIEF)


def test_its_words_are_what_is_sent(warm: World, chat: Chat):
    done = run_action(
        Action.SEND,
        warm.mailbox(ADA),
        engine=warm.store.engine,
        settings=warm.settings,
        gmail=hook(warm, ADA),
        writer=MailWriter(FRAME, generator(chat)),
    )
    assert done == {"sent": 6}
    assert len(chat.asked) == 6
    for mail in warm.sandbox.mails():
        raw = hook(warm, ADA).get_raw_message(mail.message_id).decode()
        assert raw.count("The second draft is on the shelf.") == 2, "in both parts"


@pytest.fixture
def conn(monkeypatch: pytest.MonkeyPatch) -> dict[str, Connection]:
    known: dict[str, Connection] = {}

    def get(conn_id: str) -> Connection:
        if conn_id not in known:
            raise AirflowNotFoundException(conn_id)
        return known[conn_id]

    monkeypatch.setattr(BaseHook, "get_connection", get)
    return known


@pytest.mark.parametrize(
    ("fields", "works"),
    [
        ({"host": "https://llm.example/v1", "password": KEY, "extra": '{"model": "small"}'}, True),
        ({"extra": '{"model": "small", "base_url": "http://localhost:1/v1", "timeout": 3}'}, True),
        ({"host": "llm.example", "extra": '{"model": "small"}'}, False),
        ({"host": "https://llm.example/v1"}, False),
        ({"host": "https://llm.example/v1", "extra": '{"model": "small", "timeout": "soon"}'}, False),
        (None, False),
    ],
)
def test_it_is_reached_by_an_airflow_connection(
    world: World,
    conn: dict[str, Connection],
    fields: dict[str, str] | None,
    works: bool,
    caplog: pytest.LogCaptureFixture,
):
    world.settings = Settings(generator_conn_id="texts")
    if fields is not None:
        conn["texts"] = Connection(conn_id="texts", conn_type="http", **fields)
    made = services(world)
    with caplog.at_level(logging.WARNING):
        assert made.mail_writer.write_from_templates(BRIEF).subject == FRAME.write_mail(BRIEF).subject
    assert ("text generator cannot be used" in caplog.text) is not works
    if works:
        assert "texts" in check_text_generator(DoctorContext(made, None))[1]
    else:
        with pytest.raises(ConfigurationError, match="texts"):
            check_text_generator(DoctorContext(made, None))
    assert KEY not in caplog.text


def test_it_is_off_by_default(world: World):
    world.settings = Settings()
    assert check_text_generator(DoctorContext(services(world), None))[1].startswith("None")
