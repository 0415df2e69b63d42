"""Gmail's search query language: the operators that the package and its documentation use; others are rejected.

Braces contain alternatives: ``{from:ann from:bob}`` matches mail from either.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.mime import has_attachment, words
from gmail_sandbox.records import Message

_TERM = re.compile(r'(?P<minus>-)?(?:(?P<operator>[A-Za-z][A-Za-z0-9_]*):)?(?:"(?P<quoted>[^"]*)"|(?P<plain>\S*))')
_ALTERNATIVES = re.compile(r"\{((?:\s*[a-z]+:[^\s{}]+)+)\}")
_SIZE = re.compile(r"^(\d+)([kKmM]?)$")
_SIZE_UNITS = {"": 1, "k": 1024, "m": 1024 * 1024}
_AGE = re.compile(r"^(\d+)([dmy])$")
_DATE = re.compile(r"^(\d{4})[/-](\d{1,2})[/-](\d{1,2})$")
_PACIFIC = timezone(timedelta(hours=-8))  # the API reads dates as midnight PST
_AGE_SECONDS = {"d": 86400, "m": 30 * 86400, "y": 365 * 86400}
_PLACES = {
    "inbox": "INBOX",
    "spam": "SPAM",
    "trash": "TRASH",
    "sent": "SENT",
    "draft": "DRAFT",
    "drafts": "DRAFT",
    "unread": "UNREAD",
    "starred": "STARRED",
    "important": "IMPORTANT",
    "chat": "CHAT",
}
_HIDDEN = frozenset({"SPAM", "TRASH"})

Predicate = Callable[[Message], bool]


class BadQuery(ValueError):
    """The query uses an operator or value that the sandbox does not support."""


@dataclass(slots=True)
class Query:
    """A parsed query; all terms must match."""

    terms: list[Predicate] = field(default_factory=list)
    shows: set[str] = field(default_factory=set)
    rfc_id: str | None = None
    """The Message-ID (without angle brackets) that all matches must have, or None."""

    def matches(self, message: Message) -> bool:
        """Return whether all terms match."""
        return all(term(message) for term in self.terms)

    def hides(self, message: Message) -> bool:
        """Return whether the message is in SPAM or TRASH and the query does not include that label."""
        hidden = message.labels & _HIDDEN
        return bool(hidden) and not hidden & self.shows


def parse(text: str, box: Mailbox, now: float) -> Query:
    """Parse a query for a mailbox; raise BadQuery for an unsupported operator."""
    query = Query()
    for group in _ALTERNATIVES.findall(text):
        query.terms.append(_any_of(parse(group, box, now).terms))
    for match in _TERM.finditer(_ALTERNATIVES.sub(" ", text)):
        if match.end() == match.start():
            continue
        quoted = match["quoted"]
        value = match["plain"] if quoted is None else quoted
        operator = (match["operator"] or "").lower()
        if not operator and quoted is None:
            _refuse_grouping(value)
        if operator == "rfc822msgid" and not match["minus"]:
            query.rfc_id = value.strip("<>")
        term = _term(operator, value, box, now, query.shows if not match["minus"] else set())
        query.terms.append(_negated(term) if match["minus"] else term)
    return query


def _refuse_grouping(value: str) -> None:
    if value in {"OR", "AND", "AROUND", "|"} or value[:1] in {"(", "{", "+"} or value[-1:] in {")", "}"}:
        raise BadQuery(f"Unsupported search operator: {value}")


def _any_of(terms: list[Predicate]) -> Predicate:
    return lambda message: any(term(message) for term in terms)


def _negated(term: Predicate) -> Predicate:
    return lambda message: not term(message)


def _term(operator: str, value: str, box: Mailbox, now: float, shows: set[str]) -> Predicate:
    if operator and not value:
        raise BadQuery(f"Search operator without a value: {operator}:")
    match operator:
        case "":
            phrase = words(value)
            return lambda m: phrase in m.content.words_of("subject") or phrase in m.content.words_of("text")
        case "in" if value.lower() == "anywhere":
            shows |= _HIDDEN
            return lambda m: True
        case "in" | "label":
            return _label(value, box, shows)
        case "is":
            return _state(value)
        case "has" if value.lower() == "attachment":
            return lambda m: has_attachment(m.content.raw)
        case "category":
            return _has_label(f"CATEGORY_{'PERSONAL' if value.lower() == 'primary' else value.upper()}")
        case "from":
            return _address(value, "from")
        case "to":
            return _address(value, "to", "cc", "bcc")
        case "subject":
            phrase = words(value)
            return lambda m: phrase in m.content.words_of("subject")
        case "rfc822msgid":
            rfc_id = value.strip("<>")
            return lambda m: m.content.rfc_id.strip("<>") == rfc_id
        case "after" | "newer":
            since = _moment(operator, value)
            return lambda m: m.internal_date >= since * 1000
        case "before" | "older":
            until = _moment(operator, value)
            return lambda m: m.internal_date < until * 1000
        case "smaller":
            limit = _size(value)
            return lambda m: len(m.content.raw) < limit
        case "newer_than":
            youngest = now - _age(operator, value)
            return lambda m: m.internal_date >= youngest * 1000
        case "older_than":
            oldest = now - _age(operator, value)
            return lambda m: m.internal_date < oldest * 1000
    raise BadQuery(f"Unsupported search operator: {operator}:")


def _has_label(label_id: str) -> Predicate:
    return lambda message: label_id in message.labels


def _label(value: str, box: Mailbox, shows: set[str]) -> Predicate:
    place = _PLACES.get(value.lower()) or (value.upper() if box.label(value.upper()) else None)
    if place is not None:
        shows |= {place} & _HIDDEN
        return _has_label(place)
    label_name = _dashed(value)
    ids = {label.id for label in box.labels.values() if _dashed(label.name) == label_name}
    return lambda message: bool(ids & message.labels)


def _dashed(name: str) -> str:
    return re.sub(r"[\s/]+", "-", name.strip().lower())


def _state(value: str) -> Predicate:
    match value.lower():
        case "read":
            return lambda message: "UNREAD" not in message.labels
        case "unread" | "important" | "starred" as label:
            return _has_label(label.upper())
    raise BadQuery(f"Unsupported search operator: is:{value}")


def _address(value: str, *headers: str) -> Predicate:
    # A complete address must match exactly; a partial address or a name matches by words.
    if "@" in value and not value.startswith("@"):
        address = value.lower()
        return lambda message: address in message.content.addresses(*headers)
    phrase = words(value)
    return lambda message: any(phrase in message.content.words_of(header) for header in headers)


def _moment(operator: str, value: str) -> float:
    if value.isdigit():
        return float(value)
    match = _DATE.match(value)
    try:
        return datetime(*map(int, match.groups()), tzinfo=_PACIFIC).timestamp()  # type: ignore[arg-type, union-attr, misc]
    except (AttributeError, ValueError):
        raise BadQuery(f"Unsupported value of search operator {operator}: {value}") from None


def _size(value: str) -> int:
    match = _SIZE.match(value)
    if match is None:
        raise BadQuery(f"Unsupported value of search operator smaller: {value}")
    return int(match[1]) * _SIZE_UNITS[match[2].lower()]


def _age(operator: str, value: str) -> float:
    match = _AGE.match(value.lower())
    if match is None:
        raise BadQuery(f"Unsupported value of search operator {operator}: {value}")
    return int(match[1]) * _AGE_SECONDS[match[2]]
