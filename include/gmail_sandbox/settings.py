"""Settings of the sandbox, for the start and for changes at run time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gmail_sandbox.authentication import AuthenticationFault

Chance = Annotated[float, Field(ge=0, le=1)]
Category = Literal["CATEGORY_PERSONAL", "CATEGORY_SOCIAL", "CATEGORY_PROMOTIONS", "CATEGORY_UPDATES", "CATEGORY_FORUMS"]


class Latency(BaseModel):
    """Delay of each edge's responses, in milliseconds."""

    model_config = ConfigDict(extra="forbid")

    token: float = Field(default=0, ge=0)
    gmail: float = Field(default=0, ge=0)
    consent: float = Field(default=0, ge=0)


class Settings(BaseModel):
    """Settings of the sandbox. All fields have defaults, so any subset is a valid change."""

    model_config = ConfigDict(extra="forbid")

    seed: int = Field(default=7, description="With the same seed and the same mails, placement is the same.")
    spam_chance: Chance = 0
    spam_chance_by_domain: dict[str, Chance] = Field(default_factory=dict, description="By the recipient's domain.")
    spam_chance_by_sender_domain: dict[str, Chance] = Field(
        default_factory=dict, description="By the sender's domain; takes precedence over the recipient's domain."
    )
    category_chances: dict[Category, Chance] = Field(
        default_factory=dict, description="Among mails that are not spam; the sum must be at most 1."
    )
    authentication_faults_by_sender_domain: dict[str, list[AuthenticationFault]] = Field(
        default_factory=dict,
        description="Faults of the header Authentication-Results of mail of a domain; without any, SPF, DKIM and DMARC "
        "pass.",
    )
    delivery_delay_seconds: float = Field(default=0, ge=0, description="Measured on the sandbox's clock.")
    latency_ms: Latency = Field(default_factory=Latency)
    directory_page_size: int | None = Field(default=None, ge=1, description="Largest page of the Directory API.")
    access_token_lifetime_seconds: int = Field(default=3599, ge=1)
    token_rate_limit: int | None = Field(default=None, ge=1, description="Token requests per second of real time.")
    rotate_refresh_tokens: bool = False
    rotation_kills_old: bool = False
    replace_message_id: bool = Field(default=True, description="A custom Message-ID is replaced when the mail is sent.")
    units: bool = Field(default=True, description="Whether unit quotas are enforced; they are always counted.")
    user_units_per_minute: int = Field(default=6_000, ge=1)
    project_units_per_minute: int = Field(default=1_200_000, ge=1)
    project_units_per_day: int | None = Field(
        default=None,
        ge=1,
        description="A daily cap that the project's owner set. Google itself has none; above 80 million units a day it "
        "announces charges: https://developers.google.com/gmail/api/reference/quota",
    )
    max_concurrent_per_mailbox: int | None = Field(
        default=None,
        ge=1,
        description='Above this number, Gmail returns 429 "Too many concurrent requests for user".',
    )

    @model_validator(mode="after")
    def _chances_sum_to_one(self) -> Settings:
        if sum(self.category_chances.values()) > 1 + 1e-9:
            raise ValueError("category_chances must sum to at most 1")
        return self

    def changed(self, change: Settings) -> Settings:
        """Return these settings with only the fields that were set in `change` replaced."""
        merged = self.model_dump() | change.model_dump(exclude_unset=True)
        merged["latency_ms"] = self.latency_ms.model_dump() | change.latency_ms.model_dump(exclude_unset=True)
        return Settings.model_validate(merged)
