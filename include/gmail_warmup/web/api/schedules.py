"""Schedules: what a mailbox or a tag sets, and which value counts for a mailbox."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field

from gmail_warmup.db.engine import read_transaction, retry_conflict, write_transaction
from gmail_warmup.mailboxes import bulk_edit, repository, tags
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges
from gmail_warmup.mailboxes.schedules import store
from gmail_warmup.mailboxes.schedules.values import ScheduleValues
from gmail_warmup.web.api import selection
from gmail_warmup.web.api.schemas import Body, Changed
from gmail_warmup.web.api.selection import Selection
from gmail_warmup.web.dependencies import CurrentContext
from gmail_warmup.web.permissions import ADMINISTER, UserName
from gmail_warmup.web.views.schedules import ScheduleValueView, build_values

router = APIRouter(tags=["schedules"])

Tag = Annotated[str, AfterValidator(tags.normalize_tag)]


class MailboxScheduleOut(BaseModel):
    """The schedule of a mailbox: each value that counts, with its origin."""

    address: str
    values: dict[str, ScheduleValueView]


class MailboxScheduleIn(Selection):
    """Mailboxes, and everything that they set themselves."""

    values: ScheduleValues = Field(description="A value that is missing or null is taken from the tags or the options.")


class TagScheduleIn(Body):
    """A tag, and everything that it sets."""

    tag: Tag
    values: ScheduleValues = Field(description="A value that is missing or null is not set; none: no schedule.")


class TagScheduleOut(BaseModel):
    """What a tag sets."""

    tag: str
    values: dict[str, str | int]


class TagScheduleList(BaseModel):
    """The tags that set something, by name. Of two tags that set the same value, the first one counts."""

    tags: list[TagScheduleOut]


@router.get("/schedules/mailboxes/{address:path}")
def get_mailbox_schedule(address: str, context: CurrentContext) -> MailboxScheduleOut:
    """Return the schedule of a mailbox with the origin of each value."""
    services = context.services
    with read_transaction(services.engine) as connection:
        record = repository.get_mailbox(connection, address)
    return MailboxScheduleOut(address=record.address, values=build_values(record, services.settings))


@router.post("/schedules/mailboxes", dependencies=ADMINISTER)
def put_mailbox_schedules(body: MailboxScheduleIn, context: CurrentContext, user: UserName) -> Changed:
    """Set the schedule of mailboxes as a whole. To change single values, use `mailboxes/change`."""
    changes = MailboxChanges.model_validate(body.values.model_dump())

    @retry_conflict
    def change_all() -> int:
        with write_transaction(context.services.engine) as connection:
            days = context.services.settings.expiring_days
            addresses = selection.lock_changeable(connection, body, expiring_days=days)
            return bulk_edit.change_settings(connection, addresses, changes, actor=user)

    return Changed(changed=change_all())


@router.get("/schedules/tags")
def list_tag_schedules(context: CurrentContext) -> TagScheduleList:
    """List the tags that set something."""
    with read_transaction(context.services.engine) as connection:
        found = store.list_tag_schedules(connection)
    return TagScheduleList(tags=[TagScheduleOut(tag=tag, values=values) for tag, values in found.items()])


@router.get("/schedules/tags/{tag:path}")
def get_tag_schedule(tag: str, context: CurrentContext) -> TagScheduleOut:
    """Return what a tag sets."""
    name = tags.normalize_tag(tag)
    with read_transaction(context.services.engine) as connection:
        return TagScheduleOut(tag=name, values=store.get_tag_schedule(connection, name))


@router.post("/schedules/tags", dependencies=ADMINISTER)
def put_tag_schedule(body: TagScheduleIn, context: CurrentContext, user: UserName) -> TagScheduleOut:
    """Set the schedule of a tag as a whole. The plans of its mailboxes follow with the next DAG run."""

    @retry_conflict
    def put() -> None:
        with write_transaction(context.services.engine) as connection:
            store.put_tag_schedule(connection, body.tag, body.values, actor=user)

    put()
    return TagScheduleOut(tag=body.tag, values=body.values.set_values)
