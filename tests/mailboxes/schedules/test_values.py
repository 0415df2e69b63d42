"""What a value of a schedule, or another setting, may be."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES, ScheduleValues
from gmail_warmup.transfer import parser

MODELS = [(ScheduleValues, {}), (MailboxSettings, {"kind": "pool"}), (MailboxChanges, {"kind": "pool"})]
NUMBERS = [name for name, field in ScheduleValues.model_fields.items() if field.annotation == int | None]


@pytest.mark.parametrize("flag", [True, False])
@pytest.mark.parametrize(("model", "others"), MODELS)
def test_true_is_no_number_and_no_text(model: type[BaseModel], others: dict[str, str], flag: bool):
    assert len(NUMBERS) > 5
    for name in model.model_fields:
        with pytest.raises(ValidationError):
            model.model_validate(others | {name: flag})


@pytest.mark.parametrize("name", ["daily_target", *NUMBERS])
def test_true_in_a_file_is_named_with_the_range(name: str):
    with pytest.raises(InvalidInputError, match=rf"{name}: must be a whole number from \d+ to \d+ .given: True"):
        parser.parse_rows([{"address": "ada@pool.example", "kind": "pool", name: True}])


@pytest.mark.parametrize("text", ["", " ", "\n"])
@pytest.mark.parametrize("name", SCHEDULE_NAMES)
def test_an_empty_value_is_not_set(name: str, text: str):
    assert ScheduleValues.model_validate({name: text}).set_values == {}


@pytest.mark.parametrize("text", [",", " , ", ",,"])
@pytest.mark.parametrize("name", ["holidays", "days_off"])
def test_a_list_of_separators_is_not_set(name: str, text: str):
    assert ScheduleValues.model_validate({name: text}).set_values == {}
    assert MailboxSettings.model_validate({"kind": "pool", name: text}).model_dump()[name] is None
