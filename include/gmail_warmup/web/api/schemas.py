"""Types and dependencies shared by the routers of the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from gmail_warmup.core.characters import MAX_REASON_LENGTH, normalize_reason
from gmail_warmup.mailboxes.addresses import normalize_address
from gmail_warmup.mailboxes.validation import WHOLE_NUMBER
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH

Address = Annotated[str, AfterValidator(normalize_address)]
Addresses = Annotated[list[Address], Field(min_length=1, max_length=1000)]


PageEdge = Annotated[int | None, Query(ge=0, le=2**63 - 1), WHOLE_NUMBER]
"""Id at which a neighbouring page begins."""
PageLimit = Annotated[int, Query(ge=1, le=1000), WHOLE_NUMBER]
"""Number of entries of a page."""

Confirmation = Annotated[
    str,
    Field(
        max_length=MAX_TEXT_LENGTH,
        description="What the person typed: the address, or the number of several mailboxes.",
    ),
]

ReasonText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_REASON_LENGTH, strip_whitespace=True),
    AfterValidator(normalize_reason),
]
"""Reason for a change, recorded and shown."""


class Body(BaseModel):
    """Base of request bodies: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Changed(BaseModel):
    """Number of changed mailboxes, without those that already had the new state."""

    changed: int
