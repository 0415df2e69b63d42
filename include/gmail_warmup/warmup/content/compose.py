"""The words of warmup mails: neutral everyday mails and answers, put together from templates by a seed."""

from __future__ import annotations

import html
import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gmail_warmup.warmup.content import spam_rules
from gmail_warmup.warmup.content.template_library import TemplateLibrary
from gmail_warmup.warmup.content.templates import PLACEHOLDER_VALUES, MailKind, MailTemplate

GREETINGS = ("Hi {recipient},", "Hello {recipient},", "Dear {recipient},", "Good day {recipient},")
CLOSINGS = ("Best regards,", "Kind regards,", "Best wishes,", "Many greetings,", "Regards,", "All the best,")

_REPLY_PREFIX = re.compile(r"^(?:\s*re(?:\[\d+\])?\s*:)+\s*", re.I)
_LINE_BREAKS = re.compile(r"\r\n?|\n")

Chooser = Callable[[Sequence[str]], str]


@dataclass(frozen=True, kw_only=True)
class MailContext:
    """What is known of a mail before its words.

    Attributes:
        seed: the same seed gives the same words.
        thread: the seed of the thread's first mail; all mails of a thread are in one language.
        recipient_name: whom it greets.
        signature: what stands below the closing, lines included; the sender's name if empty.
        subject: of the mail that it answers; empty for a first mail.
    """

    kind: MailKind
    seed: str
    thread_seed: str
    sender_name: str
    recipient_name: str
    signature: str = ""
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class MailText:
    """A mail's words: the subject and the paragraphs, and the template that they come from.

    The plain text and the HTML part are both made from the paragraphs, so they say the same, and nothing that a person
    typed is markup.
    """

    subject: str
    paragraphs: tuple[str, ...]
    template_name: str

    @property
    def text(self) -> str:
        """Return the plain text."""
        return "\n\n".join(self.paragraphs) + "\n"

    @property
    def html(self) -> str:
        """Return the HTML, with everything escaped."""
        return "".join(f"<p>{_escape_html(paragraph)}</p>\n" for paragraph in self.paragraphs)


def compose_mail(brief: MailContext, collection: TemplateLibrary) -> MailText:
    """Return a mail made from the templates of a collection; the same brief gives the same mail."""
    choice = random.Random(f"{brief.kind}:{brief.seed}").random  # noqa: S311  # variety, not a secret

    def choose_from(among: Sequence[str]) -> str:
        return among[int(choice() * len(among))]

    templates = collection.select_templates(brief.kind, thread=brief.thread_seed)
    template = templates[int(choice() * len(templates))]
    words = {name: choose_from(values) for name, values in PLACEHOLDER_VALUES.items()} | _build_name_values(brief)
    if template.subjects:
        subject = _fill_placeholders(choose_from(template.subjects), words)
        subject = _to_single_line(subject if template.is_complete else _capitalize_first(subject))
    else:
        subject = _build_reply_subject(brief.subject)
    paragraphs = (
        _render_lines(template, words, choose_from)
        if template.is_complete
        else _render_sentences(template, words, choose_from)
    )
    return MailText(subject=subject, paragraphs=tuple(paragraphs), template_name=template.name)


def find_content_problems(letter: MailText) -> Iterator[str]:
    """Yield what is wrong with a letter, in words; nothing when it may be sent."""
    yield from (f"subject: {fault}" for fault in spam_rules.check_subject(letter.subject))
    yield from (f"text: {fault}" for fault in spam_rules.check_text(letter.text))


def _build_name_values(brief: MailContext) -> dict[str, str]:
    sender = _to_single_line(brief.sender_name)
    lines = (_to_single_line(line) for line in _LINE_BREAKS.split(brief.signature))
    signature = "\n".join(line for line in lines if line)
    return {
        "sender": sender,
        "recipient": _choose_greeting_name(_to_single_line(brief.recipient_name)),
        "signature": signature or sender,
    }


def _render_sentences(template: MailTemplate, words: Mapping[str, str], pick: Chooser) -> Iterator[str]:
    """Yield greeting, paragraphs of sentences, and closing."""
    yield _fill_placeholders(pick(GREETINGS), words).replace(" ,", ",")
    for paragraph in template.paragraphs:
        yield " ".join(_capitalize_first(_fill_placeholders(pick(sentence), words)) for sentence in paragraph)
    yield f"{pick(CLOSINGS)}\n{words['signature']}".rstrip()


def _render_lines(template: MailTemplate, words: Mapping[str, str], pick: Chooser) -> Iterator[str]:
    """Yield the paragraphs of a template that has its own greeting and closing; its lines stay lines."""
    for paragraph in template.paragraphs:
        yield "\n".join(_fill_placeholders(pick(line), words) for line in paragraph)


def _fill_placeholders(line: str, words: Mapping[str, str]) -> str:
    """Put the words in, in one pass, so that braces in a name stay what they are."""
    return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], line)


def _capitalize_first(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _build_reply_subject(subject: str) -> str:
    """Return the subject of an answer: `Re:` stands before it once."""
    return f"Re: {_REPLY_PREFIX.sub('', _to_single_line(subject))}".strip()


def _escape_html(text: str) -> str:
    return "<br>\n".join(html.escape(line) for line in text.split("\n"))


def _to_single_line(text: str) -> str:
    """Return a name or subject on one line, without control characters."""
    plain = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text)
    return " ".join(plain.split())


def _choose_greeting_name(name: str) -> str:
    """Return how a person is greeted: by the first name where it is plain to see, else by the whole name."""
    first, _, rest = name.partition(" ")
    return first if rest and first.isalpha() and len(first) > 1 else name
