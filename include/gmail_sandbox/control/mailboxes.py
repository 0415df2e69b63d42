"""Control routes of mailboxes, and delivery of mail from outside."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP

from fastapi import APIRouter, HTTPException

from gmail_sandbox import delivery, mime
from gmail_sandbox.clock import mail_date
from gmail_sandbox.control.common import PathAddress, WorldNow, known_mailbox
from gmail_sandbox.control.models import Count, Delivered, DeliverIn, MailboxIn, MailboxOut, NamedMailboxIn, RenameIn
from gmail_sandbox.control.views import mailbox_out
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.state import World

router = APIRouter(prefix="/mailboxes")


def _upsert(world: World, address: str, change: MailboxIn) -> Mailbox:
    box = world.mailboxes.setdefault(address, Mailbox(address))
    for name in change.model_fields_set - {"address"}:
        setattr(box, name, getattr(change, name))
    return box


@router.get("")
async def list_mailboxes(world: WorldNow) -> list[MailboxOut]:
    """Return all mailboxes with their message counts by label."""
    return [mailbox_out(box) for box in world.mailboxes.values()]


@router.post("")
async def put_mailboxes(world: WorldNow, rows: list[NamedMailboxIn]) -> Count:
    """Create or change many mailboxes."""
    for row in rows:
        _upsert(world, row.address, row)
    return Count(count=len(rows))


@router.put("/{address}")
async def put_mailbox(world: WorldNow, address: PathAddress, change: MailboxIn) -> MailboxOut:
    """Create or change a mailbox."""
    return mailbox_out(_upsert(world, address, change))


@router.get("/{address}")
async def get_mailbox(world: WorldNow, address: PathAddress) -> MailboxOut:
    """Return one mailbox."""
    return mailbox_out(known_mailbox(world, address))


@router.delete("/{address}")
async def delete_mailbox(world: WorldNow, address: PathAddress) -> Count:
    """Delete a mailbox with its aliases, grants and tokens."""
    box = known_mailbox(world, address)
    for name in [name for name, other in world.mailboxes.items() if other is box]:
        del world.mailboxes[name]
        world.grants.forget(name)
    return Count(count=1)


@router.post("/{address}/rename")
async def rename_mailbox(world: WorldNow, address: PathAddress, change: RenameIn) -> MailboxOut:
    """Change the primary address of an account, as an administrator does; the former one becomes an alias."""
    box = known_mailbox(world, address)
    box.address = change.new_address
    world.mailboxes[change.new_address] = box
    return mailbox_out(box)


@router.post("/{address}/deliver")
async def deliver(world: WorldNow, address: PathAddress, mail: DeliverIn) -> Delivered:
    """Deliver a mail from any sender with the given labels, without random placement."""
    box = known_mailbox(world, address)
    for label_id in mail.labels:
        if box.label(label_id) is None:
            raise HTTPException(422, f"no such label: {label_id}")
    raw = f"From: {mail.sender}\n{mail.raw}".encode() if mail.raw else _written(world, box, mail)
    message = delivery.put(world, box, mime.read(raw), mail.labels)
    return Delivered(message_id=message.id, thread_id=message.thread_id, rfc_message_id=message.content.rfc_id)


def _written(world: World, box: Mailbox, mail: DeliverIn) -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = mail.sender, box.address, mail.subject
    message["Date"] = mail_date(world.clock.now())
    for name, value in mail.headers.items():
        del message[name]
        message[name] = value
    if "Message-ID" not in message:
        message["Message-ID"] = delivery.new_message_id(world)
    message.set_content(mail.text)
    return message.as_bytes(policy=SMTP)
