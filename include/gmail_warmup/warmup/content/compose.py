"""Compose the subject and text of a warmup mail from a template, by a seed."""

from __future__ import annotations

import hashlib
import html
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gmail_warmup.core.characters import to_one_line
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
    """The input for composing a mail.

    Attributes:
        seed: the same seed gives the same text.
        thread_seed: the seed of the first mail of the thread.
        language: of the thread; None to draw one of the library for the thread.
        recipient_name: the name in the greeting.
        signature: the lines below the closing; the sender's name if empty.
        subject: the subject of the mail that it answers; empty for a first mail.
    """

    kind: MailKind
    seed: str
    thread_seed: str
    sender_name: str
    recipient_name: str
    signature: str = ""
    subject: str = ""
    language: str | None = None


@dataclass(frozen=True, kw_only=True)
class MailText:
    """The subject and paragraphs of a mail, the name of their template, and a hash of the text.

    Greeting and closing do not count for the hash unless they are part of the template.
    The plain text and the HTML part are both made from the paragraphs, so that they have the same content, and text
    that a person entered is never markup.
    """

    subject: str
    paragraphs: tuple[str, ...]
    template_name: str
    body_hash: str = ""

    @property
    def text(self) -> str:
        """Return the plain text."""
        return "\n\n".join(self.paragraphs) + "\n"

    @property
    def html(self) -> str:
        """Return the HTML part, with all text escaped."""
        return "".join(f"<p>{_escape_html(paragraph)}</p>\n" for paragraph in self.paragraphs)


def compose_mail(context: MailContext, library: TemplateLibrary) -> MailText:
    """Return a mail composed from the templates of a library; the same context gives the same mail.

    Raises:
        NoTemplatesError: the library has no template for it.
    """
    draw = random.Random(f"{context.kind}:{context.seed}").random  # noqa: S311  # variety, not a secret

    def choose(options: Sequence[str]) -> str:
        return options[int(draw() * len(options))]

    templates = library.select_templates(context.kind, thread_seed=context.thread_seed, language=context.language)
    template = templates[int(draw() * len(templates))]
    values = {name: choose(options) for name, options in PLACEHOLDER_VALUES.items()} | _build_name_values(context)
    subject = _render_subject(template, values, choose) or _build_reply_subject(context.subject)
    render = _render_lines if template.is_complete else _render_sentences
    paragraphs = tuple(render(template, values, choose))
    return MailText(
        subject=subject,
        paragraphs=paragraphs,
        template_name=template.name,
        body_hash=_hash_text(paragraphs if template.is_complete else paragraphs[1:-1]),
    )


def find_content_problems(mail: MailText) -> Iterator[str]:
    """Yield the rules that a mail violates, as text; empty if it may be sent."""
    yield from (f"subject: {violation}" for violation in spam_rules.check_subject(mail.subject))
    yield from (f"text: {violation}" for violation in spam_rules.check_text(mail.text))


def _build_name_values(context: MailContext) -> dict[str, str]:
    sender = to_one_line(context.sender_name)
    lines = (to_one_line(line) for line in _LINE_BREAKS.split(context.signature))
    signature = "\n".join(line for line in lines if line)
    return {
        "sender": sender,
        "recipient": _choose_greeting_name(to_one_line(context.recipient_name)),
        "signature": signature or sender,
    }


def _render_subject(template: MailTemplate, values: Mapping[str, str], choose: Chooser) -> str:
    """Return the subject of a template; empty if it has none."""
    if not template.subjects:
        return ""
    subject = _fill_placeholders(choose(template.subjects), values)
    return to_one_line(subject if template.is_complete else _capitalize_first(subject))


def _render_sentences(template: MailTemplate, values: Mapping[str, str], choose: Chooser) -> Iterator[str]:
    """Yield greeting, paragraphs of sentences, and closing."""
    yield _fill_placeholders(choose(GREETINGS), values).replace(" ,", ",")
    for paragraph in template.paragraphs:
        yield " ".join(_capitalize_first(_fill_placeholders(choose(sentence), values)) for sentence in paragraph)
    yield f"{choose(CLOSINGS)}\n{values['signature']}".rstrip()


def _render_lines(template: MailTemplate, values: Mapping[str, str], choose: Chooser) -> Iterator[str]:
    """Yield the paragraphs of a template with its own greeting and closing, line by line."""
    for paragraph in template.paragraphs:
        yield "\n".join(_fill_placeholders(choose(line), values) for line in paragraph)


def _fill_placeholders(line: str, values: Mapping[str, str]) -> str:
    """Replace all placeholders in one pass, so that braces in a value are not replaced again."""
    return re.sub(r"\{(\w+)\}", lambda match: values[match[1]], line)


def _capitalize_first(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _build_reply_subject(subject: str) -> str:
    """Return the subject of a reply, with a single `Re:` prefix."""
    return f"Re: {_REPLY_PREFIX.sub('', to_one_line(subject))}".strip()


def _hash_text(paragraphs: Iterable[str]) -> str:
    """Return a hash that is the same for texts that a reader considers the same."""
    words = " ".join(paragraphs).casefold().split()
    return hashlib.blake2b(" ".join(words).encode(), digest_size=16).hexdigest()


def _escape_html(text: str) -> str:
    return "<br>\n".join(html.escape(line) for line in text.split("\n"))


def _choose_greeting_name(name: str) -> str:
    """Return the name in a greeting: the first name if it is recognizable, otherwise the whole name."""
    first, _, rest = name.partition(" ")
    return first if rest and first.isalpha() and len(first) > 1 else name
