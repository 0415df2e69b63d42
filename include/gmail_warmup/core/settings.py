"""Settings: the section [gmail_warmup] of Airflow's configuration, checked as one record.

Every field is an option ``AIRFLOW__GMAIL_WARMUP__<NAME>``. The provider's list of options and their defaults is made
from this class, so the two cannot drift apart.
"""

from __future__ import annotations

import logging
import re
from datetime import time
from ipaddress import ip_address
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gmail_warmup.core.errors import ConfigurationError

log = logging.getLogger(__name__)

SECTION = "gmail_warmup"

RENAMED_OPTIONS = {
    "maintenance": "maintenance_percent",
    "pair_daily_cap": "partner_daily_cap",
    "tasks_at_once": "max_active_tasks",
    "label": "gmail_label",
}
"""Former names of options, old to new; still read in 0.2, with a warning."""

DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME_RANGE = re.compile(r"^(\d{2}):(\d{2})-(\d{2}):(\d{2})$")


class Settings(BaseModel):
    """Hold every option of the section, validated."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    db_conn_id: str = Field(
        "gmail_warmup_db", description="Airflow Connection to the database, with the restricted role."
    )
    client_conn_id: str = Field("gmail_oauth_client", description="Airflow Connection that holds the OAuth client.")
    google_conn_id: str = Field(
        "google_cloud_default", description="Airflow Connection of the service account for delegated mailboxes."
    )

    warmup_schedule: str = Field(
        "*/10 * * * *", description="Schedule of the DAG gmail_warmup, as cron; 'none' for none."
    )
    health_schedule: str = Field("@daily", description="Schedule of the DAG gmail_token_health; 'none' for none.")
    max_active_tasks: int = Field(
        32, ge=1, le=10_000, description="Tasks of gmail_warmup that run at once; see docs/capacity.md."
    )

    refresh_margin: int = Field(
        300, ge=230, description="Seconds before its expiry from which an access token is renewed."
    )
    refresh_lease: int = Field(60, ge=10, description="Seconds for which one process may hold the lease of a refresh.")
    connect_timeout: float = Field(5, gt=0, description="Seconds to wait for a connection to Google.")
    read_timeout: float = Field(20, gt=0, description="Seconds to wait for an answer from Google.")

    audit_rate: float = Field(5, gt=0, description="Token requests a second at the start of an audit.")
    audit_concurrency: int = Field(128, ge=1, description="Token requests in flight at most during an audit.")
    audit_shard: int = Field(1000, ge=1, description="Mailboxes in one mapped task of the audit.")
    audit_skip_within: int = Field(
        86400, ge=0, description="Seconds after a successful refresh in which an audit asks Google nothing."
    )
    suspect_delay: int = Field(900, ge=0, description="Seconds until a suspect grant is probed again.")
    expiring_days: int = Field(7, ge=0, description="Days ahead in which a foretold death is reported as expiring.")

    alert_conn_id: str = Field(
        "gmail_warmup_alerts", description="Airflow Connection (type apprise) that alerts go to; may be missing."
    )
    daily_digest: bool = Field(True, description="Whether each daily audit ends with a message that sums it up.")

    dag_tab: bool = Field(
        True, description="Whether DAGs have a tab 'Gmail accounts'; Airflow shows it on all of them or on none."
    )

    consent_minutes: int = Field(15, ge=1, le=60, description="Minutes for which a consent link is valid.")
    invite_days: int = Field(7, ge=1, le=30, description="Days for which the link of an invite is valid.")

    sending_window: str = Field("09:00-18:00", description="Local hours in which mails are sent, HH:MM-HH:MM.")
    sending_days: str = Field("mon,tue,wed,thu,fri", description="Local weekdays on which mails are sent.")
    min_gap: int = Field(240, ge=0, description="Seconds between two mails of one mailbox, at least.")
    run_interval: int = Field(
        600, ge=0, le=3600, description="Seconds between two runs of gmail_warmup; each sends one mail per mailbox."
    )
    ramp: Literal["linear", "phases"] = Field(
        "linear", description="How the volume grows: by ramp_step a day, or in five phases of the mailbox's target."
    )
    ramp_start: int = Field(5, ge=1, description="Mails on the first day of warmup (linear).")
    ramp_step: int = Field(2, ge=0, description="Mails more on each further day with a mail (linear).")
    ramp_cap: int = Field(40, ge=1, description="Mails a day at most, whatever the mailbox's target is (linear).")
    maintenance_percent: int = Field(
        100,
        ge=1,
        le=100,
        description="Per cent of the level reached that is kept up after the ramp, approached by ramp_step a day; "
        "100 stays at that level.",
    )
    consumer_daily_limit: int = Field(
        500, ge=1, description="Mails that a gmail.com mailbox sends in 24 hours at most, other clients included."
    )
    workspace_daily_limit: int = Field(
        2000, ge=1, description="Mails that any other mailbox sends in 24 hours at most, other clients included."
    )
    pool_daily_cap: int = Field(50, ge=1, description="Warmup mails that one pool mailbox receives a day at most.")
    partner_daily_cap: int = Field(
        2, ge=1, description="Warmup mails from one warmup to one pool mailbox a day at most."
    )

    delay_scale: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor on every delay and on the length of the sending window; below 1 only for a demonstration, "
        "which knows no night pause.",
    )
    rescue_rate: int = Field(100, ge=0, le=100, description="Per cent of the warmup mails in spam that are rescued.")
    important_rate: int = Field(20, ge=0, le=100, description="Per cent of the read warmup mails marked important.")
    star_rate: int = Field(0, ge=0, le=100, description="Per cent of the read warmup mails that get a star.")
    night_pause: str = Field(
        "23:00-07:00",
        description="Local hours in which nobody rescues, reads or answers, HH:MM-HH:MM; 'none' for no pause.",
    )
    thread_depth: int = Field(2, ge=2, le=6, description="Mails in a warmup thread at most, its first one included.")
    templates_folder: str = Field(
        "", description="Folder with templates of mails to use in place of the library; see docs/content.md."
    )
    generator_conn_id: str = Field(
        "", description="Airflow Connection of a chat server that writes the texts; empty for none."
    )
    retention_days: int = Field(
        30, ge=0, le=3650, description="Days after which a warmup mail goes to the trash on both sides; 0 keeps it."
    )
    ledger_days: int = Field(
        45, ge=40, le=3650, description="Days after which a mail in which nothing is due leaves the ledger for history."
    )
    history_months: int = Field(
        13,
        ge=0,
        le=240,
        description="Months for which mails, days, events and told alerts are kept; then they are removed for good. "
        "0 keeps them.",
    )
    locate_delay: int = Field(120, ge=0, description="Seconds after sending until the recipient looks for the mail.")
    missing_after: int = Field(
        86400, ge=60, description="Seconds after sending until an unfound mail counts as missing."
    )
    gmail_label: str = Field(
        "Warmup", pattern=r"^[^/]+(/[^/]+)*$", max_length=100, description="Gmail label of warmup mail; '/' nests it."
    )
    token_header: str = Field(
        "X-Warmup-Id", pattern=r"^X-[A-Za-z0-9-]{1,40}$", description="Header that carries a warmup mail's token."
    )
    dns_check: bool = Field(True, description="Whether the records of the sending domains are looked at daily.")
    dns_nameservers: str = Field(
        "", description="Name servers as IP or IPv4:port, separated by commas; empty for the machine's own."
    )
    dns_timeout: float = Field(5, gt=0, le=60, description="Seconds to wait for the answer to one name.")
    dkim_selector: str = Field(
        "google", pattern=r"^[A-Za-z0-9.-]{1,63}$", description="Selector of the DKIM key that Gmail signs with."
    )
    mailbox_lease: int = Field(300, ge=30, description="Seconds for which one task may hold a mailbox.")
    mailbox_wait: float = Field(20, ge=0, description="Seconds that a task waits for a mailbox that another one holds.")

    @field_validator("sending_window")
    @classmethod
    def _check_sending_window(cls, value: str) -> str:
        match = _TIME_RANGE.match(value)
        if not match:
            raise ValueError("must read HH:MM-HH:MM, for example 09:00-18:00")
        start, end = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
        if int(match[2]) > 59 or int(match[4]) > 59 or not 0 <= start < end <= 24 * 60:
            raise ValueError("must start before it ends, within 00:00-24:00")
        return value

    @field_validator("night_pause")
    @classmethod
    def _check_night_pause(cls, value: str) -> str:
        match = _TIME_RANGE.match(value)
        if value == "none":
            return value
        if not match or int(match[1]) > 23 or int(match[3]) > 23 or int(match[2]) > 59 or int(match[4]) > 59:
            raise ValueError("must read HH:MM-HH:MM within 00:00-23:59, for example 23:00-07:00, or none")
        if value[:5] == value[6:]:
            raise ValueError("must not end when it starts; write none for no pause")
        return value

    @field_validator("sending_days")
    @classmethod
    def _normalize_days(cls, value: str) -> str:
        unknown = [day for day in value.split(",") if day.strip().lower() not in DAY_NAMES]
        if unknown:
            raise ValueError(f"must list days out of {', '.join(DAY_NAMES)}")
        return ",".join(day.strip().lower() for day in value.split(","))

    @field_validator("dns_nameservers")
    @classmethod
    def _check_nameservers(cls, value: str) -> str:
        try:
            _parse_name_servers(value)
        except ValueError:
            raise ValueError("must list IP addresses, for example 192.0.2.53 or 192.0.2.53:5353") from None
        return value

    @model_validator(mode="after")
    def _lease_outlives_request(self) -> Settings:
        if self.refresh_lease <= 2 * (self.connect_timeout + self.read_timeout):
            raise ValueError("refresh_lease must be longer than two tries of connect_timeout + read_timeout")
        return self

    @property
    def sending_window_minutes(self) -> tuple[int, int]:
        """Return the sending window as minutes of the local day, (start, end)."""
        match = _TIME_RANGE.match(self.sending_window)
        assert match
        return int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])

    @property
    def night_hours(self) -> tuple[time, time] | None:
        """Return when the night pause begins and ends, or None where there is none."""
        if self.night_pause == "none" or self.delay_scale < 1:
            return None
        return time.fromisoformat(self.night_pause[:5]), time.fromisoformat(self.night_pause[6:])

    @property
    def sending_window_start(self) -> time:
        """Return the local time at which the sending window opens."""
        start, _ = self.sending_window_minutes
        return time(start // 60, start % 60)

    @property
    def name_servers(self) -> list[tuple[str, int]]:
        """Return address and port of the name servers to ask; none for the machine's own."""
        return _parse_name_servers(self.dns_nameservers)

    @property
    def sending_weekdays(self) -> frozenset[int]:
        """Return the sending days as numbers, Monday is 0."""
        return frozenset(DAY_NAMES.index(day) for day in self.sending_days.split(","))


