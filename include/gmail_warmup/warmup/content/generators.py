"""Text generators: templates, or a server with an OpenAI-compatible chat API."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import httpx

from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.core.http_utils import parse_json
from gmail_warmup.core.network.client import ResponseTooLargeError, open_client
from gmail_warmup.core.settings import Settings
from gmail_warmup.core.text import pluralize
from gmail_warmup.warmup.content.compose import MailContext, MailText, compose_mail, find_content_problems
from gmail_warmup.warmup.content.template_library import TemplateLibrary, load_builtin_templates, load_templates_folder
from gmail_warmup.warmup.content.templates import MailKind

log = logging.getLogger(__name__)

_MAX_RESPONSE_BYTES = 100_000
_CONNECT_TIMEOUT = 5
_MAX_LOGGED_PROBLEMS = 20
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
    """A source of warmup mails."""

    def write_mail(self, context: MailContext) -> MailText:
        """Return a mail.

        Raises:
            GeneratorError: if it cannot; the templates are used instead.
        """


class GeneratorError(GmailWarmupError):
    """A text generator returned no usable text. The message is a short reason without secrets."""


@dataclass(frozen=True, kw_only=True)
class TemplateGenerator:
    """Write mails from a library of templates."""

    library: TemplateLibrary

    def write_mail(self, context: MailContext) -> MailText:
        """Return a mail; the same context gives the same mail.

        Raises:
            NoTemplatesError: there is no valid template in the language of the thread.
        """
        return compose_mail(context, self.library)


@dataclass(frozen=True, kw_only=True)
class ChatGenerator:
    """Request the paragraphs between greeting and closing from a server with an OpenAI-compatible chat API.

    Attributes:
        templates: the source of subject, greeting and closing.
        base_url: the URL without ``/chat/completions``.
        timeout: seconds to wait for the complete response.
    """

    templates: TextGenerator
    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    timeout: float = 20.0

    def write_mail(self, context: MailContext) -> MailText:
        """Return the mail of the templates with the paragraphs of the server.

        Raises:
            GeneratorError: if the server is unreachable, refuses the request or returns no text.
        """
        mail = self.templates.write_mail(context)
        parts = [part.strip() for part in self._request_text(context.kind, mail.subject).split("\n\n")]
        body = [part for part in parts if part]
        return replace(mail, paragraphs=(mail.paragraphs[0], *body, mail.paragraphs[-1]), template_name="generator")

    def _request_text(self, kind: MailKind, subject: str) -> str:
        messages = [
            {"role": "system", "content": f"{_PROMPTS[kind]} {_PROMPT_RULES}"},
            {"role": "user", "content": f"Subject: {subject}"},
        ]
        body = {"model": self.model, "messages": messages, "max_tokens": 300, "temperature": 1.0}
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        try:
            with open_client(
                self.base_url,
                connect_timeout=_CONNECT_TIMEOUT,
                read_timeout=self.timeout,
                max_bytes=_MAX_RESPONSE_BYTES,
            ) as client:
                response = client.post(f"{self.base_url.rstrip('/')}/chat/completions", json=body, headers=headers)
        except ResponseTooLargeError:
            raise GeneratorError("the response is too large") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise GeneratorError(type(error).__name__) from None
        if response.status_code != 200:
            raise GeneratorError(f"HTTP status {response.status_code}")
        return _extract_content(response)


def _extract_content(response: httpx.Response) -> str:
    try:
        content = parse_json(response.content)["choices"][0]["message"]["content"]
    except (LookupError, TypeError):
        raise GeneratorError("the response is not one of the chat API") from None
    if not isinstance(content, str) or not content.strip():
        raise GeneratorError("the response contains no text")
    return content.replace("\r\n", "\n")


class MailWriter:
    """Write the mails of one task: with the text generator if there is one and it works, otherwise from templates.

    After a failure the generator is not used again by this task, so that an unreachable server costs one timeout.
    """

    def __init__(self, templates: TextGenerator, generator: TextGenerator | None = None) -> None:
        self._templates, self._generator = templates, generator

    def write_from_templates(self, context: MailContext) -> MailText:
        """Return the mail of the templates, whose subject the mail has in any case.

        Raises:
            NoTemplatesError: there is no template for it.
        """
        return self._templates.write_mail(context)

    def write_mail(self, context: MailContext) -> MailText:
        """Return a mail that may be sent."""
        from_templates = self._templates.write_mail(context)
        if self._generator is None:
            return from_templates
        try:
            mail = self._generator.write_mail(context)
            if problem := next(find_content_problems(mail), None):
                raise GeneratorError(problem)
            if mail.subject != from_templates.subject:
                raise GeneratorError("it changed the subject")
        except GeneratorError as error:
            log.warning("The text generator gave no usable text, the templates are used: %s", error)
            self._generator = None
            return from_templates
        return mail


def build_template_generator(settings: Settings) -> TemplateGenerator:
    """Return a generator with the valid ones of the operator's templates, or with the built-in ones if there are none.

    Problems are logged. They never lead to templates in another language: those of the operator are used alone.
    """
    if not settings.templates_folder:
        return TemplateGenerator(library=load_builtin_templates())
    library = load_templates_folder(Path(settings.templates_folder))
    if library.problems:
        log.warning(
            "%s in %s; templates with a problem are left out. Run: gmail-warmup content lint\n%s",
            pluralize(len(library.problems), "problem"),
            settings.templates_folder,
            "\n".join(map(str, library.problems[:_MAX_LOGGED_PROBLEMS])),
        )
    return TemplateGenerator(library=library)
