"""An operator's templates: syntax, problems with their lines, and the fallback while a folder is invalid."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gmail_warmup.core.enums import Action
from gmail_warmup.core.settings import Settings
from gmail_warmup.doctor import Status
from gmail_warmup.doctor.content import check_templates as doctor_templates
from gmail_warmup.doctor.context import DoctorContext
from gmail_warmup.warmup.content.compose import MailContext, compose_mail
from gmail_warmup.warmup.content.generators import build_template_generator
from gmail_warmup.warmup.content.template_library import (
    load_builtin_templates,
    load_templates_folder,
    parse_templates_folder,
)
from gmail_warmup.warmup.content.template_parser import parse_templates
from gmail_warmup.warmup.content.templates import MailKind, TemplateProblem
from support.mail_kit import act, everybody, use
from support.workers import services
from support.world import World

FIRST = """# ours

== notes
Subject: Notes | My notes
Hello {recipient},

here they are. | I have them.
Bye.

{signature}
"""
REPLY = "== thanks\nHello {recipient},\n\nthank you.\n\n{sender}\n"
FOLLOWUP = "== fine\n{recipient}, fine.\n{signature}\n"
GERMAN = {"first": FIRST.replace("Hello", "Hallo"), "replies": REPLY.replace("Hello", "Hallo"), "followups": FOLLOWUP}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind, text in {"first": FIRST, "replies": REPLY, "followups": FOLLOWUP}.items():
        (tmp_path / f"{kind}.txt").write_text(text, encoding="utf-8")
    return tmp_path


def brief(kind: MailKind, thread: str = "t", **changes: Any) -> MailContext:
    usual: dict[str, Any] = {"seed": "s", "sender_name": "Ada Lovelace", "recipient_name": "Grace Hopper"}
    return MailContext(kind=kind, thread_seed=thread, **(usual | changes))


def test_a_template_is_the_whole_mail_as_it_stands(folder: Path):
    texts = {
        compose_mail(brief(MailKind.FIRST, seed=str(seed)), load_templates_folder(folder)).text for seed in range(20)
    }
    assert texts == {
        "Hello Grace,\n\nhere they are.\nBye.\n\nAda Lovelace\n",
        "Hello Grace,\n\nI have them.\nBye.\n\nAda Lovelace\n",
    }
    signed = compose_mail(
        brief(MailKind.FOLLOWUP, signature="Ada\nLondon", subject="Notes"), load_templates_folder(folder)
    )
    assert (signed.subject, signed.text) == ("Re: Notes", "Grace, fine.\nAda\nLondon\n")


def test_a_name_with_braces_stays_a_name(folder: Path):
    one = compose_mail(brief(MailKind.REPLY, sender_name="{recipient} <b>", subject="x"), load_templates_folder(folder))
    assert one.text.endswith("\n{recipient} <b>\n")
    assert "&lt;b&gt;" in one.html


def test_all_mails_of_a_thread_are_in_one_language(folder: Path):
    for kind, text in GERMAN.items():
        (folder / f"{kind}.de.txt").write_text(text, encoding="utf-8")
    seen = set()
    for thread in map(str, range(40)):
        greetings = {
            compose_mail(brief(kind, thread, subject="x"), load_templates_folder(folder)).text[:5]
            for kind in (MailKind.FIRST, MailKind.REPLY)
        }
        assert len(greetings) == 1
        seen |= greetings
    assert seen == {"Hello", "Hallo"}


def test_a_change_in_the_folder_is_seen(folder: Path):
    load_templates_folder(folder)
    (folder / "replies.txt").write_text("== again\nAnother text.\n", encoding="utf-8")
    assert [
        template.name for template in load_templates_folder(folder).select_templates(MailKind.REPLY, thread_seed="t")
    ] == ["again"]


@pytest.mark.parametrize(
    ("text", "kind", "problems"),
    [
        ("Hello.\n", MailKind.FIRST, [(1, "text before the first template")]),
        (FIRST + "== notes\nSubject: A\nB.\n", MailKind.FIRST, [(11, "a template needs a unique name")]),
        ("== \nSubject: A\nB.\n", MailKind.FIRST, [(1, "a template needs a unique name")]),
        ("== one\nHello.\n", MailKind.FIRST, [(1, "template 'one' has no subject")]),
        ("\n== one\nSubject: A\n", MailKind.FIRST, [(2, "template 'one' has no text")]),
        ("== one\nSubject: A\nSubject: B\nHello.\n", MailKind.FIRST, [(3, "a template has one Subject line")]),
        ("== one\nSubject: A\nHello. | | B.\n", MailKind.FIRST, [(3, "an alternative is empty")]),
        ("== one\nSubject: A\nHello {name}.\n", MailKind.FIRST, [(3, "unknown placeholder {name}")]),
        ("== one\nSubject: A\nHello {topic}.\n", MailKind.FIRST, [(3, "unknown placeholder {topic}")]),
        (
            "== one\nSubject: A\nHello {.\n",
            MailKind.FIRST,
            [(3, "unknown placeholder {")],
        ),
        ("== one\nSubject: A\nHello.\n", MailKind.REPLY, [(2, "a reply has no subject")]),
        ("== one\n\n", MailKind.FOLLOWUP, [(1, "template 'one' has no text")]),
        ("# nothing\n", MailKind.REPLY, [(None, "no templates")]),
        ("== one\nSee www.pages.test!!\n", MailKind.REPLY, [(2, "contains a link"), (2, "contains shouting")]),
        ("== one\nSubject: BUY IT NOW\nHello.\n", MailKind.FIRST, [(2, "contains shouting")]),
        ("== one\nSubject: " + "a" * 101 + "\nHello.\n", MailKind.FIRST, [(2, "too long (101 characters)")]),
        ("== one\n" + "Hello you there. | Hi.\n" * 150, MailKind.REPLY, [(1, "template 'one' is too long")]),
    ],
)
def test_every_problem_is_named_with_its_line_and_remedy(
    text: str, kind: MailKind, problems: list[tuple[int | None, str]]
):
    _, found = parse_templates(text, file_name="own.txt", kind=kind, complete=True)
    assert [(one.line, one.rule[: len(rule)]) for one, (_, rule) in zip(found, problems, strict=True)] == problems
    for one in found:
        assert re.fullmatch(r"own\.txt(, line \d+)?(, template '\w*')?: .+\. .+[.:!?'s]", str(one)), str(one)
        assert one.remedy


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda folder: (folder / "replies.txt").unlink(), "replies.txt: the file is missing"),
        (lambda folder: (folder / "first.de.txt").write_text(FIRST), "followups.de.txt: the file is missing"),
        (lambda folder: (folder / "frist.txt").write_text(FIRST), "frist.txt: the name is neither"),
        (
            lambda folder: (folder / "first.txt").write_bytes(b"== a\nSubject: \xff\n"),
            "first.txt: it is not encoded in UTF-8",
        ),
        (lambda folder: (folder / "first.txt").write_text("#" * 1_000_001), "first.txt: larger than"),
        (lambda folder: [file.unlink() for file in folder.iterdir()], "no templates"),
        (lambda folder: [file.unlink() for file in folder.iterdir()] and folder.rmdir(), "the folder cannot be read"),
    ],
)
def test_a_folder_that_lacks_something_is_refused(folder: Path, change: Callable[[Path], object], named: str):
    assert parse_templates_folder(folder).problems == ()
    change(folder)
    problems = parse_templates_folder(folder).problems
    assert any(named in str(problem) for problem in problems), problems


def test_a_faulty_template_is_left_out_and_is_said(warm: World, folder: Path, caplog: pytest.LogCaptureFixture):
    (folder / "first.txt").write_text(FIRST + "== bad\nSubject: A\nSee www.pages.test\n")
    use(warm, templates_folder=str(folder))
    with caplog.at_level(logging.WARNING):
        assert act(warm, Action.SEND)["sent"] == 6
    assert "first.txt, line 13, template 'bad': contains a link" in caplog.text
    assert {mail.subject for mail in warm.sandbox.mails()} == {"Notes", "My notes"}
    status, found, step = doctor_templates(DoctorContext(services(warm), None))
    assert status is Status.PROBLEM
    assert "first.txt, line 13, template 'bad'" in found
    assert step == f"Run: gmail-warmup content lint {folder}"


def test_a_folder_that_is_large_enough_has_no_notes(warm: World, folder: Path):
    alternatives = " | ".join(f"Text {'x' * number}" for number in range(1, 21))
    (folder / "first.txt").write_text(f"== one\nSubject: {alternatives}\n{alternatives}\n")
    for kind in ("replies", "followups"):
        (folder / f"{kind}.txt").write_text(f"== one\n{alternatives}\n")
    use(warm, templates_folder=str(folder))
    assert doctor_templates(DoctorContext(services(warm), None)) == (
        Status.OK,
        f"The templates in {folder} are used.",
    )
    (folder / "first.txt").write_text(f"== one\nSubject: A | B\n{alternatives}\n")
    status, found, _ = doctor_templates(DoctorContext(services(warm), None))
    assert status is Status.WARNING
    assert "first.txt: 2 subjects and 20 texts; 20 different ones are needed" in found


def test_own_templates_are_what_is_sent(warm: World, folder: Path):
    use(warm, templates_folder=str(folder))
    warm.sql("UPDATE gmail_warmup.mailbox SET reply_rate = 100, signature = 'Best, A.' WHERE kind = 'warmup'")
    act(warm, Action.SEND)
    everybody(warm, Action.RESCUE, Action.READ, Action.REPLY)
    assert {mail.subject.removeprefix("Re: ") for mail in warm.sandbox.mails()} == {"Notes", "My notes"}


def test_the_settings_name_no_folder_by_default():
    assert build_template_generator(Settings()).library is load_builtin_templates()
    assert TemplateProblem(file="a", line=None, rule="b", remedy="C.").__str__() == "a: b. C."
