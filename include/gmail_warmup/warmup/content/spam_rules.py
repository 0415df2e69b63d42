"""Rules for the text of warmup mails: no links, capitals, placeholders, marker words or sales talk, and a limit.

The rules for letters, signs and lengths hold for every script; the lists of words are English.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from gmail_warmup.core.characters import is_invisible
from gmail_warmup.warmup.content.letter_case import find_capitals

MAX_SUBJECT_LENGTH = 100
MAX_TEXT_LENGTH = 2000

_CAPITALS_REMEDY = "Use lower case and a single punctuation mark."


@dataclass(frozen=True, kw_only=True)
class RuleViolation:
    """A violated rule, and what to do about it."""

    rule: str
    remedy: str

    def __str__(self) -> str:
        """Return rule and remedy in one line."""
        return f"{self.rule}. {self.remedy}"


@dataclass(frozen=True, kw_only=True)
class _Rule:
    name: str
    remedy: str
    pattern: re.Pattern[str]


def _compile_rule(name: str, remedy: str, *patterns: str) -> _Rule:
    return _Rule(name=name, remedy=remedy, pattern=re.compile("|".join(patterns), re.I))


# `\b` finds no boundary between a Latin word and a script without spaces, so words are delimited by Latin letters.
_LATIN = r"a-z0-9_\u00c0-\u024f\u1e00-\u1eff"
_BEGIN, _END = f"(?<![{_LATIN}])", f"(?![{_LATIN}])"
_CURRENCY = "$€£¥₽₺₹₩₪₴₫฿\uffe5"
_PER_CENT = r"%\uff05\u066a"
_RULES = (
    _compile_rule(
        "a link or an address",
        "Remove it: spam filters count links.",
        r"\w+://",
        rf"{_BEGIN}www\.",
        rf"{_BEGIN}(?:href|src)\s*=",
        rf"{_BEGIN}mailto:",
        r"\S[@\uff20]\S",
        rf"[\w-]{{1,63}}\.(?:com|net|org|io|co|de|uk|eu|info|biz){_END}",
    ),
    _compile_rule(
        "a leftover placeholder",
        "Replace it with text, or use one of the placeholders in braces.",
        r"[{}]",
        r"\[\w[\w ]*\]",
        r"<<|>>",
        r"\$\w",
        r"%\w+%|%[sd]\b",
        rf"{_BEGIN}(?:(?-i:TODO|XXX+)|lorem ipsum){_END}",  # "todo" is a Spanish word
    ),
    _compile_rule("markup", "Write plain text; the HTML part is made from it.", r"</?[a-z!][^<>]*>"),
    _compile_rule("shouting", _CAPITALS_REMEDY, r"[!?\uff01\uff1f\u061f]\s*[!\uff01]", r"[\u203c\u2049]|¡\s*¡"),
    _compile_rule(
        "a marker word",
        "Remove it: it distinguishes the mail from everyday mail.",
        rf"{_BEGIN}warm(?:ing|ed|s)?[\s_-]?up",
        rf"{_BEGIN}deliverability{_END}",
        # letters and digits in one word, the marker of other services
        rf"{_BEGIN}(?=[{_LATIN}]*\d)(?=[{_LATIN}]*[a-z])[{_LATIN}]{{8,}}",
    ),
    _compile_rule(
        "sales talk",
        "Write as you would to a colleague.",
        rf"[{_CURRENCY}]\s?\d|\d\s?[{_CURRENCY}]",
        rf"\d\s?[{_PER_CENT}]|[{_PER_CENT}]\s?\d",
        rf"{_BEGIN}(?:discount|special offer|(?:buy|order|act|call|apply) now|click|unsubscribe|guaranteed?){_END}",
        rf"{_BEGIN}(?:limited time|money back|risk[- ]free|no obligation|winner|promotion|congratulations){_END}",
        rf"{_BEGIN}(?:casino|lottery|viagra|crypto|bitcoin|loan|refinance|lowest price){_END}",
        rf"{_BEGIN}(?:make|earn) (?:money|cash){_END}",
    ),
)


def normalize_text(text: str) -> str:
    """Return a text with composed letters (NFC), so that a letter and its accent count as one character."""
    return unicodedata.normalize("NFC", text)


def count_characters(text: str) -> int:
    """Return the length of a text in characters as a reader counts them.

    Accents that cannot be composed, vowel signs, the modifiers of emoji and invisible format characters add nothing;
    emoji that are joined to one count once.
    """
    joined = re.sub("\u200d.", "", normalize_text(text))
    return sum(unicodedata.category(char)[0] != "M" and not _is_modifier(char) for char in joined)


def is_blank(text: str) -> bool:
    """Return whether a reader sees nothing of a text, as with a no-break space or a zero-width character."""
    return all(map(is_invisible, text))


def find_violations(text: str) -> Iterator[RuleViolation]:
    """Yield the rules that a text violates."""
    visible = "".join(char for char in normalize_text(text) if unicodedata.category(char) != "Cf")
    if capitals := find_capitals(visible):
        yield RuleViolation(rule=f"contains shouting ({capitals!r})", remedy=_CAPITALS_REMEDY)
    for rule in _RULES:
        if match := rule.pattern.search(visible):
            yield RuleViolation(rule=f"contains {rule.name} ({match[0].strip()!r})", remedy=rule.remedy)


def check_subject(subject: str) -> Iterator[RuleViolation]:
    """Yield the rules that a subject violates."""
    yield from check_length(subject, MAX_SUBJECT_LENGTH)
    yield from find_violations(subject)


def check_text(text: str) -> Iterator[RuleViolation]:
    """Yield the rules that the text of a mail violates."""
    yield from check_length(text, MAX_TEXT_LENGTH)
    yield from find_violations(text)


def check_length(text: str, max_length: int) -> Iterator[RuleViolation]:
    """Yield the violated rule if a text is empty or too long."""
    if is_blank(text):
        yield RuleViolation(rule="is empty", remedy="Write some text.")
    if (length := count_characters(text)) > max_length:
        yield RuleViolation(rule=f"is too long ({length} characters)", remedy=f"Use up to {max_length} characters.")


def _is_modifier(char: str) -> bool:
    return unicodedata.category(char) == "Cf" or "\U0001f3fb" <= char <= "\U0001f3ff"
