"""Types and dependencies shared by the routers of the API."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from gmail_warmup.core.characters import normalize_reason
from gmail_warmup.mailboxes.addresses import normalize_address
from gmail_warmup.web.permissions import MAY_CHANGE
from gmail_warmup.web.security import check_content_type, check_origin

CHANGE_DEPENDENCIES = [MAY_CHANGE, Depends(check_origin), Depends(check_content_type)]
"""Dependencies of every route that changes data, in addition to the permission to read."""

Address = Annotated[str, AfterValidator(normalize_address)]
Addresses = Annotated[list[Address], Field(min_length=1, max_length=1000)]


ReasonText = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), AfterValidator(normalize_reason)
]
"""Reason for a change, recorded and shown."""


class Body(BaseModel):
    """Base of request bodies: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Changed(BaseModel):
    """Number of changed mailboxes, without those that already had the new state."""

    changed: int
