"""Where a mail's words come from: templates, or a server that speaks OpenAI's chat API; each behind one method."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import httpx

from gmail_warmup.core.errors import GmailWarmupError, InvalidInputError
from gmail_warmup.core.http_utils import parse_json
from gmail_warmup.core.settings import Settings
from gmail_warmup.warmup.content.compose import MailContext, MailText, compose_mail, find_content_problems
from gmail_warmup.warmup.content.template_library import TemplateLibrary, load_builtin_templates, load_templates_folder
from gmail_warmup.warmup.content.templates import MailKind

log = logging.getLogger(__name__)

_MAX_RESPONSE_BYTES = 100_000
_PROMPTS = {
    MailKind.FIRST: "Write the body of a short everyday mail between colleagues with the subject given below.",
    MailKind.REPLY: "Write the body of a short answer to a colleague's everyday mail with the subject given below.",
    MailKind.FOLLOWUP: "Write the body of a short line back to a colleague's answer to your mail with the "
    "subject below.",
}
_PROMPT_RULES = (
    "Two to four plain sentences in the language of the subject. No greeting, no closing, no names, no links, no"
    " numbers, no markup, no placeholders, nothing to sell. Answer with the body alone."
)


class TextGenerator(Protocol):
    """Something that writes warmup mails."""

    def write_mail(self, brief: MailContext) -> MailText:
        """Return a mail.

        Raises:
            GeneratorError: it cannot; the library is then used.
        """


class GeneratorError(GmailWarmupError):
    """A text generator gave no usable text; the message says why in a few words, without any secret."""


@dataclass(frozen=True, kw_only=True)
class TemplateGenerator:
    """The text generator that never fails: letters from a collection of templates."""

    library: TemplateLibrary

    def write_mail(self, brief: MailContext) -> MailText:
        """Return a mail; the same brief gives the same one."""
        return compose_mail(brief, self.library)


@dataclass(frozen=True, kw_only=True)
class ChatGenerator:
    """The text generator that asks a server with OpenAI's chat API for the paragraphs between greeting and closing.

    Attributes:
        frame: what the subject, the greeting and the closing come from.
        base_url: up to and without ``/chat/completions``.
        timeout: seconds for the whole answer to begin, and between its parts.
    """

    templates: TextGenerator
    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    timeout: float = 20.0

    def write_mail(self, brief: MailContext) -> MailText:
        """Return the frame's mail with the server's words in it.

        Raises:
            GeneratorError: the server cannot be reached, refuses, or answers with something else than a text.
        """
        framed = self.templates.write_mail(brief)
        written = [part.strip() for part in self._request_text(brief.kind, framed.subject).split("\n\n")]
        middle = tuple(part for part in written if part)
        return replace(
            framed, paragraphs=(framed.paragraphs[0], *middle, framed.paragraphs[-1]), template_name="generator"
        )

    def _request_text(self, kind: MailKind, subject: str) -> str:
        messages = [
            {"role": "system", "content": f"{_PROMPTS[kind]} {_PROMPT_RULES}"},
            {"role": "user", "content": f"Subject: {subject}"},
        ]
        body = {"model": self.model, "messages": messages, "max_tokens": 300, "temperature": 1.0}
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        try:
            with httpx.Client(timeout=self.timeout) as client:
                answer = client.post(f"{self.base_url.rstrip('/')}/chat/completions", json=body, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GeneratorError(type(error).__name__) from None
        if answer.status_code != 200:
            raise GeneratorError(f"HTTP status {answer.status_code}")
        return _extract_content(answer)


def _extract_content(answer: httpx.Response) -> str:
    if len(answer.content) > _MAX_RESPONSE_BYTES:
        raise GeneratorError("the answer is too large")
    try:
        content = parse_json(answer.content)["choices"][0]["message"]["content"]
    except (LookupError, TypeError):
        raise GeneratorError("the answer is not that of a chat server") from None
    if not isinstance(content, str) or not content.strip():
        raise GeneratorError("the answer holds no text")
    return content.replace("\r\n", "\n")


class MailWriter:
    """Writes the mails of one task: with the generator if there is one and it works, else from templates.

    A generator that failed is not asked again by this task, so that a dead server costs one timeout.
    """

    def __init__(self, templates: TextGenerator, generator: TextGenerator | None = None) -> None:
        self._templates, self._generator = templates, generator

    def write_subject(self, brief: MailContext) -> str:
        """Return the subject of a mail; it always comes from the templates, so that it is known before the words."""
        return self._templates.write_mail(brief).subject

    def write_mail(self, brief: MailContext) -> MailText:
        """Return a mail that may be sent."""
        plain = self._templates.write_mail(brief)
        if self._generator is None:
            return plain
        try:
            letter = self._generator.write_mail(brief)
            if fault := next(find_content_problems(letter), None):
                raise GeneratorError(fault)
            if letter.subject != plain.subject:
                raise GeneratorError("it changed the subject")
        except GeneratorError as error:
            log.warning("The text generator gave no usable text, the templates are used: %s", error)
            self._generator = None
            return plain
        return letter


def build_template_generator(settings: Settings) -> TemplateGenerator:
    """Return the operator's templates, or the library where there are none or they are broken, which the log says."""
    if not settings.templates_folder:
        return TemplateGenerator(library=load_builtin_templates())
    try:
        return TemplateGenerator(library=load_templates_folder(Path(settings.templates_folder)))
    except InvalidInputError as error:
        log.warning(
            "The templates in %s are not used, the library is. See: gmail-warmup content lint\n%s",
            settings.templates_folder,
            error,
        )
        return TemplateGenerator(library=load_builtin_templates())
