"""Types of options that are texts with a syntax of their own, and the parsers of these and of dates."""

from __future__ import annotations

import re
from datetime import date
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator

from gmail_warmup.core.text import shorten_text

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DOMAIN = re.compile(r"^(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]*[a-z][a-z0-9-]*$")
_CONN_ID = re.compile(r"^[\w.#!:/()-]{1,200}$")
_MAX_CONNECTIONS = 20
_SENDER = re.compile(r"^(?:[A-Za-z0-9_.:-]{1,250}|[^@\s]{1,64}@[^@\s]{1,253})$")
"""An id of a Connection, or something like an address."""
_TIME_RANGE = re.compile(r"([0-9]{2}):([0-9]{2})-([0-9]{2}):([0-9]{2})")
_LANGUAGE_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8}){0,3}")
NO_DAYS = "none"
"""Says of holidays or days off that there are none, where an empty text takes the value of a wider scope."""
_MAX_DATES = 100
DATE_RULE = "must be a date as YYYY-MM-DD, for example 2026-12-24"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def parse_time_range(value: str) -> tuple[int, int]:
    """Return start and end of a range HH:MM-HH:MM in minutes of the day.

    Raises:
        ValueError: if the text has another form.
    """
    match = _TIME_RANGE.fullmatch(value)
    if not match:
        raise ValueError("must read HH:MM-HH:MM, for example 09:00-18:00")
    return int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])


def parse_name_servers(value: str) -> list[tuple[str, int]]:
    """Return address and port of a list of name servers.

    Raises:
        ValueError: if one of them is not an IP address with an optional port.
    """
    servers = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        host, _, port = part.partition(":") if part.count(":") == 1 else (part, "", "53")
        servers.append((str(ip_address(host)), int(port)))
    return servers


def parse_domains(value: str) -> frozenset[str]:
    """Return the domains of a list.

    Raises:
        ValueError: if one of them is not a domain.
    """
    domains = frozenset(filter(None, (part.strip().lower() for part in value.split(","))))
    if not all(_DOMAIN.match(domain) for domain in domains):
        raise ValueError("must list domains, for example example.com, example.org")
    return domains


def parse_holidays(value: str) -> list[tuple[str, str | None]]:
    """Return countries and subdivisions of a list such as ``DE-BY,FR``; empty for ``none``."""
    codes = [] if value == NO_DAYS else [part for part in value.split(",") if part]
    return [(code.partition("-")[0], code.partition("-")[2] or None) for code in codes]


def parse_date(text: str) -> date:
    """Return a date. ``date.fromisoformat`` also takes other forms of ISO 8601, such as ``2026-W52-4``.

    Raises:
        ValueError: with the rule, if it is anything else.
    """
    try:
        if _DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError(DATE_RULE)


def parse_days_off(value: str) -> frozenset[date]:
    """Return the dates of a list; none for ``none``.

    Raises:
        ValueError: if one of them is not a date.
    """
    texts = [] if value == NO_DAYS else [part.strip() for part in value.split(",")]
    return frozenset(parse_date(text) for text in texts if text)


def _check_sending_window(value: str) -> str:
    start, end = parse_time_range(value)
    if not _has_valid_minutes(value) or not 0 <= start < end <= 24 * 60:
        raise ValueError("must start before it ends, within 00:00-24:00")
    return value


def _check_night_pause(value: str) -> str:
    if value == "none":
        return value
    match = _TIME_RANGE.fullmatch(value)
    if not match or int(match[1]) > 23 or int(match[3]) > 23 or not _has_valid_minutes(value):
        raise ValueError("must read HH:MM-HH:MM within 00:00-23:59, for example 23:00-07:00, or none")
    if value[:5] == value[6:]:
        raise ValueError("must not end when it starts; write none for no pause")
    return value


def _has_valid_minutes(value: str) -> bool:
    return int(value[3:5]) <= 59 and int(value[9:11]) <= 59


def _normalize_days(value: str) -> str:
    days = {day.strip().lower() for day in value.split(",")}
    if not days <= set(DAY_NAMES):
        raise ValueError(f"must list days out of {', '.join(DAY_NAMES)}")
    return ",".join(day for day in DAY_NAMES if day in days)


def _normalize_holidays(value: str) -> str:
    codes = {code.strip().upper() for code in value.split(",") if code.strip()}
    if codes == {NO_DAYS.upper()}:
        return NO_DAYS
    return ",".join(sorted(map(_normalize_region, codes)))


