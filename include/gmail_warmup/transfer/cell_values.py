"""Values as people and spreadsheet programs write them: ``Warmup``, ``80%``, ``0.8``, ``1 000``.

A value is converted where it has one meaning; one with two is refused with the forms that have one. Anything else is
returned as it is, so that the validation of the settings names the rule.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

_WORDS = ("kind", "auth", "ramp")
_RATES = ("open_rate", "reply_rate", "rescue_rate", "important_rate", "star_rate", "maintenance_percent")
_NUMBERS = ("daily_target", "ramp_start", "ramp_step", "ramp_cap", *_RATES)
_MARKED_AS_TEXT = "'"
_SPACES = "\u0020\u00a0\u2009\u202f"
_GROUPED = re.compile(
    rf"(\d{{1,3}}(?:[{_SPACES}'\u2019]\d{{3}})+)(?:[.,]0+)?|(\d{{1,3}}(?:,\d{{3}})+)\.0+|(\d{{1,3}}(?:\.\d{{3}})+),0+"
)
"""Groups of three digits with a separator that cannot be a decimal one."""
_NUMBER = re.compile(r"(\d*)(?:([.,])(\d+))?")
_TRUE = frozenset(
    ("true", "t", "yes", "y", "on", "1", "x", "ja", "wahr", "oui", "vrai", "si", "sí", "verdadero", "sim")
)
_FALSE = frozenset(("false", "f", "no", "n", "off", "0", "nein", "falsch", "non", "faux", "falso", "não", "nao"))


def normalize_value(name: str, value: Any) -> Any:
    """Return the value of a setting in the form that the settings have.

    Raises:
        ValueError: if it has two meanings, with the forms that have one.
    """
    if isinstance(value, float | Decimal):
        return _normalize_float(name, value)
    if not isinstance(value, str):
        return value
    trimmed = value.strip()
    if name in _WORDS:
        return trimmed.removeprefix(_MARKED_AS_TEXT).strip().lower()
    if name == "timezone":
        return trimmed.removeprefix(_MARKED_AS_TEXT).strip()
    return _normalize_number(name, trimmed.removeprefix(_MARKED_AS_TEXT), value) if name in _NUMBERS else value


def parse_flag(value: Any) -> bool | None:
    """Return whether a value means yes, as a database or a spreadsheet program writes it; None if it is not known."""
    if isinstance(value, bool | int | float | Decimal):
        return bool(value)
    text = str(value).strip().lower()
    return True if text in _TRUE else False if text in _FALSE else None


def _normalize_float(name: str, value: float | Decimal) -> Any:
    """Return a number of a database or a workbook; a share up to 1 is a percentage."""
    if not math.isfinite(value):
        return value
    if name in _RATES and 0 < value <= 1:
        return round(value * 100)
    return int(value) if value == int(value) else value


def _normalize_number(name: str, text: str, given: str) -> Any:
    percent = text.endswith("%") and name in _RATES
    bare = text.removesuffix("%").strip() if percent else text
    if grouped := _GROUPED.fullmatch(bare):
        return int("".join(char for char in grouped[grouped.lastindex or 0] if char.isdecimal()))
    found = _NUMBER.fullmatch(bare)
    if not found or not found[2]:
        return bare if found and bare and bare != given else given
    whole, separator, decimals = found.groups()
    as_decimal = _to_whole(name, f"{whole or 0}.{decimals}", percent=percent)
    as_groups = int(whole + decimals) if len(decimals) == 3 and whole.strip("0") and not percent else None
    if as_decimal is not None and as_groups is not None:
        raise ValueError(f"can mean {as_decimal} or {as_groups}; write it without '{separator}'")
    if name in _RATES and not percent and float(f"{whole or 0}.{decimals}") == 1:
        raise ValueError("can mean 1 or 100 per cent; write 1% or 100%")
    return as_decimal if as_decimal is not None else as_groups if as_groups is not None else given


def _to_whole(name: str, text: str, *, percent: bool) -> int | None:
    """Return a decimal number as the whole number that it is; a share between 0 and 1 is a percentage."""
    number = Decimal(text)
    if name in _RATES and not percent and 0 < number < 1:
        number *= 100
    return int(number) if number == int(number) else None
