"""Schedules of tags in the database."""

from __future__ import annotations

import sqlalchemy as sa

from gmail_warmup.mailboxes.schedules.store import list_tag_schedules, put_tag_schedule
from gmail_warmup.mailboxes.schedules.values import ScheduleValues


def test_tags_are_listed_in_the_order_in_which_they_count(database: sa.Engine):
    tags = ["äpfel", "zeta", "a-z", "a b", "日本", "ab"]
    with database.begin() as connection:
        for tag in tags:
            put_tag_schedule(connection, tag, ScheduleValues(ramp_cap=9), actor="test")
        assert list(list_tag_schedules(connection)) == sorted(tags)
