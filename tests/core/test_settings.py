"""Options under their former names are read for one release, with a warning that names the present one."""

from __future__ import annotations

import pytest

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.options import RENAMED_OPTIONS, validate_settings
from gmail_warmup.core.settings import Settings

VALUES = {"maintenance": "60", "pair_daily_cap": "7", "tasks_at_once": "9", "label": "Warm"}


@pytest.mark.parametrize(("former", "present"), RENAMED_OPTIONS.items())
def test_a_former_name_is_read_with_a_warning(former: str, present: str, caplog: pytest.LogCaptureFixture):
    default = str(Settings.model_fields[present].default)
    settings = validate_settings({former: VALUES[former], present: default})
    assert str(getattr(settings, present)) == VALUES[former]
    assert f"AIRFLOW__GMAIL_WARMUP__{former.upper()} is now AIRFLOW__GMAIL_WARMUP__{present.upper()}" in caplog.text


def test_the_present_name_wins_over_the_former_one():
    assert validate_settings({"pair_daily_cap": "7", "partner_daily_cap": "4"}).partner_daily_cap == 4


def test_a_wrong_value_under_a_former_name_is_refused_under_the_present_one():
    with pytest.raises(ConfigurationError, match="AIRFLOW__GMAIL_WARMUP__PARTNER_DAILY_CAP"):
        validate_settings({"pair_daily_cap": "none"})