def _normalize_region(code: str) -> str:
    """Return the code of a country, or of a country and a subdivision of it, as the library knows it."""
    from holidays import list_supported_countries  # takes a while; the preload does it before tasks are forked

    regions = list_supported_countries(include_aliases=False)
    country, dash, given = code.partition("-")
    if country not in regions:
        raise ValueError(f"must list countries by ISO code, such as DE or DE-BY; '{shorten_text(code)}' is not known")
    if not dash:
        return country
    found = next((subdivision for subdivision in regions[country] if subdivision.upper() == given), None)
    if found is None:
        known = ", ".join(regions[country]) or "none"
        raise ValueError(f"contains '{shorten_text(code)}', but the subdivisions of {country} are: {known}")
    return f"{country}-{found}"


def _normalize_days_off(value: str) -> str:
    if value.strip().lower() == NO_DAYS:
        return NO_DAYS
    try:
        days = sorted(parse_days_off(value))
    except ValueError:
        raise ValueError("must list dates as YYYY-MM-DD, for example 2026-12-24,2026-12-31") from None
    if len(days) > _MAX_DATES:
        raise ValueError(f"must list at most {_MAX_DATES} dates; it lists {len(days)}")
    return ",".join(day.isoformat() for day in days)


def _normalize_language(value: str) -> str:
    tag = value.replace("_", "-").lower()
    if tag and not _LANGUAGE_TAG.fullmatch(tag):
        raise ValueError("must be a language tag such as 'de' or 'pt-br' (BCP 47)")
    return tag


def _check_name_servers(value: str) -> str:
    try:
        parse_name_servers(value)
    except ValueError:
        raise ValueError("must list IP addresses, for example 192.0.2.53 or 192.0.2.53:5353") from None
    return value


def _check_owner_mail_sender(value: str) -> str:
    if value and not _SENDER.match(value):
        raise ValueError("must name an Airflow Connection, for example smtp_default, or a mailbox by its address")
    return value


def _check_domains(value: str) -> str:
    return ",".join(sorted(parse_domains(value)))


def _normalize_connection_ids(value: str) -> str:
    ids = list(dict.fromkeys(filter(None, (part.strip() for part in value.split(",")))))
    if len(ids) > _MAX_CONNECTIONS or not all(_CONN_ID.match(conn_id) for conn_id in ids):
        raise ValueError(f"must list at most {_MAX_CONNECTIONS} ids of Airflow Connections, separated by commas")
    return ",".join(ids)


_WEEKLY_TIME = re.compile(r"(?P<day>[a-z]{3}) ([01][0-9]|2[0-3]):[0-5][0-9]")
_SCOPE = re.compile(r"fleet|(domain|tag):[^,]{1,255}")
_MAX_SCOPES = 50


def _check_weekly_time(value: str) -> str:
    found = _WEEKLY_TIME.fullmatch(normal := " ".join(value.lower().split()))
    if normal != "none" and (found is None or found["day"] not in DAY_NAMES):
        raise ValueError(f"must be a day out of {', '.join(DAY_NAMES)} and a time, for example mon 08:00, or none")
    return normal


def _check_report_scopes(value: str) -> str:
    scopes = [part.strip() for part in value.split(",")]
    if not all(map(_SCOPE.fullmatch, scopes)) or len(scopes) > _MAX_SCOPES:
        raise ValueError(f"must list at most {_MAX_SCOPES} of fleet, domain:NAME and tag:NAME, separated by commas")
    return ",".join(dict.fromkeys(scopes))


SendingWindow = Annotated[str, AfterValidator(_check_sending_window)]
NightPause = Annotated[str, AfterValidator(_check_night_pause)]
SendingDays = Annotated[str, AfterValidator(_normalize_days)]
NameServers = Annotated[str, AfterValidator(_check_name_servers)]
OwnerMailSender = Annotated[str, AfterValidator(_check_owner_mail_sender)]
DomainNames = Annotated[str, AfterValidator(_check_domains)]
ConnectionIds = Annotated[str, AfterValidator(_normalize_connection_ids)]
WeeklyTime = Annotated[str, AfterValidator(_check_weekly_time)]
ReportScopes = Annotated[str, AfterValidator(_check_report_scopes)]
Holidays = Annotated[str, AfterValidator(_normalize_holidays)]
DaysOff = Annotated[str, AfterValidator(_normalize_days_off)]
LanguageTag = Annotated[str, AfterValidator(_normalize_language)]
