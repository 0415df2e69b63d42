"""The change log: who changed what, newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gmail_warmup.core.enums import ChangeAction
from gmail_warmup.db.engine import read_transaction
from gmail_warmup.db.paging import DEFAULT_PAGE_LIMIT, IdRange
from gmail_warmup.warmup.reporting.changes import ChangeQuery, fetch_change_page
from gmail_warmup.web.api.schemas import PageEdge, PageLimit
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.text_limits import MAX_TEXT_LENGTH

router = APIRouter(tags=["changes"])


def _to_utc(moment: datetime) -> datetime:
    """Return a time in UTC: PostgreSQL refuses offsets of sixteen hours and more, which ISO 8601 permits."""
    try:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError("must be within the years 1 to 9999 in UTC") from None


_Text = Annotated[str, Query(max_length=MAX_TEXT_LENGTH), AfterValidator(str.strip)]
_Moment = Annotated[datetime | None, AfterValidator(lambda moment: moment and _to_utc(moment))]


class ChangeOut(BaseModel):
    """A change by a person. The codes may be those of another version."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    actor: str = Field(description="Airflow user, `cli:` and the user of the shell, or `invite:` and its number.")
    source: str | None = Field(description="Interface: `page`, `api`, `cli` or `task`; null if not known.")
    action: str
    subject_kind: str = Field(description="`mailbox`, or `fleet` for all or many of them.")
    subject: str = Field(description="Address of the mailbox at that time; empty if it was deleted, and for `fleet`.")
    before: dict[str, Any] | None = Field(description="The changed values before the change.")
    after: dict[str, Any] | None = Field(description="The changed values after the change.")


class ChangeList(BaseModel):
    """One page of changes, newest first."""

    changes: list[ChangeOut]
    older_before: int | None = Field(description="Pass it as `before` to get the next page.")
    newer_after: int | None = Field(description="Pass it as `after` to get the previous page.")


@router.get("/changes")
def list_changes(
    context: CurrentContext,
    actor: _Text = "",
    action: ChangeAction | None = None,
    mailbox: _Text = "",
    since: _Moment = None,
    until: _Moment = None,
    before: PageEdge = None,
    after: PageEdge = None,
    limit: PageLimit = DEFAULT_PAGE_LIMIT,
) -> ChangeList:
    """List what people changed, newest first, in pages. A time without a zone is in UTC."""
    query = ChangeQuery(
        actor=actor,
        action=action,
        mailbox=mailbox,
        since=since,
        until=until,
        position=IdRange(before=before, after=after, limit=limit),
    )
    with read_transaction(context.services.engine) as connection:
        page = fetch_change_page(connection, query)
    return ChangeList(
        changes=[ChangeOut.model_validate(row) for row in page.rows],
        older_before=page.older_before,
        newer_after=page.newer_after,
    )
