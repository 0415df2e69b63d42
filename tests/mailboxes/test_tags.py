"""One stored form for each tag, and the tags of mailboxes."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import Mailbox
from gmail_warmup.mailboxes import repository, tags
from gmail_warmup.mailboxes.bulk_edit import MailboxChanges, change_settings
from gmail_warmup.mailboxes.records import MailboxSettings

STORED = {
    "Sales": "sales",
    "  Team  North\t": "team north",
    "STRASSE": "strasse",
    "straße": "strasse",
    "MU\u0308NCHEN": "münchen",
    "=1+1": "=1+1",
    "x" * 50: "x" * 50,
    "日本": "日本",
}
REFUSED = {
    "": "must not be empty",
    " \t": "must not be empty",
    ".": "cannot be part of a URL",
    " ..": "cannot be part of a URL",
    "a/../b": "cannot be part of a URL",
    "./a": "cannot be part of a URL",
    "x" * 51: "has 51 characters, and a tag has at most 50",
    "x" * 200: "has 200 characters, and a tag has at most 50. Shorten it.",
    "ß" * 26: "has 52 characters",
    "a,b": "contains a comma",
    "a\nb": r"U\+000A \(LINE FEED\)",
    "a\x00": r"U\+0000 \(NUL\)",
    "a\u200bb": r"U\+200B \(ZERO WIDTH SPACE\)",
    "a\u2028b": r"U\+2028 \(LINE SEPARATOR\)",
    "a\u00a0b": r"U\+00A0 \(NO-BREAK SPACE\)",
    "\u202esales": r"U\+202E \(RIGHT-TO-LEFT OVERRIDE\)",
    "\ud800": r"U\+D800 \(SURROGATE\)",
}


@pytest.mark.parametrize(("text", "stored"), STORED.items(), ids=ascii)
def test_a_tag_has_one_stored_form(text: str, stored: str):
    assert tags.normalize_tag(text) == stored
    assert tags.normalize_tag(stored) == stored


@pytest.mark.parametrize(("text", "rule"), REFUSED.items(), ids=ascii)
def test_a_text_that_is_no_tag_is_refused_with_the_rule(text: str, rule: str):
    with pytest.raises(InvalidInputError, match=rule):
        tags.normalize_tag(text)


@pytest.fixture
def ids(database: sa.Engine) -> list[int]:
    with database.begin() as connection:
        return [
            repository.add_or_update(connection, f"box{number}@pool.example", MailboxSettings(kind="pool"), actor="x")
            for number in range(3)
        ]


def test_tags_are_set_added_removed_and_counted(database: sa.Engine, ids: list[int]):
    one, two, three = ids
    with database.begin() as connection:
        assert tags.set_tags(connection, {one: ["north", "sales"], two: ["sales"]}) == {one, two}
        assert tags.set_tags(connection, {one: ["north", "sales"], two: ["sales"]}) == set()
        assert tags.change_tags(connection, ids, add=["vip"], remove=["sales"]) == {one, two, three}
        assert tags.change_tags(connection, [three], add=["vip"], remove=["sales"]) == set()
        assert tags.load_tags(connection, ids) == {one: ("north", "vip"), two: ("vip",), three: ("vip",)}
        assert tags.set_tags(connection, {two: []}) == {two}
        assert tags.load_tags(connection, ids) == {one: ("north", "vip"), three: ("vip",)}
        counts = [(count.tag, count.mailboxes) for count in tags.count_tags(connection)]
        assert counts == [("north", 1), ("vip", 2)]
        found = connection.scalars(sa.select(Mailbox.id).where(tags.has_tag("vip")))
        assert set(found) == {one, three}


def test_a_mailbox_has_at_most_as_many_tags_as_an_import_accepts(database: sa.Engine, ids: list[int]):
    many = [f"t{number}" for number in range(tags.MAX_TAGS)]
    with database.begin() as connection:
        tags.change_tags(connection, ids, add=many[:60])
        tags.change_tags(connection, ids[:1], add=many[60:])
        with pytest.raises(InvalidInputError, match="1 mailbox would have more than 100 tags"):
            tags.change_tags(connection, ids, add=["one more"])
        assert tags.change_tags(connection, ids[:1], add=["one more"], remove=["t0"]) == {ids[0]}
        with pytest.raises(InvalidInputError, match="1 mailbox would have more"):
            tags.set_tags(connection, {ids[1]: [*many, "one more"]})
        assert {len(found) for found in tags.load_tags(connection, ids).values()} == {60, tags.MAX_TAGS}
    with pytest.raises(InvalidInputError, match="There are 101 tags, and 100 are possible"):
        tags.normalize_tags([*many, "one more"])


def test_tags_go_with_their_mailbox(database: sa.Engine, ids: list[int]):
    with database.begin() as connection:
        tags.set_tags(connection, {ids[0]: ["north"]})
        connection.execute(sa.text("DELETE FROM gmail_warmup.mailbox"))
        assert tags.count_tags(connection) == []


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        (MailboxChanges(add_tags=("vip",)), {"sales", "vip"}),
        (MailboxChanges(tags=("north",)), {"north"}),
        (MailboxChanges(tags=("north", "old"), add_tags=("vip",), remove_tags=("old",)), {"north", "vip"}),
    ],
)
def test_a_change_reads_the_tags_once(database: sa.Engine, ids: list[int], changes: MailboxChanges, after: set[str]):
    statements: list[str] = []
    sa.event.listen(database, "before_cursor_execute", lambda *event: statements.append(event[2]))
    with database.begin() as connection:
        tags.set_tags(connection, {ids[0]: ["sales"]})
        statements.clear()
        assert change_settings(connection, ["box0@pool.example"], changes, actor="x") == 1
        assert sum("array_agg" in statement for statement in statements) == 1
        assert set(tags.load_tags(connection, ids[:1])[ids[0]]) == after
