"""Decode a text file whose encoding nobody states, without reading a letter wrongly in silence.

The order: byte order mark, UTF-8, UTF-16 recognized by its zero bytes, Windows-1252. The last cannot be told from other
encodings with one byte per letter, so what does not look like it is refused, and every line that it changes is listed.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize, shorten_text

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its first half
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SAMPLE_BYTES = 4000
_REMEDY = 'Save it again as UTF-8; in a spreadsheet program, as "CSV UTF-8".'
_NOT_WINDOWS_1252 = re.compile(
    rb"[\x81\x8a\x8c-\x90\x9a\x9c-\x9f]"  # letters of Mac Roman and Windows-1250
    rb"|[A-Za-z][\x80-\x91\x93-\x9f][A-Za-z]"  # signs inside a word, other than the apostrophe
    rb"|(?<=[A-Za-z])[\xa3\xa5\xaf\xb3\xb9\xbc\xbe\xbf]|[\xa3\xa5\xaf\xb3\xb9\xbc\xbe\xbf](?=[A-Za-z])"  # Polish
    rb"|[\xc0-\xff]{3}"  # a word of another alphabet
)
_MAX_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class DecodedText:
    """A text, and what a person should check because its encoding is not certain."""

    text: str
    warnings: tuple[str, ...] = ()


def decode_text(raw: bytes) -> DecodedText:
    """Return the text of a file.

    Raises:
        InvalidInputError: if its encoding is not known, with the remedy.
    """
    encoding = find_encoding(raw)
    if encoding is None:
        return _decode_windows_1252(raw)
    try:
        return DecodedText(text=raw.decode(encoding).removeprefix("\ufeff"))
    except UnicodeDecodeError:
        raise InvalidInputError(f"The file is not valid {encoding.upper()} text. {_REMEDY}") from None


def find_encoding(raw: bytes) -> str | None:
    """Return the Unicode encoding of a text, or None if it is in none."""
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return encoding
    if utf_16 := _find_utf_16(raw[:_SAMPLE_BYTES]):
        return utf_16
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _find_utf_16(sample: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark: in most languages every other byte is zero or nearly so."""
    pairs = len(sample) // 2
    if pairs < 2:
        return None
    first, second = sample[0 : 2 * pairs : 2].count(0), sample[1 : 2 * pairs : 2].count(0)
    if max(first, second) < pairs / 3 or min(first, second) > pairs / 10:
        return None
    return "utf-16-be" if first > second else "utf-16-le"


def _decode_windows_1252(raw: bytes) -> DecodedText:
    if _NOT_WINDOWS_1252.search(raw):
        raise InvalidInputError(
            f"The encoding of the file is not known: it is neither Unicode nor Windows-1252. {_REMEDY}"
        )
    text = raw.decode("cp1252")
    changed = [(number, line) for number, line in enumerate(text.splitlines(), 1) if not line.isascii()]
    listed = [f"line {number}: {shorten_text(line)}" for number, line in changed[:_MAX_LISTED]]
    more = [f"and {len(changed) - _MAX_LISTED} more lines"] if len(changed) > _MAX_LISTED else []
    head = (
        f"The file is not Unicode and was read as Windows-1252. Check the letters of {pluralize(len(changed), 'line')}."
    )
    return DecodedText(text=text, warnings=(head, *listed, *more))
