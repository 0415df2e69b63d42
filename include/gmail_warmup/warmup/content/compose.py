"""The words of warmup mails: neutral everyday mails and answers, put together from templates by a seed."""

from __future__ import annotations

import html
import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gmail_warmup.warmup.content import spam_rules
from gmail_warmup.warmup.content.template_library import Collection
from gmail_warmup.warmup.content.templates import WORDS, Kind, Template

GREETINGS = ("Hi {recipient},", "Hello {recipient},", "Dear {recipient},", "Good day {recipient},")
CLOSINGS = ("Best regards,", "Kind regards,", "Best wishes,", "Many greetings,", "Regards,", "All the best,")

_RE = re.compile(r"^(?:\s*re(?:\[\d+\])?\s*:)+\s*", re.I)
_LINE_BREAKS = re.compile(r"\r\n?|\n")

Pick = Callable[[Sequence[str]], str]


@dataclass(frozen=True, kw_only=True)
class Brief:
    """What is known of a mail before its words.

    Attributes:
        seed: the same seed gives the same words.
        thread: the seed of the thread's first mail; all mails of a thread are in one language.
        recipient_name: whom it greets.
        signature: what stands below the closing, lines included; the sender's name if empty.
        subject: of the mail that it answers; empty for a first mail.
    """

    kind: Kind
    seed: str
    thread: str
    sender_name: str
    recipient_name: str
    signature: str = ""
    subject: str = ""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail's words: the subject and the paragraphs, and the template that they come from.

    The plain text and the HTML part are both made from the paragraphs, so they say the same, and nothing that a person
    typed is markup.
    """

    subject: str
    paragraphs: tuple[str, ...]
    template: str

    @property
    def text(self) -> str:
        """Return the plain text."""
        return "\n\n".join(self.paragraphs) + "\n"

    @property
    def html(self) -> str:
        """Return the HTML, with everything escaped."""
        return "".join(f"<p>{_escape(paragraph)}</p>\n" for paragraph in self.paragraphs)


def compose(brief: Brief, collection: Collection) -> Letter:
    """Return a mail made from the templates of a collection; the same brief gives the same mail."""
    choice = random.Random(f"{brief.kind}:{brief.seed}").random  # noqa: S311  # variety, not a secret

    def pick(among: Sequence[str]) -> str:
        return among[int(choice() * len(among))]

    templates = collection.of(brief.kind, thread=brief.thread)
    template = templates[int(choice() * len(templates))]
    words = {name: pick(values) for name, values in WORDS.items()} | _names(brief)
    if template.subjects:
        subject = _fill(pick(template.subjects), words)
        subject = _one_line(subject if template.whole else _capital(subject))
    else:
        subject = _answered(brief.subject)
    paragraphs = _whole(template, words, pick) if template.whole else _framed(template, words, pick)
    return Letter(subject=subject, paragraphs=tuple(paragraphs), template=template.name)


def faults_of(letter: Letter) -> Iterator[str]:
    """Yield what is wrong with a letter, in words; nothing when it may be sent."""
    yield from (f"subject: {fault}" for fault in spam_rules.of_subject(letter.subject))
    yield from (f"text: {fault}" for fault in spam_rules.of_text(letter.text))


def _names(brief: Brief) -> dict[str, str]:
    sender = _one_line(brief.sender_name)
    lines = (_one_line(line) for line in _LINE_BREAKS.split(brief.signature))
    signature = "\n".join(line for line in lines if line)
    return {"sender": sender, "recipient": _short(_one_line(brief.recipient_name)), "signature": signature or sender}


def _framed(template: Template, words: Mapping[str, str], pick: Pick) -> Iterator[str]:
    """Yield greeting, paragraphs of sentences, and closing."""
    yield _fill(pick(GREETINGS), words).replace(" ,", ",")
    for paragraph in template.paragraphs:
        yield " ".join(_capital(_fill(pick(sentence), words)) for sentence in paragraph)
    yield f"{pick(CLOSINGS)}\n{words['signature']}".rstrip()


def _whole(template: Template, words: Mapping[str, str], pick: Pick) -> Iterator[str]:
    """Yield the paragraphs of a template that has its own greeting and closing; its lines stay lines."""
    for paragraph in template.paragraphs:
        yield "\n".join(_fill(pick(line), words) for line in paragraph)


def _fill(line: str, words: Mapping[str, str]) -> str:
    """Put the words in, in one pass, so that braces in a name stay what they are."""
    return re.sub(r"\{(\w+)\}", lambda match: words[match[1]], line)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _answered(subject: str) -> str:
    """Return the subject of an answer: `Re:` stands before it once."""
    return f"Re: {_RE.sub('', _one_line(subject))}".strip()


def _escape(text: str) -> str:
    return "<br>\n".join(html.escape(line) for line in text.split("\n"))


def _one_line(text: str) -> str:
    """Return a name or subject on one line, without control characters."""
    plain = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text)
    return " ".join(plain.split())


def _short(name: str) -> str:
    """Return how a person is greeted: by the first name where it is plain to see, else by the whole name."""
    first, _, rest = name.partition(" ")
    return first if rest and first.isalpha() and len(first) > 1 else name
