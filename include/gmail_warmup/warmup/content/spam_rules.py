"""Rules for the text of warmup mails: no links, capitals, placeholders, marker words or sales talk, and a limit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SUBJECT_LENGTH = 100
MAX_TEXT_LENGTH = 2000


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


_RULES = (
    _compile_rule(
        "a link or an address",
        "Remove it: spam filters count links.",
        r"\w+://",
        r"\bwww\.",
        r"\b(?:href|src)\s*=",
        r"\bmailto:",
        r"\S@\S",
        r"\b[\w-]+\.(?:com|net|org|io|co|de|uk|eu|info|biz)\b",
    ),
    _compile_rule(
        "a leftover placeholder",
        "Replace it with text, or use one of the placeholders in braces.",
        r"[{}]",
        r"\[\w[\w ]*\]",
        r"<<|>>",
        r"\$\w",
        r"%\w+%|%[sd]\b",
        r"\b(?:TODO|XXX+|lorem ipsum)\b",
    ),
    _compile_rule("markup", "Write plain text; the HTML part is made from it.", r"</?[a-z!][^<>]*>"),
    _compile_rule(
        "shouting",
        "Use lower case and a single punctuation mark.",
        r"[!?]\s*!",
        r"\b(?-i:[A-Z]{5,})\b",
        r"\b(?-i:[A-Z]{2,}\s+[A-Z]{2,})\b",
    ),
    _compile_rule(
        "a marker word",
        "Remove it: it distinguishes the mail from everyday mail.",
        r"\bwarm(?:ing|ed|s)?[\s_-]?up",
        r"\bdeliverability\b",
        r"\b(?=\w*\d)(?=\w*[a-z])\w{8,}\b",  # letters and digits in one word, the marker of other services
    ),
    _compile_rule(
        "sales talk",
        "Write as you would to a colleague.",
        r"[$€£]\s?\d",
        r"\d\s?%",
        r"\b(?:discount|special offer|(?:buy|order|act|call|apply) now|click|unsubscribe|guaranteed?)\b",
        r"\b(?:limited time|money back|risk[- ]free|no obligation|winner|promotion|congratulations)\b",
        r"\b(?:casino|lottery|viagra|crypto|bitcoin|loan|refinance|lowest price|(?:make|earn) (?:money|cash))\b",
    ),
)


def find_violations(text: str) -> Iterator[RuleViolation]:
    """Yield the rules that a text violates."""
    for rule in _RULES:
        if match := rule.pattern.search(text):
            yield RuleViolation(rule=f"contains {rule.name} ({match[0].strip()!r})", remedy=rule.remedy)


def check_subject(subject: str) -> Iterator[RuleViolation]:
    """Yield the rules that a subject violates."""
    yield from _check_length(subject, MAX_SUBJECT_LENGTH)
    yield from find_violations(subject)


def check_text(text: str) -> Iterator[RuleViolation]:
    """Yield the rules that the text of a mail violates."""
    yield from _check_length(text, MAX_TEXT_LENGTH)
    yield from find_violations(text)


def _check_length(text: str, max_length: int) -> Iterator[RuleViolation]:
    if not text.strip():
        yield RuleViolation(rule="is empty", remedy="Write some text.")
    if len(text) > max_length:
        yield RuleViolation(rule=f"is too long ({len(text)} characters)", remedy=f"Use up to {max_length} characters.")
