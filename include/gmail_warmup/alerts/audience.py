"""Audiences: receivers of alerts that are limited to the mailboxes with some tags, or of some owners.

An alert about mailboxes is stored once for the receivers without a limit, and once for each audience with its mailboxes
only. An audience is a text such as ``owner:olivia@example.com,tag:sales``: a mailbox belongs to it if one part applies.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Protocol, TypeVar

import sqlalchemy as sa

from gmail_warmup.alerts.text import AlertMessage
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import shorten_text
from gmail_warmup.db.models import Alert, AlertKind, Mailbox
from gmail_warmup.mailboxes.addresses import normalize_contact
from gmail_warmup.mailboxes.lookup import has_id_in
from gmail_warmup.mailboxes.tags import has_tag, normalize_tag

_NORMALIZE = {"tag": normalize_tag, "owner": normalize_contact}


class _Change(Protocol):
    @property
    def mailbox_id(self) -> int: ...


_ChangeT = TypeVar("_ChangeT", bound=_Change)


def parse_audience(text: str) -> str:
    """Return an audience in its stored form.

    Raises:
        InvalidInputError: naming the part that breaks a rule, and the form that it needs.
    """
    return ",".join(sorted({_parse_part(part) for part in text.split(",")}))


def _parse_part(part: str) -> str:
    kind, _, value = part.strip().partition(":")
    if kind not in _NORMALIZE:
        raise InvalidInputError(
            f"'{shorten_text(part)}' names no mailboxes; write tag:NAME or owner:ADDRESS, separated by commas"
        )
    return f"{kind}:{_NORMALIZE[kind](value)}"


def store_alert(
    connection: sa.Connection,
    kind: AlertKind,
    changes: Sequence[_ChangeT],
    render: Callable[[Sequence[_ChangeT]], AlertMessage],
    audiences: Collection[str],
) -> int:
    """Store an alert about changes of mailboxes, and one for each audience with its share of them.

    Returns:
        The id of the alert about all changes.
    """
    alert_id = insert_alert(connection, kind, render(changes))
    for audience in audiences:
        members = _select_members(connection, audience, [change.mailbox_id for change in changes])
        if share := [change for change in changes if change.mailbox_id in members]:
            insert_alert(connection, kind, render(share), audience=audience)
    return alert_id


def insert_alert(
    connection: sa.Connection, kind: AlertKind, message: AlertMessage, *, audience: str | None = None
) -> int:
    """Store one alert; return its id."""
    values = {"kind": kind, "title": message.title, "body": message.body, "audience": audience}
    return int(connection.execute(sa.insert(Alert).values(values).returning(Alert.id)).scalar_one())


def _select_members(connection: sa.Connection, audience: str, mailbox_ids: Sequence[int]) -> set[int]:
    """Return those mailboxes that belong to an audience."""
    conditions = []
    for part in audience.split(","):
        kind, _, value = part.partition(":")
        conditions.append(has_tag(value) if kind == "tag" else Mailbox.owner_email == value)
    query = sa.select(Mailbox.id).where(has_id_in(mailbox_ids), sa.or_(*conditions))
    return set(connection.scalars(query))