def _parse_name_servers(value: str) -> list[tuple[str, int]]:
    servers = []
    for part in filter(None, (part.strip() for part in value.split(","))):
        host, _, port = part.partition(":") if part.count(":") == 1 else (part, "", "53")
        servers.append((str(ip_address(host)), int(port)))
    return servers


def parse_schedule(value: str) -> str | None:
    """Return a schedule as Airflow takes it."""
    return None if value.strip().lower() == "none" else value


def accept_former_names(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options under their present names; warn about each former name that is still set.

    The former name counts only where the present one is unset or has its default, which is how Airflow reports an
    option that nobody set.
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
    """Check raw options.

    Raises:
        ConfigurationError: naming each wrong option, its rule and where to set it.
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


def load_settings() -> Settings:
    """Read the settings from Airflow's configuration.

    Raises:
        ConfigurationError: if an option is unknown or breaks its rule.
    """
    from airflow.sdk.configuration import conf

    section = conf.getsection(SECTION) or {}
    return validate_settings({key: value for key, value in section.items() if value not in (None, "")})


def max_map_length() -> int:
    """Return over how many mailboxes Airflow maps a task at most: its own option ``[core] max_map_length``."""
    from airflow.sdk.configuration import conf

    return int(conf.getint("core", "max_map_length", fallback=1024))


def build_provider_options() -> dict[str, dict[str, Any]]:
    """Describe the options in the form of Airflow's provider information."""
    kinds = {"integer": "integer", "number": "float", "string": "string", "boolean": "boolean"}
    options = {}
    for name, schema in Settings.model_json_schema()["properties"].items():
        options[name] = {
            # `airflow config list` does not show a provider's defaults, so the description does.
            "description": f"{schema['description']} Default: {schema['default']}.",
            "version_added": "0.1.0",
            "type": kinds[schema["type"]],
            "example": None,
            "default": str(schema["default"]),
        }
    return options
