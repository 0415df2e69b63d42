"""Types and dependencies shared by the routers of the API."""

from __future__ import annotations

import unicodedata
from typing import Annotated

from fastapi import Depends
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from gmail_warmup.mailboxes.records import normalize_address
from gmail_warmup.web.permissions import MAY_CHANGE
from gmail_warmup.web.security import check_content_type, check_origin

CHANGE_DEPENDENCIES = [MAY_CHANGE, Depends(check_origin), Depends(check_content_type)]
"""Dependencies of every route that changes data, in addition to the permission to read."""

Address = Annotated[str, AfterValidator(normalize_address)]
Addresses = Annotated[list[Address], Field(min_length=1, max_length=1000)]


def _check_one_line(text: str) -> str:
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in text):
        raise ValueError("must be one line without control characters")
    return text


ReasonText = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True), AfterValidator(_check_one_line)
]
"""Reason for a change, recorded and shown."""


class Body(BaseModel):
    """Base of request bodies: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Changed(BaseModel):
    """Number of changed mailboxes, without those that already had the new state."""

    changed: int
