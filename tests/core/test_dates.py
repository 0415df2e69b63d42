"""Dates that people and programs give have one form, in a request, a file, an option and a command."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

from gmail_warmup.core.option_types import DATE_RULE, parse_date
from gmail_warmup.core.settings import Settings
from gmail_warmup.mailboxes.pause_end import parse_end_of_pause
from gmail_warmup.mailboxes.validation import DATE

OTHER_FORMS = [
    "2026-13-01",
    "2026-12-32",
    "20261224",
    "2026-W52-4",
    "24.12.2026",
    "2026-12-24T00:00",
    "1798761600",
    "-",
]


def test_a_date_has_one_form():
    assert parse_date("2026-12-24") == date(2026, 12, 24)


@pytest.mark.parametrize("text", OTHER_FORMS)
def test_another_form_is_refused_with_the_rule_wherever_it_is_given(text: str):
    for parse in (parse_date, parse_end_of_pause):
        with pytest.raises(ValueError, match=DATE_RULE):
            parse(text)
    with pytest.raises(ValidationError, match=DATE_RULE):
        TypeAdapter(Annotated[date, DATE]).validate_python(text)
    with pytest.raises(ValidationError, match="must list dates as YYYY-MM-DD"):
        Settings(days_off=text)
