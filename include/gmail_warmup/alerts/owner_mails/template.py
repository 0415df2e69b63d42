"""The template of the mails to owners: the built-in one, or a text file of the operator.

The first line is the subject; an empty line and the text follow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

from gmail_warmup.core.characters import find_character, is_unsafe_in_paragraphs, is_unsafe_in_text
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError
from gmail_warmup.core.text import shorten_text

PLACEHOLDERS = ("mailboxes", "links", "days")
"""What a template may contain: the number of mailboxes in words, one paragraph for each mailbox with its link, and the
number of days for which the links are valid."""
_REQUIRED = "links"
_MAX_LENGTH = 20_000

BUILT_IN = """\
Please sign in again: {mailboxes}

Google no longer accepts the stored access to the mailboxes below. You are named as their owner.

Open each link and sign in at Google with the mailbox that stands above it. Each link works once, within {days} days.

{links}

You get this mail from the system that warms the mailboxes up. If you do not expect it, ask its operator.
"""


@dataclass(frozen=True, kw_only=True)
class OwnerMailTemplate:
    """A valid template."""

    subject: str
    text: str

    def render(self, values: Mapping[str, str]) -> tuple[str, str]:
        """Return subject and text with a value for each of ``PLACEHOLDERS``."""
        return self.subject.format_map(values), self.text.format_map(values)


def parse_template(text: str) -> OwnerMailTemplate:
    """Validate the text of a template.

    Raises:
        InvalidInputError: naming the rule that it breaks, and the remedy.
    """
    if len(text) > _MAX_LENGTH:
        raise InvalidInputError(f"it has more than {_MAX_LENGTH:,} characters; shorten it")
    subject, _, body = text.lstrip("\ufeff").replace("\r\n", "\n").partition("\n")
    if not subject.strip() or not body.strip():
        raise InvalidInputError("it needs a subject in its first line, and a text below it")
    if found := find_character(subject, is_unsafe_in_text) or find_character(body, is_unsafe_in_paragraphs):
        raise InvalidInputError(f"remove the character {found}")
    if "=?" in subject:
        raise InvalidInputError("its subject must not contain '=?', which begins an encoded word; write the characters")
    _require_placeholders(subject, body)
    return OwnerMailTemplate(subject=subject.strip(), text=body.strip() + "\n")


def load_template(path: str) -> OwnerMailTemplate:
    """Return the template in a file, or the built-in one without a path.

    Raises:
        ConfigurationError: if the file cannot be read, or breaks a rule.
    """
    if not path:
        return parse_template(BUILT_IN)
    try:
        return parse_template(Path(path).read_text("utf-8"))
    except InvalidInputError as error:
        raise ConfigurationError(f"The template of mails to owners, {path}, is not used: {error}.") from None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"The template of mails to owners, {path}, cannot be read: {why}.") from None


def _require_placeholders(subject: str, body: str) -> None:
    if _REQUIRED in _list_placeholders(subject):
        raise InvalidInputError(f"the subject must not contain {{{_REQUIRED}}}")
    if _REQUIRED not in _list_placeholders(body):
        raise InvalidInputError(f"its text needs the placeholder {{{_REQUIRED}}}, where the links are")


def _list_placeholders(text: str) -> set[str]:
    allowed = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    try:
        fields = [part for part in Formatter().parse(text) if part[1] is not None]
    except ValueError:
        raise InvalidInputError(
            f"a brace is not part of a placeholder; write {{{{ or }}}}, or one of {allowed}"
        ) from None
    for _, name, form, conversion in fields:
        if name not in PLACEHOLDERS or form or conversion:
            raise InvalidInputError(f"{{{shorten_text(str(name))}}} is not a placeholder; use {allowed}")
    return {str(name) for _, name, _, _ in fields}
