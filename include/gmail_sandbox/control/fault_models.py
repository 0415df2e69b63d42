"""Request and response models of faults in the control API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from gmail_sandbox.control.models import Address, Lower, Model, OneLine
from gmail_sandbox.fault_catalog import CATALOGUE, Edge
from gmail_sandbox.gmail.methods import METHOD_IDS
from gmail_sandbox.settings import Chance


def _where(value: str) -> str:
    if value not in {"token", "gmail", "consent", "revoke", "sts", "iam", "directory"} | METHOD_IDS:
        raise ValueError(
            "must be token, gmail, consent, revoke, sts, iam, directory or a method id such as gmail.users.drafts.send"
        )
    return value


Where = Annotated[str, AfterValidator(_where)]


class CustomAnswer(Model):
    """A custom response."""

    status: int = Field(default=200, ge=200, le=599)
    body: str | dict[str, Any] | list[Any] = ""
    content_type: OneLine | None = None
    headers: dict[str, OneLine] = Field(default_factory=dict)


class FaultIn(Model):
    """A fault to add: a named fault of the catalogue, a custom response, or a delay or connection fault."""

    where: Where | None = Field(default=None, description="Default: the edge of the named fault.")
    address: Address | None = None
    domain: Lower | None = None
    client_id: str | None = None
    name: str | None = Field(default=None, description="A named fault of the catalogue.")
    answer: CustomAnswer | None = None
    times: int | None = Field(default=None, ge=1, description="How many requests it affects; null: no limit.")
    chance: Chance = 1
    delay_ms: float = Field(default=0, ge=0)
    hold: bool = Field(default=False, description="Keep the requests waiting until the fault is removed.")
    when: Literal["before", "after"] = Field(
        default="before", description="after: the request is processed before the fault applies."
    )
    close: bool = Field(default=False, description="Cut the connection without a response.")
    cut_after_bytes: int | None = Field(
        default=None, ge=0, description="Send this number of bytes of the body, then cut the connection."
    )
    content_length: int | None = Field(default=None, ge=0, description="A Content-Length that may be wrong.")
    hang_seconds: float | None = Field(default=None, gt=0, description="Wait before the response or the cut.")

    @model_validator(mode="after")
    def _says_what(self) -> FaultIn:
        if self.name is not None and self.name not in CATALOGUE:
            raise ValueError(f"no such row in the catalogue: {self.name}")
        if self.name is not None and self.answer is not None:
            raise ValueError("give either name or answer")
        if self.where is None and self.name is None:
            raise ValueError("where is missing")
        transport_faults = (self.cut_after_bytes, self.content_length, self.hang_seconds)
        has_effect = self.close or self.hold or self.delay_ms or any(value is not None for value in transport_faults)
        if self.name is None and self.answer is None and not has_effect:
            raise ValueError("the fault would do nothing: give name, answer, delay_ms, close, cut_after_bytes, ...")
        return self


class FaultOut(Model):
    """A fault and its hit count."""

    id: int
    where: str
    address: str | None
    domain: str | None
    client_id: str | None
    name: str | None
    status: int | None
    times: int | None
    chance: float
    delay_ms: float
    hold: bool
    when: str
    close: bool
    cut_after_bytes: int | None
    content_length: int | None
    hang_seconds: float | None
    hits: int


class CatalogueRow(Model):
    """A named fault."""

    name: str
    edge: Edge
    meaning: str
    status: int | None
    content_type: str | None
