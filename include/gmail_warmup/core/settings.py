"""The options of the section [gmail_warmup] of Airflow's configuration, as one validated record.

Every field is an option ``AIRFLOW__GMAIL_WARMUP__<NAME>``. The list of options in Airflow's provider information is
derived from this class.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from gmail_warmup.core.enums import DEFAULT_TARGET
from gmail_warmup.core.harmful_settings import normalize_label, require_own_header, require_slot_in_window
from gmail_warmup.core.option_types import (
    ConnectionIds,
    DaysOff,
    DomainNames,
    Holidays,
    LanguageTag,
    NameServers,
    NightPause,
    OwnerMailSender,
    ReportScopes,
    SendingDays,
    SendingWindow,
    WeeklyTime,
    parse_domains,
    parse_name_servers,
    parse_time_range,
)

SECTION = "gmail_warmup"
DEFAULT_CLIENT_CONN_ID = "gmail_oauth_client"

AFFECTS_PLAN: dict[str, Any] = {"affects_plan": True}
"""Marks an option that the slots of a day depend on. A change to one recomputes all cached send times."""


class Settings(BaseModel):
    """Every option of the section."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    db_conn_id: str = Field(
        "gmail_warmup_db", description="Airflow Connection to the database with the restricted role."
    )
    client_conn_id: str = Field(DEFAULT_CLIENT_CONN_ID, description="Airflow Connection of the OAuth client.")
    google_conn_id: str = Field(
        "google_cloud_default", description="Airflow Connection of the service account for delegated mailboxes."
    )

    gmail_api_endpoint: str = Field(
        "", pattern=r"^(https?://[^\s/]+/?)?$", description="Root URL of the Gmail API; empty: Google's."
    )

    warmup_schedule: str = Field(
        "*/10 * * * *", description="Schedule of the DAG gmail_warmup, as cron; 'none' for none."
    )
    health_schedule: str = Field("@daily", description="Schedule of the DAG gmail_token_health; 'none' for none.")
    monitor_schedule: str = Field(
        "*/10 * * * *",
        description="Schedule of the DAG gmail_monitor, which reports overdue DAGs, as cron; 'none' for none.",
    )
    warmup_overdue_after: int = Field(
        1200,
        ge=300,
        le=2_678_400,
        description="Seconds after a due run of gmail_warmup without a success after which an alert is sent.",
    )
    audit_overdue_after: int = Field(
        7200,
        ge=300,
        le=2_678_400,
        description="Seconds after a due run of gmail_token_health without a finished audit after which an alert is "
        "sent.",
    )
    max_active_tasks: int = Field(
        32, ge=1, le=10_000, description="Task instances of gmail_warmup that run in parallel; see docs/capacity.md."
    )

    refresh_margin: int = Field(
        300, ge=230, le=3_000, description="Seconds before its expiry at which an access token is refreshed."
    )
    refresh_lease: int = Field(60, ge=10, le=3_600, description="Seconds after which the lease of a refresh expires.")
    connect_timeout: float = Field(5, gt=0, le=300, description="Seconds to wait for a connection to Google.")
    read_timeout: float = Field(
        20,
        gt=0,
        le=300,
        description="Seconds to wait for the complete response from Google. A request takes at most this and "
        "connect_timeout together.",
    )

    audit_rate: float = Field(5, gt=0, le=100_000, description="Token requests per second at the start of an audit.")
    audit_concurrency: int = Field(
        128, ge=1, le=10_000, description="Maximum number of concurrent token requests of an audit."
    )
    audit_shard: int = Field(1000, ge=1, le=100_000, description="Mailboxes in one mapped task of the audit.")
    audit_skip_within: int = Field(
        75600,
        ge=0,
        le=2_678_400,
        description="Seconds after a successful refresh during which an audit skips the grant; less than a day, so "
        "that a daily audit does not skip the grants that the previous one refreshed.",
    )
    suspect_delay: int = Field(900, ge=0, le=2_678_400, description="Seconds until a suspect grant is probed again.")
    expiring_days: int = Field(
        7, ge=0, le=365, description="Days before a predicted expiry from which a grant is reported as expiring."
    )

    alert_conn_id: str = Field(
        "gmail_warmup_alerts", description="Airflow Connection (type apprise) of the receivers of alerts; optional."
    )
    daily_digest: bool = Field(True, description="Whether each daily audit sends a summary.")
    owner_mail_sender: OwnerMailSender = Field(
        "",
        description="Who mails the owner of a mailbox that needs re-authentication a link to sign in: an Airflow "
        "Connection (type smtp), or the address of a mailbox of this installation; empty for no mails.",
    )
    owner_mail_template: str = Field(
        "", description="Text file with the template of these mails; empty for the built-in one. See docs/owners.md."
    )

    webhook_conn_ids: ConnectionIds = Field(
        "", description="Airflow Connections of the receivers of webhooks, separated by commas; see docs/webhooks.md."
    )
    webhook_timeout: float = Field(
        15, gt=0, le=60, description="Seconds in which the receiver of a webhook has to answer."
    )
    webhook_retry_days: int = Field(
        3, ge=1, le=30, description="Days after which a webhook that its receiver has not accepted is given up."
    )
    webhook_log_days: int = Field(
        30, ge=1, le=365, description="Days after which finished webhooks are deleted from the delivery log."
    )
    webhook_private_addresses: bool = Field(
        False,
        description="Whether a receiver of webhooks may have a private, link-local or loopback address, or http:// in "
        "its URL.",
    )

    weekly_report: WeeklyTime = Field(
        "none",
        description="Weekday and time (UTC) at which the report of the last week is sent to the receivers of alerts, "
        "such as 'mon 08:00'; 'none' for none.",
    )
    weekly_report_scopes: ReportScopes = Field(
        "fleet",
        description="What a weekly report each is about, separated by commas: fleet, domain:NAME or tag:NAME.",
    )
    report_link_days: int = Field(
        14, ge=1, le=90, description="Days for which a link to a weekly report is valid; it needs no login."
    )

    dag_tab: bool = Field(
        True, description="Whether DAGs have a tab 'Gmail accounts'; Airflow shows it on all DAGs or on none."
    )

    preload: bool = Field(
        True,
        description="Whether the scheduler (LocalExecutor) or a Celery worker imports what tasks need before it forks "
        "them. Without it a task takes about 1 s longer.",
    )

    consent_minutes: int = Field(15, ge=1, le=60, description="Minutes for which a consent link is valid.")
    invite_days: int = Field(7, ge=1, le=30, description="Days for which the link of an invite is valid.")

    sending_window: SendingWindow = Field(
        "09:00-18:00", description="Local hours in which mails are sent, HH:MM-HH:MM.", json_schema_extra=AFFECTS_PLAN
    )
    sending_days: SendingDays = Field(
        "mon,tue,wed,thu,fri", description="Local weekdays on which mails are sent.", json_schema_extra=AFFECTS_PLAN
    )
    holidays: Holidays = Field(
        "",
        description="Countries on whose public holidays nothing is sent, by ISO code, separated by commas, each with "
        "an optional subdivision: DE-BY,FR. Empty for none.",
        json_schema_extra=AFFECTS_PLAN,
    )
    days_off: DaysOff = Field(
        "",
        description="Further local dates on which nothing is sent, as YYYY-MM-DD, separated by commas.",
        json_schema_extra=AFFECTS_PLAN,
    )
    min_gap: int = Field(
        240,
        ge=0,
        le=86_400,
        description="Minimum number of seconds between two mails of one mailbox.",
        json_schema_extra=AFFECTS_PLAN,
    )
    run_interval: int = Field(
        600,
        ge=0,
        le=3600,
        description="Seconds between two runs of gmail_warmup; each sends one mail per mailbox.",
        json_schema_extra=AFFECTS_PLAN,
    )
    ramp: Literal["linear", "phases"] = Field(
        "linear",
        description="How the volume grows: by ramp_step per day, or in five phases up to the mailbox's target.",
        json_schema_extra=AFFECTS_PLAN,
    )
    ramp_start: int = Field(
        5, ge=1, le=10_000, description="Mails on the first day of warmup (linear).", json_schema_extra=AFFECTS_PLAN
    )
    ramp_step: int = Field(
        2,
        ge=0,
        le=10_000,
        description="Additional mails on each further day with a mail (linear).",
        json_schema_extra=AFFECTS_PLAN,
    )
    ramp_cap: int = Field(
        DEFAULT_TARGET,
        ge=1,
        le=10_000,
        description="Maximum number of mails per day, also if the mailbox's target is higher (linear).",
        json_schema_extra=AFFECTS_PLAN,
    )
    maintenance_percent: int = Field(
        100,
        ge=1,
        le=100,
        description="Percentage of the final volume that is sent after the ramp; the volume falls by ramp_step per "
        "day. 100 keeps the final volume.",
        json_schema_extra=AFFECTS_PLAN,
    )
    cold_daily_cap: int = Field(
        30,
        ge=0,
        le=2000,
        description="Maximum number of cold mails per day that the readiness of a mailbox names, beside its warmup.",
    )
    consumer_daily_limit: int = Field(
        500,
        ge=1,
        le=500,
        description="Maximum number of mails that a gmail.com mailbox sends in 24 hours, from all clients. Google "
        "allows 500: support.google.com/mail/answer/22839",
    )
    workspace_daily_limit: int = Field(
        2000,
        ge=1,
        le=2000,
        description="Maximum number of mails that any other mailbox sends in 24 hours, from all clients. Google allows "
        "2,000, to 3,000 external recipients: support.google.com/a/answer/166852",
    )
    new_workspace_domains: DomainNames = Field(
        "",
        description="Domains, separated by commas, of Workspaces in their trial, or for which less than 100 US dollars "
        "were paid, or since then less than 60 days have passed: support.google.com/a/answer/166852",
    )
    new_workspace_daily_limit: int = Field(
        500,
        ge=1,
        le=2000,
        description="As workspace_daily_limit, for mailboxes of new_workspace_domains. Google allows 500.",
    )
    pool_daily_cap: int = Field(
        50, ge=1, le=1_000_000, description="Maximum number of warmup mails that one pool mailbox receives per day."
    )
    partner_daily_cap: int = Field(
        2,
        ge=1,
        le=1_000_000,
        description="Maximum number of warmup mails per day from one warmup mailbox to one pool mailbox.",
    )

    delay_scale: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor for all delays and the length of the sending window. Use less than 1 for demonstrations "
        "only; the night pause does not apply then.",
        json_schema_extra=AFFECTS_PLAN,
    )
    open_rate: int = Field(80, ge=0, le=100, description="Percentage of the warmup mails that are opened.")
    reply_rate: int = Field(55, ge=0, le=100, description="Percentage of the warmup mails that are answered.")
    rescue_rate: int = Field(100, ge=0, le=100, description="Percentage of the warmup mails in spam that are rescued.")
    important_rate: int = Field(
        20, ge=0, le=100, description="Percentage of the read warmup mails that are marked important."
    )
    star_rate: int = Field(0, ge=0, le=100, description="Percentage of the read warmup mails that are starred.")
    night_pause: NightPause = Field(
        "23:00-07:00",
        description="Local hours without sessions, HH:MM-HH:MM; 'none' for no pause.",
    )
    session_interval: int = Field(
        1800,
        ge=300,
        le=14_400,
        description="Seconds between two sessions of a mailbox in its sending hours, on average. What is due in a "
        "mailbox is done in its sessions.",
    )
    off_hours_session_interval: int = Field(
        7200,
        ge=300,
        le=43_200,
        description="Seconds between two sessions of a mailbox outside of its sending hours, on average; the night "
        "pause has no sessions.",
    )
    thread_depth: int = Field(
        2, ge=2, le=6, description="Maximum number of mails in a warmup thread, including the first one."
    )
    language: LanguageTag = Field(
        "", description="Language tag of the threads that a mailbox starts, such as de; empty for any of the templates."
    )
    templates_folder: str = Field(
        "", description="Folder of mail templates to use instead of the built-in library; see docs/content.md."
    )
    generator_conn_id: str = Field(
        "", description="Airflow Connection of a chat server that generates the texts; empty for none."
    )
    retention_days: int = Field(
        30,
        ge=0,
        le=3650,
        description="Days after which a warmup mail is moved to the trash in both mailboxes; 0 keeps it.",
    )
    ledger_days: int = Field(
        45, ge=40, le=3650, description="Days after which a finished mail is moved from the ledger to its history."
    )
    history_months: int = Field(
        13,
        ge=0,
        le=240,
        description="Months after which mails, daily counts, events and sent alerts are deleted; 0 keeps them.",
    )
    change_log_days: int = Field(
        730,
        ge=0,
        le=3650,
        description="Days after which entries of the change log are deleted, at least 30; 0 keeps them.",
    )
    locate_delay: int = Field(
        120, ge=0, le=86_400, description="Seconds after sending until the mail is searched for at its recipient."
    )
    missing_after: int = Field(
        86400,
        ge=60,
        le=2_678_400,
        description="Seconds after sending until a mail that is not found counts as missing.",
    )
    not_working_after: int = Field(
        21600,
        ge=0,
        le=2_592_000,
        description="Seconds for which the tasks of a mailbox keep failing until it is reported as not working.",
    )
    gmail_label: str = Field(
        "Warmup", pattern=r"^[^/]+(/[^/]+)*$", max_length=100, description="Gmail label of warmup mail; '/' nests it."
    )
    token_header: str = Field(
        "X-Warmup-Id", pattern=r"^X-[A-Za-z0-9-]{1,40}$", description="Header that contains the token of a warmup mail."
    )
    dns_check: bool = Field(True, description="Whether the DNS records of the sending domains are checked daily.")
    dns_nameservers: NameServers = Field(
        "", description="Name servers as IP or IPv4:port, separated by commas; empty for those of the machine."
    )
    dns_timeout: float = Field(5, gt=0, le=60, description="Seconds to wait for the response to one DNS query.")
    dkim_selector: str = Field(
        "google", pattern=r"^[A-Za-z0-9.-]{1,63}$", description="Selector of the DKIM key that Gmail signs with."
    )
    mailbox_lease: int = Field(300, ge=30, le=86_400, description="Seconds after which the lease of a mailbox expires.")
    mailbox_wait: float = Field(
        20, ge=0, le=3_600, description="Seconds that a task waits for a mailbox that another task has leased."
    )

    @field_validator("gmail_label")
    @classmethod
    def _normalize_label(cls, value: str) -> str:
        return normalize_label(value)

    @field_validator("token_header")
    @classmethod
    def _require_own_header(cls, value: str) -> str:
        return require_own_header(value)

    @model_validator(mode="after")
    def _slot_fits_window(self) -> Settings:
        gap = max(self.min_gap, self.run_interval)
        require_slot_in_window(window_minutes=parse_time_range(self.sending_window), gap_seconds=gap)
        return self

    @model_validator(mode="after")
    def _lease_outlives_request(self) -> Settings:
        if self.refresh_lease <= 2 * (self.connect_timeout + self.read_timeout):
            raise ValueError("refresh_lease must be longer than two tries of connect_timeout + read_timeout")
        return self

    @classmethod
    def plan_options(cls) -> tuple[str, ...]:
        """Return the names of the options that the slots of a day depend on."""
        return tuple(name for name, field in cls.model_fields.items() if field.json_schema_extra == AFFECTS_PLAN)

    @property
    def night_minutes(self) -> tuple[int, int] | None:
        """Return start and end of the night pause in minutes of the local day, or None without one."""
        if self.night_pause == "none" or self.delay_scale < 1:
            return None
        return parse_time_range(self.night_pause)

    @property
    def name_servers(self) -> list[tuple[str, int]]:
        """Return address and port of the name servers; empty for those of the machine."""
        return parse_name_servers(self.dns_nameservers)

    @property
    def new_workspaces(self) -> frozenset[str]:
        """Return the domains of Workspaces that Google does not trust yet."""
        return parse_domains(self.new_workspace_domains)

    @property
    def webhook_receivers(self) -> list[str]:
        """Return the ids of the Connections of the receivers of webhooks."""
        return [conn_id for conn_id in self.webhook_conn_ids.split(",") if conn_id]
