"""Find words in capitals, in every script that distinguishes capital and small letters."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator

MAX_CAPITALS_IN_A_ROW = 8
"""Abbreviations have fewer capital letters, also two of them side by side."""
MAX_WORDS_OF_CAPITAL_LINE = 2
"""Spam filters count subjects without any small letter; one or two abbreviations may be a subject."""

_JOINERS = frozenset("'\u2019\u02bc-\u2010\u2011")
"""Apostrophes and hyphens."""
_IN_WORDS = frozenset(("Lu", "Ll", "Lt", "Mn", "Mc", "Me"))
"""Categories of the letters with case, and of marks."""
_CHEROKEE = range(0x13A0, 0x13F6)
"""Ordinary text in Cherokee is written in letters that Unicode classifies as capitals."""


def find_capitals(text: str) -> str | None:
    """Return the first words in capitals that are more than abbreviations, or None.

    These are successive words without a small letter that have more than `MAX_CAPITALS_IN_A_ROW` capital letters
    together, or more than `MAX_WORDS_OF_CAPITAL_LINE` such words on a line without any small letter. Only spaces,
    apostrophes and hyphens may separate them, so a list of abbreviations with commas is not found, and letters without
    case, such as those of Chinese or Arabic, end a series. A letter without a capital, such as the German eszett,
    counts as neither.
    """
    for line in text.splitlines():
        max_words = math.inf if any(map(_is_small, line)) else MAX_WORDS_OF_CAPITAL_LINE
        for run in _find_runs(_split_words(line)):
            words = sum(any(map(_is_capital, word)) for word in run.split())
            if words > max_words or sum(map(_is_capital, run)) > MAX_CAPITALS_IN_A_ROW:
                return run.strip()
    return None


def _find_runs(words: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield each series of successive words without a small letter."""
    run = ""
    for word, separator in words:
        if any(map(_is_small, word)):
            yield run
            run = ""
        else:
            run += word + separator
        if not all(char.isspace() or char in _JOINERS for char in separator):
            yield run
            run = ""
    yield run


def _split_words(line: str) -> Iterator[tuple[str, str]]:
    """Yield each word of letters with case, with the characters up to the next word."""
    word, separator = "", ""
    for char in line:
        is_in_word = unicodedata.category(char) in _IN_WORDS
        if is_in_word and separator:
            yield word, separator
            word, separator = "", ""
        if is_in_word:
            word += char
        else:
            separator += char
    yield word, separator


def _is_capital(char: str) -> bool:
    return char.isupper() and unicodedata.category(char) == "Lu" and ord(char) not in _CHEROKEE


def _is_small(char: str) -> bool:
    # "ß" and letters like it have no capital of one letter: they occur in words in capitals.
    return char.islower() and unicodedata.category(char) == "Ll" and len(char.upper()) == 1
