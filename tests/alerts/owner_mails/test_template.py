"""The template of mails to owners: what is accepted, and what is refused with the rule and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmail_warmup.alerts.owner_mails.template import load_template, parse_template
from gmail_warmup.core.errors import ConfigurationError, InvalidInputError

VALUES = {"mailboxes": "1 mailbox", "links": "a@example.com\nhttps://x", "days": "7"}
REFUSED = {
    "": "a subject in its first line",
    "Only a subject": "a subject in its first line",
    "\n\nText {links}": "a subject in its first line",
    "Subject\n\nText": r"needs the placeholder \{links\}",
    "Subject {links}\n\nText {links}": r"the subject must not contain \{links\}",
    "Subject\n\n{link}": r"\{link\} is not a placeholder; use \{mailboxes\}, \{links\}, \{days\}",
    "Subject\n\n{}{links}": "is not a placeholder",
    "Subject\n\n{links.__class__}": "is not a placeholder",
    "Subject\n\n{links!r}": "is not a placeholder",
    "Subject\n\n{links:>{days}}": "is not a placeholder",
    "Subject\n\n{0}{links}": "is not a placeholder",
    "Subject\n\n{links": "a brace is not part of a placeholder",
    "Subject\n\n{links} }": "a brace is not part of a placeholder",
    "Sign in =?utf-8?q?=0D=0ABcc:eve@example.com?=\n\n{links}": "which begins an encoded word",
    "Sub\x00ject\n\n{links}": r"U\+0000 \(NUL\)",
    "Sub\u2028ject\n\n{links}": r"U\+2028",
    "Subject\n\n{links}\x1b": r"U\+001B",
    "S\n\n{links}" + "x" * 20_000: "more than 20,000 characters",
}


@pytest.mark.parametrize(("text", "rule"), REFUSED.items(), ids=ascii)
def test_a_wrong_template_is_refused(text: str, rule: str, tmp_path: Path):
    with pytest.raises(InvalidInputError, match=rule):
        parse_template(text)
    file = tmp_path / "owners.txt"
    file.write_bytes(text.encode())
    with pytest.raises(ConfigurationError, match=f"The template of mails to owners, .*owners.txt.*{rule}"):
        load_template(str(file))


def test_a_template_is_filled_in():
    subject, text = parse_template("\ufeffSign in: {mailboxes}\r\n\r\nDear owner {{you}},\r\n{links}\r\n").render(
        VALUES
    )
    assert subject == "Sign in: 1 mailbox"
    assert text == "Dear owner {you},\na@example.com\nhttps://x\n"


def test_the_built_in_template_is_valid():
    subject, text = load_template("").render(VALUES)
    assert subject == "Please sign in again: 1 mailbox"
    assert VALUES["links"] in text


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"], ids=["missing", "not UTF-8"])
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, tmp_path: Path):
    file = tmp_path / "owners.txt"
    if content:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"owners\.txt, cannot be read"):
        load_template(str(file))
