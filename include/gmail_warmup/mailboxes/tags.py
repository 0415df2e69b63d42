"""Tags: the form in which they are stored, and the tags of mailboxes. Functions run in the caller's transaction.

The stored form is the identity: two texts that differ only in case, spaces around them or Unicode composition are one
tag. A transaction that changes tags of several mailboxes locks these first, with ``lock_mailboxes``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from gmail_warmup.core.characters import ASCII_SPACE, find_character, is_invisible
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.core.text import pluralize, shorten_text
from gmail_warmup.db.models import Mailbox, MailboxTag
from gmail_warmup.mailboxes.schedules.columns import TAG_SCHEDULES
from gmail_warmup.mailboxes.schedules.send_times import clear_send_times

_PATH_STEPS = frozenset((".", ".."))
"""What a browser removes from the path of a URL, so that a link would lead to another tag."""
MAX_TAG_LENGTH = 50
"""Maximum number of characters of a tag."""
MAX_TAGS = 100
"""Maximum number of tags of a mailbox, and of an OAuth client."""
SEPARATOR = ","
"""Separates the tags of a mailbox where they are one text, as in a table."""


def normalize_tag(text: str) -> str:
    """Return a tag in its stored form: composed (NFC), case-folded, with single spaces.

    Raises:
        InvalidInputError: if it is empty, too long, has a step `.` or `..` of a path, or contains a comma or a
            character that nobody sees.
    """
    folded = unicodedata.normalize("NFC", text.casefold())
    tag = " ".join(part for part in folded.strip(ASCII_SPACE).split(" ") if part)
    if not tag:
        raise InvalidInputError("A tag must not be empty. Write a word, for example 'sales'.")
    if not _PATH_STEPS.isdisjoint(tag.split("/")):
        raise InvalidInputError(f"The tag '{tag}' cannot be part of a URL. Write a word, for example 'sales'.")
    if len(tag) > MAX_TAG_LENGTH:
        raise InvalidInputError(
            f"The tag '{shorten_text(tag)}' has {len(tag)} characters, and a tag has at most {MAX_TAG_LENGTH}. "
            "Shorten it."
        )
    if SEPARATOR in tag:
        raise InvalidInputError(f"The tag '{shorten_text(tag)}' contains a comma, which separates tags. Remove it.")
    if found := find_character(tag, lambda char: char != " " and is_invisible(char)):
        raise InvalidInputError(f"The tag '{shorten_text(tag)}' must be printable. Remove the character {found}.")
    return tag


def join_tags(tags: Iterable[str]) -> str:
    """Return tags as one text."""
    return f"{SEPARATOR} ".join(tags)


def split_tags(text: str) -> list[str]:
    """Return the parts of a text with tags separated by commas, without empty ones; they are not validated."""
    return [part for part in text.split(SEPARATOR) if part.strip()]


def normalize_tags(texts: Iterable[str]) -> tuple[str, ...]:
    """Return tags in their stored form, sorted, each once.

    Raises:
        InvalidInputError: naming the first one that breaks a rule, or if there are too many.
    """
    tags = tuple(sorted({normalize_tag(text) for text in texts}))
    if len(tags) > MAX_TAGS:
        raise InvalidInputError(f"There are {len(tags)} tags, and {MAX_TAGS} are possible. Remove some.")
    return tags


TAGS_OF_MAILBOX = sa.type_coerce(
    sa.func.array(
        sa.select(MailboxTag.tag)
        .where(MailboxTag.mailbox_id == Mailbox.id)
        .order_by(sa.collate(MailboxTag.tag, "C"))
        .correlate(Mailbox)
        .scalar_subquery()
    ),
    ARRAY(sa.Text, as_tuple=True),
).label("tags")
"""The sorted tags of a mailbox as a column of a query of mailboxes."""


def get_mailbox_column(name: str) -> sa.ColumnElement[Any]:
    """Return the expression for a column of a mailbox, or for its tags or their schedules, in a query of mailboxes."""
    computed: dict[str, sa.ColumnElement[Any]] = {"tags": TAGS_OF_MAILBOX, "tag_schedules": TAG_SCHEDULES}
    return computed[name] if name in computed else getattr(Mailbox, name)


def has_tag(tag: str) -> sa.ColumnElement[bool]:
    """Return the condition that a mailbox has a tag, given in its stored form."""
    return Mailbox.id.in_(sa.select(MailboxTag.mailbox_id).where(MailboxTag.tag == tag))


def count_mailboxes(connection: sa.Connection, tag: str) -> int:
    """Return the number of mailboxes with a tag, given in its stored form."""
    query = sa.select(sa.func.count()).select_from(MailboxTag).where(MailboxTag.tag == tag)
    return int(connection.scalar(query) or 0)


def load_tags(connection: sa.Connection, mailbox_ids: Collection[int]) -> dict[int, tuple[str, ...]]:
    """Return the sorted tags of mailboxes by mailbox id; a mailbox without tags is missing."""
    tags = sa.func.array_agg(MailboxTag.tag).label("tags")
    query = sa.select(MailboxTag.mailbox_id, tags).where(_has_id_in(mailbox_ids)).group_by(MailboxTag.mailbox_id)
    return {row.mailbox_id: tuple(sorted(row.tags)) for row in connection.execute(query)}


def set_tags(connection: sa.Connection, tags_of: Mapping[int, Collection[str]]) -> set[int]:
    """Give each mailbox exactly these tags, in stored form; return the ids of the mailboxes whose tags changed.

    Raises:
        InvalidInputError: if a mailbox would have too many.
    """
    return _replace_tags(connection, load_tags(connection, tags_of), tags_of)


def change_tags(
    connection: sa.Connection, mailbox_ids: Collection[int], *, add: Collection[str] = (), remove: Collection[str] = ()
) -> set[int]:
    """Add and remove tags, in stored form, of mailboxes; return the ids of the mailboxes whose tags changed.

    Raises:
        InvalidInputError: if a mailbox would have too many.
    """
    before = load_tags(connection, mailbox_ids)
    wanted = {key: {*before.get(key, ()), *add}.difference(remove) for key in mailbox_ids}
    return _replace_tags(connection, before, wanted)


def _replace_tags(
    connection: sa.Connection, before: Mapping[int, Collection[str]], tags_of: Mapping[int, Collection[str]]
) -> set[int]:
    if full := sum(len(tags) > MAX_TAGS for tags in tags_of.values()):
        raise InvalidInputError(
            f"{pluralize(full, 'mailbox')} would have more than {MAX_TAGS} tags. Nothing was changed; remove some."
        )
    added = [(key, tag) for key, tags in tags_of.items() for tag in tags if tag not in before.get(key, ())]
    removed = [(key, tag) for key in before for tag in before[key] if tag not in tags_of[key]]
    _insert(connection, added)
    _delete(connection, removed)
    changed = {key for key, _ in (*added, *removed)}
    clear_send_times(connection, changed)  # a tag may have a schedule
    return changed


@dataclass(frozen=True, kw_only=True)
class TagCount:
    """A tag and its number of mailboxes."""

    tag: str
    mailboxes: int


def count_tags(connection: sa.Connection) -> list[TagCount]:
    """Return all tags with their numbers of mailboxes, sorted by tag."""
    query = sa.select(MailboxTag.tag, sa.func.count().label("mailboxes")).group_by(MailboxTag.tag)
    return [
        TagCount(tag=row.tag, mailboxes=row.mailboxes) for row in connection.execute(query.order_by(MailboxTag.tag))
    ]


def _insert(connection: sa.Connection, pairs: Collection[tuple[int, str]]) -> None:
    if pairs:
        rows = _to_rows(pairs)
        statement = insert(MailboxTag).from_select(["mailbox_id", "tag"], sa.select(rows.c.mailbox_id, rows.c.tag))
        connection.execute(statement.on_conflict_do_nothing())


def _delete(connection: sa.Connection, pairs: Collection[tuple[int, str]]) -> None:
    if pairs:
        rows = _to_rows(pairs)
        is_row = sa.and_(MailboxTag.mailbox_id == rows.c.mailbox_id, MailboxTag.tag == rows.c.tag)
        connection.execute(sa.delete(MailboxTag).where(is_row))


def _to_rows(pairs: Collection[tuple[int, str]]) -> sa.TableValuedAlias:
    """Return pairs of mailbox id and tag as a table, with one parameter for each column."""
    ids = sa.literal([key for key, _ in pairs], ARRAY(sa.BigInteger()))
    tags = sa.literal([tag for _, tag in pairs], ARRAY(sa.Text()))
    columns = (sa.column("mailbox_id", sa.BigInteger), sa.column("tag", sa.Text))
    return sa.func.unnest(ids, tags).table_valued(*columns).render_derived()


def _has_id_in(mailbox_ids: Collection[int]) -> sa.ColumnElement[bool]:
    return MailboxTag.mailbox_id == sa.any_(sa.literal(list(mailbox_ids), ARRAY(sa.BigInteger())))
