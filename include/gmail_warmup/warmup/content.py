"""The words of warmup mails: neutral everyday mails and replies, put together from parts by a seed."""

from __future__ import annotations

import html
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gmail_warmup.warmup.library.templates import Template, first_mails, replies

GREETINGS = ("Hi {name},", "Hello {name},", "Dear {name},", "Good day {name},", "Hi {name}, I hope you are well.")
CLOSINGS = ("Best regards,", "Kind regards,", "Best wishes,", "Many greetings,", "Regards,", "All the best,")
WORDS = {
    "topic": (
        "the onboarding guide",
        "the project overview",
        "the weekly report",
        "the meeting agenda",
        "the team calendar",
        "the training outline",
        "the draft summary",
        "the review checklist",
        "the planning sheet",
        "the workshop outline",
        "the feedback form",
        "the contact list",
        "the room plan",
        "the style guide",
        "the handover document",
        "the test protocol",
        "the reading list",
        "the process description",
        "the timetable",
        "the yearly overview",
    ),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday"),
    "time": ("at ten", "at half past ten", "at eleven", "at two", "at half past two", "at three"),
}

_LINTS = tuple(
    (problem, re.compile("|".join(patterns), re.I))
    for problem, patterns in {
        "a link or an address": (
            r"\w+://",
            r"\bwww\.",
            r"\b(?:href|src)\s*=",
            r"\bmailto:",
            r"\S@\S",
            r"\b[\w-]+\.(?:com|net|org|io|co|de|uk|eu|info|biz)\b",
        ),
        "a leftover placeholder": (
            r"[{}]",
            r"\[\w[\w ]*\]",
            r"<<|>>",
            r"\$\w",
            r"%\w+%|%[sd]\b",
            r"\b(?:TODO|XXX+|lorem ipsum)\b",
        ),
        "shouting": (r"[!?]\s*!", r"\b(?-i:[A-Z]{5,})\b", r"\b(?-i:[A-Z]{2,}\s+[A-Z]{2,})\b"),
        # A word of letters and digits is how other services mark their mails.
        "a marker word": (r"\bwarm(?:ing|ed|s)?[\s_-]?up", r"\bdeliverability\b", r"\b(?=\w*\d)(?=\w*[a-z])\w{8,}\b"),
        "sales talk": (
            r"[$€£]\s?\d",
            r"\d\s?%",
            r"\b(?:discount|special offer|buy now|order now|act now|click|unsubscribe|guaranteed?)\b",
            r"\b(?:limited time|money back|winner|promotion)\b",
        ),
    }.items()
)
_MARKUP = re.compile(r"</?(?:p|blockquote)>|<br>")
_RE = re.compile(r"^(?:\s*re(?:\[\d+\])?\s*:)+\s*", re.I)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail's words: the subject, the text, the same text as HTML (escaped), and the template they come from."""

    subject: str
    text: str
    html: str
    template: str


def first_letter(*, seed: str, sender_name: str, recipient_name: str) -> Letter:
    """Return the first mail of a thread; the same seed gives the same mail. Names may be empty."""
    choice = random.Random(f"first:{seed}").random  # noqa: S311  # variety, not a secret

    def pick(among: Sequence[str]) -> str:
        return among[int(choice() * len(among))]

    templates = first_mails()
    template = templates[int(choice() * len(templates))]
    words = {name: pick(values) for name, values in WORDS.items()}
    body = _body(template, words, pick, sender_name=_tidy(sender_name), recipient_name=_tidy(recipient_name))
    return _letter(_fill(pick(template.subjects), words), body, None, template.name)


def reply_letter(
    *, seed: str, subject: str, sender_name: str, recipient_name: str, quoted: str | None = None
) -> Letter:
    """Return an answer to the mail with `subject`, with `Re:` before it once.

    `recipient_name` is who wrote that mail, and `quoted` its text, which is put below the answer.
    """
    choice = random.Random(f"reply:{seed}").random  # noqa: S311  # variety, not a secret

    def pick(among: Sequence[str]) -> str:
        return among[int(choice() * len(among))]

    templates = replies()
    template = templates[int(choice() * len(templates))]
    words = {name: pick(values) for name, values in WORDS.items()}
    recipient = _tidy(recipient_name)
    body = _body(template, words, pick, sender_name=_tidy(sender_name), recipient_name=recipient)
    quote = (f"{recipient or 'You'} wrote:", quoted.strip()) if quoted and quoted.strip() else None
    return _letter(f"Re: {_RE.sub('', _tidy(subject))}".strip(), body, quote, template.name)


def lint(letter: Letter) -> list[str]:
    """Return what is wrong with a letter, in words; nothing when it may be sent."""
    parts = {"subject": letter.subject, "text": letter.text, "html": letter.html}
    problems = [f"{part}: is empty" for part, words in parts.items() if not words.strip()]
    # What is left of the HTML without the few tags in use must be escaped text.
    parts["html"] = _MARKUP.sub("\n", letter.html)
    if re.search(r"[<>]", parts["html"]):
        problems.append("html: holds other markup than paragraphs, line breaks and quotations")
    parts["html"] = html.unescape(parts["html"])
    for part, words in parts.items():
        for name, pattern in _LINTS:
            found = pattern.search(words)
            if found:
                problems.append(f"{part}: holds {name} ({found[0].strip()!r})")
    return problems


def _body(
    template: Template,
    words: dict[str, str],
    pick: Callable[[Sequence[str]], str],
    *,
    sender_name: str,
    recipient_name: str,
) -> list[str]:
    """Return the paragraphs; lines within one stand on lines of their own."""
    greeting = pick(GREETINGS).replace(" {name}", f" {_short(recipient_name)}" if recipient_name else "")
    paragraphs = [" ".join(_fill(pick(sentence), words) for sentence in paragraph) for paragraph in template.paragraphs]
    return [greeting, *paragraphs, f"{pick(CLOSINGS)}\n{sender_name}".rstrip()]


def _letter(subject: str, paragraphs: list[str], quote: tuple[str, str] | None, template: str) -> Letter:
    text = "\n\n".join(paragraphs) + "\n"
    markup = "".join(f"<p>{_escape(paragraph)}</p>\n" for paragraph in paragraphs)
    if quote:
        intro, quoted = quote
        lines = "\n".join(f"> {line}".rstrip() for line in quoted.splitlines())
        text += f"\n{intro}\n{lines}\n"
        markup += f"<p>{_escape(intro)}</p>\n<blockquote>{_escape(quoted)}</blockquote>\n"
    return Letter(subject=subject, text=text, html=markup, template=template)


def _escape(text: str) -> str:
    return "<br>\n".join(html.escape(line) for line in text.splitlines())


def _fill(sentence: str, words: dict[str, str]) -> str:
    """Put the words in, in one pass, and begin with a capital."""
    filled = re.sub(r"\{(\w+)\}", lambda match: words[match[1]], sentence)
    return filled[0].upper() + filled[1:]


def _tidy(name: str) -> str:
    """Return a name or subject on one line, without control characters."""
    plain = "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in name)
    return " ".join(plain.split())


def _short(name: str) -> str:
    """Return how a person is greeted: by the first name where it is plain to see, else by the whole name."""
    first, _, rest = name.partition(" ")
    return first if rest and first.isalpha() and len(first) > 1 else name
