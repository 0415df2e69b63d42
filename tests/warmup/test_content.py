"""The words: every part of the library, what a seed does, names, quotations, and the lint itself."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmail_warmup.errors import InvalidInputError
from gmail_warmup.warmup.content import CLOSINGS, GREETINGS, WORDS, Letter, first_letter, lint, reply_letter
from gmail_warmup.warmup.library.templates import Template, first_mails, parse, replies

LIBRARY = [*first_mails(), *replies()]


def first(seed: object = "seed", sender: str = "Ada Lovelace", recipient: str = "Grace Hopper") -> Letter:
    return first_letter(seed=str(seed), sender_name=sender, recipient_name=recipient)


def reply(seed: object = "seed", subject: str = "A question", quoted: str | None = None) -> Letter:
    return reply_letter(
        seed=str(seed), subject=subject, sender_name="Grace Hopper", recipient_name="Ada Lovelace", quoted=quoted
    )


def sentences(template: Template) -> Iterator[str]:
    for paragraph in template.paragraphs:
        for sentence in paragraph:
            yield from sentence


def filled(text: str) -> Iterator[str]:
    """Yield a text with each of the words that can stand in it."""
    for topic, day, time in zip(WORDS["topic"], WORDS["day"] * 4, (WORDS["time"] * 4)[:20], strict=True):
        yield text.replace("{topic}", topic).replace("{day}", day).replace("{time}", time)


def shown(letter: Letter) -> str:
    """Return the words that a reader of the HTML part sees."""
    return html.unescape(re.sub(r"<[^>]+>", " ", letter.html))


def test_the_library_is_large_enough() -> None:
    assert len(first_mails()) >= 40
    assert len(replies()) >= 40
    assert len({sentence for template in LIBRARY for sentence in sentences(template)}) > 700


@pytest.mark.parametrize("template", LIBRARY, ids=lambda template: template.name)
def test_every_part_of_the_library_passes_the_lint(template: Template) -> None:
    for sentence in (*sentences(template), *template.subjects):
        for text in filled(sentence):
            assert lint(Letter(subject=text, text=text, html=f"<p>{html.escape(text)}</p>", template="")) == []


@pytest.mark.parametrize("template", LIBRARY, ids=lambda template: template.name)
def test_every_sentence_of_the_library_is_one(template: Template) -> None:
    for sentence in sentences(template):
        assert re.fullmatch(r"(?:[A-Z]|\{(?:topic|day|time)\} ).*[.?]", sentence), sentence
        assert "  " not in sentence
    for subject in template.subjects:
        assert not subject.endswith("."), subject
        assert len(next(filled(subject))) < 80


def test_greetings_and_closings_pass_the_lint() -> None:
    for text in (*(greeting.replace("{name}", "Ada") for greeting in GREETINGS), *CLOSINGS):
        assert lint(Letter(subject="Subject", text=text, html=f"<p>{text}</p>", template="")) == []


def test_whole_letters_pass_the_lint_and_are_thousands() -> None:
    letters = [first(seed) for seed in range(1500)]
    answers = [reply(seed) for seed in range(1500)]
    assert [problem for letter in (*letters, *answers) for problem in lint(letter)] == []
    assert len({letter.text for letter in letters}) > 1450
    assert len({letter.text for letter in answers}) > 1300
    assert len({letter.subject for letter in letters}) > 300
    assert {letter.template for letter in letters} == {template.name for template in first_mails()}
    assert {letter.template for letter in answers} == {template.name for template in replies()}


def test_a_seed_gives_one_letter() -> None:
    assert first("a") == first("a")
    assert first("a") != first("b")
    assert reply("a") == reply("a")
    assert reply("a") != reply("b")


def test_subject_and_text_speak_of_the_same_thing() -> None:
    for letter in map(first, range(500)):
        for words in (WORDS["topic"], WORDS["day"]):
            in_subject = [word for word in words if word.lower() in letter.subject.lower()]
            in_text = [word for word in words if word.lower() in letter.text.lower()]
            assert len(in_text) <= 1
            assert not in_subject or not in_text or in_subject == in_text


def test_subjects_and_sentences_begin_with_a_capital() -> None:
    for letter in map(first, range(300)):
        assert letter.subject[0].isupper()
        assert not re.search(r"(?:^|[.?] )[a-z]", letter.text, re.M), letter.text


def test_both_parts_say_the_same() -> None:
    for letter in (first(), reply(quoted="One line.\n\n> An older one.")):
        text = re.sub(r"^> ?", "", letter.text, flags=re.M)
        assert shown(letter).split() == text.split()


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
    openings = {first(seed, recipient=recipient).text.splitlines()[0] for seed in range(100)}
    assert openings == {greeting.replace("{name}", greeted) for greeting in GREETINGS}


def test_unknown_names_leave_no_gap() -> None:
    letter = first(sender="", recipient="")
    assert re.match(r"[A-Z][a-z ]+,", letter.text)
    assert letter.text.rstrip().endswith(",")
    assert lint(letter) == []


NAMES = st.text(max_size=30) | st.sampled_from(["<script>alert(1)</script>", "{topic} {x}", "a\r\nBcc: b", '"&\u2028'])


@settings(max_examples=100)
@given(NAMES, NAMES, st.text(max_size=60), st.text(max_size=200))
def test_nothing_from_outside_becomes_markup_or_lines(sender: str, recipient: str, subject: str, quoted: str) -> None:
    answer = reply_letter(seed="s", subject=subject, sender_name=sender, recipient_name=recipient, quoted=quoted)
    for letter in (first(sender=sender, recipient=recipient), answer):
        assert not re.sub(r"</?p>|</?blockquote>|<br>", "", letter.html).count("<")
        assert len(letter.subject.splitlines()) == 1
    assert first(sender=sender, recipient=recipient).text.count("\n\n") == first().text.count("\n\n")


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
def test_subject_of_a_reply(subject: str, answered: str) -> None:
    assert reply(subject=subject).subject == answered


def test_a_quotation_stands_below_the_answer() -> None:
    text = reply(quoted="First <b>line</b>\r\n\r\nSecond line\n").text
    assert text.endswith("\n\nAda Lovelace wrote:\n> First <b>line</b>\n>\n> Second line\n")
    assert reply(quoted="  \n").text == reply().text


@pytest.mark.parametrize(
    ("words", "problem"),
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
    ],
)
def test_lint_names_what_is_wrong(words: str, problem: str) -> None:
    good = {"subject": "Subject", "text": "Text.", "html": "<p>Text.</p>"}
    for part, value in (("subject", words), ("text", words), ("html", f"<p>{words}</p>")):
        found = lint(Letter(**(good | {part: value}), template=""))
        assert any(line.startswith(f"{part}: holds {problem}") for line in found), found


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"subject": " "}, "subject: is empty"),
        ({"text": ""}, "text: is empty"),
        ({"html": ""}, "html: is empty"),
        ({"html": "<p>Text.</p><img>"}, "html: holds other markup"),
        ({"html": '<p onclick="x">Text.</p>'}, "html: holds other markup"),
        ({"html": '<a href="/x">Text.</a>'}, "html: holds a link"),
    ],
)
def test_lint_sees_empty_parts_and_markup(changes: dict[str, str], problem: str) -> None:
    good = {"subject": "Subject", "text": "Text.", "html": "<p>Text.</p>"}
    assert lint(Letter(**good, template="")) == []
    assert any(line.startswith(problem) for line in lint(Letter(**(good | changes), template="")))


GOOD = "== one\nSubject: About {topic}\nHello. | Good day.\n\nBye on {day}.\n"


def test_templates_are_read() -> None:
    (template,) = parse(f"# comment\n\n{GOOD}", origin="own.txt")
    assert template.name == "one"
    assert template.subjects == ("About {topic}",)
    assert template.paragraphs == ((("Hello.", "Good day."),), (("Bye on {day}.",),))
    assert parse("", origin="own.txt") == ()


@pytest.mark.parametrize(
    ("text", "reply_file", "message"),
    [
        ("Hello.\n", False, "own.txt, line 1: text before"),
        (GOOD + "== one\n", False, "own.txt, line 6: a template needs a name of its own"),
        ("== \nSubject: A\nB.\n", False, "own.txt, line 1: a template needs a name"),
        ("== one\nHello.\n", False, "own.txt, line 1: template 'one' needs a Subject line and a text"),
        ("\n== one\nSubject: A\n", False, "own.txt, line 2: template 'one' needs a Subject"),
        ("== one\nSubject: A\nSubject: B\nHello.\n", False, "own.txt, line 3: a template has one Subject line"),
        ("== one\nSubject: A\nHello. | | B.\n", False, "own.txt, line 3: an alternative is empty"),
        (
            "== one\nSubject: A\nHello {name}.\n",
            False,
            "own.txt, line 3: unknown placeholder {name}; use day, time",
        ),
        ("== one\nSubject: A\nHello {.\n", False, "own.txt, line 3: unknown placeholder {;"),
        ("== one\nSubject: A\nHello.\n", True, "own.txt, line 2: a reply has no subject"),
        ("== one\nAbout {topic}.\n", True, "own.txt, line 2: unknown placeholder {topic}; use day, time"),
        ("== one\n\n", True, "own.txt, line 1: template 'one' needs a text"),
    ],
)
def test_wrong_templates_are_refused_with_their_line(text: str, reply_file: bool, message: str) -> None:
    with pytest.raises(InvalidInputError, match=re.escape(message)):
        parse(text, origin="own.txt", reply=reply_file)
