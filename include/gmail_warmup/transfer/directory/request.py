"""What a person enters for a synchronisation with the directory of a Workspace: the rules for page, API and command."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from gmail_warmup.core.characters import find_character, is_unsafe_in_text
from gmail_warmup.core.enums import DEFAULT_TARGET, MailboxAuth, MailboxKind
from gmail_warmup.mailboxes.addresses import normalize_address, normalize_contact
from gmail_warmup.mailboxes.records import (
    DailyTarget,
    MailboxSettings,
    WrongSettingsError,
    Zone,
    to_broken_rule,
)
from gmail_warmup.mailboxes.tags import normalize_tag

MAX_CHOSEN = 100
"""Maximum number of organisational units, and of groups."""
MAX_ORG_UNIT_LENGTH = 1000
"""Maximum number of characters of the path of an organisational unit."""


def _normalize_org_unit(path: str) -> str:
    trimmed = path.strip()
    if not trimmed:
        raise ValueError("must not be empty; / is the whole Workspace")
    if found := find_character(trimmed, is_unsafe_in_text):
        raise ValueError(f"must be one line without control characters; it contains {found}")
    return trimmed


_OrgUnit = Annotated[str, Field(max_length=MAX_ORG_UNIT_LENGTH), AfterValidator(_normalize_org_unit)]
_Group = Annotated[str, AfterValidator(normalize_contact)]


class SyncRequest(BaseModel):
    """Which users of a Workspace are selected, and the settings of the mailboxes that are added."""

    admin: Annotated[str, AfterValidator(normalize_address)] = Field(
        description="Address of an administrator who may read the directory."
    )
    kind: MailboxKind = Field(description="Kind of the mailboxes that are added.")
    org_units: tuple[_OrgUnit, ...] = Field(
        (), max_length=MAX_CHOSEN, description="Paths of organisational units; those below them count."
    )
    groups: tuple[_Group, ...] = Field(
        (), max_length=MAX_CHOSEN, description="Addresses of groups; the groups in them count."
    )
    tag: Annotated[str, AfterValidator(lambda text: normalize_tag(text) if text else text)] = Field(
        "", description="Tag of the selected mailboxes; one that has it and left the selection is paused."
    )
    daily_target: DailyTarget = DEFAULT_TARGET
    timezone: Zone = "UTC"

    @property
    def settings(self) -> MailboxSettings:
        """Return the settings of a mailbox that is added."""
        return MailboxSettings(
            kind=self.kind, auth=MailboxAuth.DELEGATED, daily_target=self.daily_target, timezone=self.timezone
        )


def parse_request(values: Mapping[str, Any]) -> SyncRequest:
    """Validate what a person entered.

    Raises:
        WrongSettingsError: with each invalid value and its rule.
    """
    try:
        return SyncRequest.model_validate(dict(values))
    except ValidationError as error:
        problems = error.errors()
    raise WrongSettingsError("The synchronisation", [to_broken_rule(problem) for problem in problems])
