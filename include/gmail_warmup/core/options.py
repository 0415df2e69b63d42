"""Validate raw options, accept former names, and describe the options to Airflow."""

from __future__ import annotations

import logging
from typing import Any

from pydantic import ValidationError

from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.core.settings import Settings

log = logging.getLogger(__name__)

RENAMED_OPTIONS = {
    "maintenance": "maintenance_percent",
    "pair_daily_cap": "partner_daily_cap",
    "tasks_at_once": "max_active_tasks",
    "label": "gmail_label",
}
"""Former names of options, old to new; still read in 0.2, with a warning."""


def parse_schedule(value: str) -> str | None:
    """Return a schedule in the form that Airflow expects."""
    return None if value.strip().lower() == "none" else value


def accept_former_names(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options under their current names; warn about each former name that is still set.

    The value of a former name is used only if the current one is unset or has its default, which Airflow reports for an
    unset option.
    """
    accepted = dict(options)
    for former, present in RENAMED_OPTIONS.items():
        if former not in accepted:
            continue
        value = accepted.pop(former)
        log.warning(
            "AIRFLOW__GMAIL_WARMUP__%s is now AIRFLOW__GMAIL_WARMUP__%s; the former name is read until version 0.3",
            former.upper(), present.upper(),
        )  # fmt: skip
        default = Settings.model_fields[present].default
        if str(accepted.get(present, default)) == str(default):
            accepted[present] = value
    return accepted


def validate_settings(options: dict[str, Any]) -> Settings:
    """Validate raw options.

    Raises:
        ConfigurationError: names each invalid option, its rule and its environment variable.
    """
    try:
        return Settings.model_validate(accept_former_names(options))
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = ".".join(str(part) for part in problem["loc"])
            variable = f"AIRFLOW__GMAIL_WARMUP__{name.upper()}" if name else "[gmail_warmup]"
            given = f" (it is {problem['input']!r})" if name and problem["type"] != "extra_forbidden" else ""
            lines.append(f"{variable}: {problem['msg']}{given}")
        raise ConfigurationError("Wrong setting. " + "; ".join(lines)) from None


def build_provider_options() -> dict[str, dict[str, Any]]:
    """Return the options in the form of Airflow's provider information."""
    kinds = {"integer": "integer", "number": "float", "string": "string", "boolean": "boolean"}
    options = {}
    for name, schema in Settings.model_json_schema()["properties"].items():
        options[name] = {
            # `airflow config list` does not show the defaults of a provider, so the description contains them.
            "description": f"{schema['description']} Default: {schema['default']}.",
            "version_added": "0.1.0",
            "type": kinds[schema["type"]],
            "example": None,
            "default": str(schema["default"]),
        }
    return options
