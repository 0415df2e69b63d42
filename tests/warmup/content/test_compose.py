"""Composing mails: all built-in templates, seeds, names and signatures, and the spam rules."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmail_warmup.warmup.content import spam_rules
from gmail_warmup.warmup.content.compose import (
    CLOSINGS,
    GREETINGS,
    MailContext,
    MailText,
    compose_mail,
    find_content_problems,
)
from gmail_warmup.warmup.content.template_library import load_builtin_templates
from gmail_warmup.warmup.content.templates import PLACEHOLDER_VALUES, MailKind, MailTemplate

LIBRARY = [
    template for kind in MailKind for template in load_builtin_templates().select_templates(kind, thread_seed="")
]


def brief(kind: MailKind = MailKind.FIRST, seed: object = "seed", **changes: Any) -> MailContext:
    usual = {"thread_seed": "thread", "sender_name": "Ada Lovelace", "recipient_name": "Grace Hopper"}
    subject = {} if kind is MailKind.FIRST else {"subject": "A question"}
    return MailContext(kind=kind, seed=str(seed), **(usual | subject | changes))


def letter(kind: MailKind = MailKind.FIRST, seed: object = "seed", **changes: Any) -> MailText:
    return compose_mail(brief(kind, seed, **changes), load_builtin_templates())


def sentences(template: MailTemplate) -> Iterator[str]:
    for paragraph in template.paragraphs:
        for sentence in paragraph:
            yield from sentence


def filled(text: str) -> Iterator[str]:
    """Yield a text with each value of its placeholders."""
    for topic, day, time in zip(
        PLACEHOLDER_VALUES["topic"], PLACEHOLDER_VALUES["day"] * 4, (PLACEHOLDER_VALUES["time"] * 4)[:20], strict=True
    ):
        yield text.replace("{topic}", topic).replace("{day}", day).replace("{time}", time)


def shown(one: MailText) -> str:
    """Return the text that the HTML part shows."""
    return html.unescape(re.sub(r"<[^>]+>", " ", one.html))


@pytest.mark.parametrize(("kind", "templates"), [(MailKind.FIRST, 40), (MailKind.REPLY, 60), (MailKind.FOLLOWUP, 30)])
def test_the_library_is_large_enough(kind: MailKind, templates: int) -> None:
    found = load_builtin_templates().select_templates(kind, thread_seed="")
    assert len(found) >= templates
    assert len({sentence for template in found for sentence in sentences(template)}) >= 8 * templates


@pytest.mark.parametrize("template", LIBRARY, ids=lambda template: template.name)
def test_every_sentence_of_the_library_is_one_and_passes_the_lint(template: MailTemplate) -> None:
    for sentence in sentences(template):
        assert re.fullmatch(r"(?:[A-Z]|\{(?:topic|day|time)\} ).*[.?]", sentence), sentence
        assert "  " not in sentence
    for subject in template.subjects:
        assert not subject.endswith("."), subject
        assert len(next(filled(subject))) < 80
    for part in (*sentences(template), *template.subjects):
        assert [fault for text in filled(part) for fault in spam_rules.find_violations(text)] == []


def test_no_sentence_stands_twice_in_the_library() -> None:
    found = [sentence for template in LIBRARY for sentence in sentences(template)]
    twice = {sentence for sentence in found if found.count(sentence) > 3}
    assert twice == set()


@pytest.mark.parametrize("kind", MailKind)
def test_whole_letters_pass_the_lint_and_are_many(kind: MailKind) -> None:
    letters = [letter(kind, seed, signature="Ada Lovelace\nAnalysts") for seed in range(1500)]
    assert [fault for one in letters for fault in find_content_problems(one)] == []
    assert len({one.text for one in letters}) > 1400
    assert {one.template_name for one in letters} == {
        template.name for template in load_builtin_templates().select_templates(kind, thread_seed="")
    }
    assert len({one.subject for one in letters}) > (300 if kind is MailKind.FIRST else 0)


def test_a_seed_gives_one_letter() -> None:
    for kind in MailKind:
        assert letter(kind, "a") == letter(kind, "a")
        assert letter(kind, "a") != letter(kind, "b")


def test_subject_and_text_speak_of_the_same_thing() -> None:
    for one in (letter(seed=seed) for seed in range(500)):
        for words in (PLACEHOLDER_VALUES["topic"], PLACEHOLDER_VALUES["day"]):
            in_subject = [word for word in words if word.lower() in one.subject.lower()]
            in_text = [word for word in words if word.lower() in one.text.lower()]
            assert len(in_text) <= 1
            assert not in_subject or not in_text or in_subject == in_text


def test_subjects_and_sentences_begin_with_a_capital() -> None:
    for one in (letter(seed=seed) for seed in range(300)):
        assert one.subject[0].isupper()
        assert not re.search(r"(?:^|[.?] )[a-z]", one.text, re.M), one.text


@pytest.mark.parametrize(
    ("recipient", "greeted"),
    [
        ("Grace Hopper", "Grace"),
        ("Grace", "Grace"),
        ("Dr. Grace Hopper", "Dr. Grace Hopper"),
        ("Hopper, Grace", "Hopper, Grace"),
        ("J Doe", "J Doe"),
        ("Élodie  Durand\r\n", "Élodie"),
    ],
)
def test_greeting(recipient: str, greeted: str) -> None:
    openings = {letter(seed=seed, recipient_name=recipient).text.splitlines()[0] for seed in range(100)}
    assert openings == {greeting.replace("{recipient}", greeted) for greeting in GREETINGS}


@pytest.mark.parametrize(
    ("signature", "ending"),
    [
        ("", ["Ada Lovelace"]),
        (" \n", ["Ada Lovelace"]),
        ("Ada L.\r\nAnalysts & Engines", ["Ada L.", "Analysts & Engines"]),
        ("Ada\n\n\n<b>London</b>", ["Ada", "<b>London</b>"]),
    ],
)
def test_signature_stands_below_the_closing(signature: str, ending: list[str]) -> None:
    for kind in MailKind:
        one = letter(kind, signature=signature)
        lines = one.text.rstrip("\n").split("\n")
        assert lines[-len(ending) :] == ending
        assert lines[-len(ending) - 1] in CLOSINGS
        assert [html.escape(line) for line in ending] == re.split(r"<br>\n|</p>\n", one.html)[-len(ending) - 1 : -1]


def test_unknown_names_leave_no_gap() -> None:
    one = letter(sender_name="", recipient_name="")
    assert re.match(r"[A-Z][a-z ]+,", one.text)
    assert one.text.rstrip().endswith(",")
    assert list(find_content_problems(one)) == []


TEXT = st.text(max_size=60) | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "{topic} {x} {sender}",
        "a\r\nBcc: b",
        '"&\u2028',
        "</p><img src=x onerror=y>",
        "&lt;b&gt;",
    ]
)


@settings(max_examples=150)
@given(st.sampled_from(MailKind), TEXT, TEXT, TEXT, TEXT)
def test_nothing_from_outside_becomes_markup_or_lines(
    kind: MailKind, sender: str, recipient: str, signature: str, subject: str
) -> None:
    one = letter(kind, sender_name=sender, recipient_name=recipient, signature=signature, subject=subject)
    assert not re.sub(r"</?p>|<br>", "", one.html).count("<")
    assert len(one.subject.splitlines()) <= 1
    assert one.text.count("\n\n") == letter(kind).text.count("\n\n")
    assert shown(one).split() == one.text.split()


@pytest.mark.parametrize(
    ("subject", "answered"),
    [
        ("A question", "Re: A question"),
        ("Re: A question", "Re: A question"),
        ("RE: re:Re[2]: A question", "Re: A question"),
        ("Recap: the week", "Re: Recap: the week"),
        ("  A\r\nquestion ", "Re: A question"),
        ("", "Re:"),
    ],
)
def test_subject_of_an_answer(subject: str, answered: str) -> None:
    assert (
        letter(MailKind.REPLY, subject=subject).subject
        == letter(MailKind.FOLLOWUP, subject=subject).subject
        == answered
    )


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("See https://pages.test/x", "a link"),
        ("See www.pages.test", "a link"),
        ("Look at pages.com for it", "a link"),
        ("Write to ada@pages.test", "a link"),
        ("Hello {name}", "a leftover placeholder"),
        ("Hello [first name]", "a leftover placeholder"),
        ("Hello %name%", "a leftover placeholder"),
        ("Hello $name", "a leftover placeholder"),
        ("TODO: write this", "a leftover placeholder"),
        ("Hello <b>you</b>", "markup"),
        ("<!-- hidden -->", "markup"),
        ("Read this NOW PLEASE", "shouting"),
        ("IMPORTANT news", "shouting"),
        ("Hello!!", "shouting"),
        ("Really?!", "shouting"),
        ("Our warm-up mail", "a marker word"),
        ("WarmUp", "a marker word"),
        ("Reference k3j9x2m8q1", "a marker word"),
        ("It is only $ 5", "sales talk"),
        ("Now 20 % off", "sales talk"),
        ("Click below to unsubscribe", "sales talk"),
        ("Congratulations, you are chosen", "sales talk"),
        ("A casino opened next door", "sales talk"),
        (" ", "is empty"),
        ("word " * 500, "is too long"),
    ],
)
def test_lint_names_what_is_wrong(words: str, rule: str) -> None:
    good = MailText(subject="Subject", paragraphs=("Text.",), template_name="")
    assert list(find_content_problems(good)) == []
    for part, one in (
        ("subject", MailText(subject=words, paragraphs=("Text.",), template_name="")),
        ("text", MailText(subject="Subject", paragraphs=(words,), template_name="")),
    ):
        found = list(find_content_problems(one))
        assert any(fault.startswith(part) and rule in fault for fault in found), found


@pytest.mark.parametrize(
    "words",
    [
        "I am free on Friday.",
        "Is 5 < 7, or a > b?",
        "Mr. Lovelace, at 10:30, no. 4",
        "NASA and the EU",
        "Why? Because.",
    ],
)
def test_lint_leaves_everyday_words_alone(words: str) -> None:
    assert list(spam_rules.find_violations(words)) == []
