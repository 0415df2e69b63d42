"""Import: everything or nothing, and an error for each bad line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from gmail_warmup.core.characters import is_invisible, is_unsafe_in_name
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import GrantState, HealthBand, MailboxAuth, MailboxKind
from gmail_warmup.mailboxes.pause_end import Pause
from gmail_warmup.mailboxes.records import MailboxRecord
from gmail_warmup.mailboxes.tags import normalize_tags
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import TokenResult
from gmail_warmup.transfer import csv_format, exporter, importer, parser
from support.interleaving import until_waiting
from support.world import CLIENT_ID, World

TOKEN = {"token": "ya29.x", "refresh_token": "1//abc", "client_id": CLIENT_ID, "scopes": ["a", "b"]}


def test_csv_of_settings():
    found = parser.parse_mailboxes(
        "address,kind,daily_target,timezone\nAda@Warm.example,warmup,30,Europe/Berlin\nb@pool.example,pool,,\n"
    )
    assert [(item.address, item.settings.kind, item.settings.daily_target) for item in found] == [
        ("ada@warm.example", "warmup", 30),
        ("b@pool.example", "pool", 40),
    ]
    assert found[0].settings.timezone == "Europe/Berlin"
    assert found[1].grant is None


@pytest.mark.parametrize("token", [TOKEN, json.dumps(TOKEN)], ids=["object", "text of a column"])
def test_a_token_without_an_expiry_is_taken_without_its_access_token(world: World, token: object):
    parsed = parser.parse_mailboxes(
        json.dumps([{"address": "ada@warm.example", "kind": "warmup", "oauth_token": token}])
    )
    importer.import_mailboxes(world.store, parsed, actor=world.actor)
    grant = world.grant("ada@warm.example")
    assert grant.state is GrantState.ACTIVE
    assert grant.access_token is None
    assert grant.refresh_token
    assert world.store.cipher.decrypt(grant.secret_owner, grant.refresh_token) == "1//abc"


def test_a_token_with_an_expiry_keeps_its_access_token(world: World):
    token = TOKEN | {"expiry": "2099-01-01T00:00:00"}
    parsed = parser.parse_mailboxes(
        json.dumps([{"address": "ada@warm.example", "kind": "warmup", "oauth_token": token}])
    )
    importer.import_mailboxes(world.store, parsed, actor=world.actor)
    assert world.grant("ada@warm.example").access_seconds > 0


def test_importing_again_updates_and_doubles_nothing(world: World):
    world.add("ada@warm.example", kind="warmup")
    importer.import_mailboxes(
        world.store, parser.parse_mailboxes("address,kind,open_rate\nada@warm.example,warmup,60\n"), actor=world.actor
    )
    assert world.mailbox("ada@warm.example").open_rate == 60
    assert world.grant("ada@warm.example").refresh_token


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("kind,open_rate\npool,80\n", "header line with the columns address and kind"),
        ("address,kind\nnobody,pool\n", "line 2: 'nobody' is not a mail address"),
        ("address,kind\na@pool.example,boss\n", "line 2: a@pool.example: kind"),
        ("address,kind,timezone\na@pool.example,pool,Mars/Base\n", "IANA time zone.*Mars/Base"),
        ("address,kind,open_rate\na@pool.example,pool,101\n", "open_rate: must be a whole number from 0 to 100 .*101"),
        ("address,kind,reply_rate\na@pool.example,pool,-1\n", "reply_rate: must be a whole number from 0 to 100 .*-1"),
        ("address,kind,colour\na@pool.example,pool,red\n", "unknown column colour"),
        ("address,kind\na@pool.example,pool\nA@pool.example,pool\n", "line 3: a@pool.example appears twice"),
        ("[1, 2]", "list of objects"),
        ("[{", "not JSON"),
        ('[{"address": "a@pool.example", "kind": "pool", "oauth_token": {"token": "x"}}]', "no refresh_token"),
        ('[{"address": "a@pool.example", "kind": "pool", "oauth_token": "{"}]', "token is not JSON"),
    ],
)
def test_each_bad_input_is_named_with_its_rule(text: str, said: str):
    with pytest.raises(InvalidInputError, match=said):
        parser.parse_mailboxes(text)


def test_every_bad_line_is_listed():
    with pytest.raises(InvalidInputError, match=r"2 of 3 mailboxes cannot be imported; nothing was imported") as caught:
        parser.parse_mailboxes("address,kind\nx,pool\nok@pool.example,pool\ny,pool\n")
    assert "line 2" in str(caught.value)
    assert "line 4" in str(caught.value)


def test_no_error_shows_a_token():
    broken = [{"address": "a@pool.example", "kind": "boss", "oauth_token": TOKEN}]
    with pytest.raises(InvalidInputError) as caught:
        parser.parse_mailboxes(json.dumps(broken))
    assert "1//abc" not in str(caught.value)
    assert "ya29" not in str(caught.value)


def test_a_consent_that_comes_while_a_backup_is_restored_wins(world: World):
    world.add("ada@warm.example")
    backup = parser.parse_mailboxes(json.dumps([{"address": "ada@warm.example", "kind": "warmup", "grant": TOKEN}]))
    made_at = datetime.now(UTC) - timedelta(hours=1)
    newer = world.sandbox.grant("ada@warm.example", CLIENT_ID)
    verdict = TokenResult(
        reason=REASONS["ok"], access_token="ya29.y", expires_in=3599, refresh_token=newer.refresh_token
    )
    with ThreadPoolExecutor(1) as pool:
        with world.store.engine.begin() as connection:
            world.store.store_consent(connection, 1, verdict, client_id=CLIENT_ID, elapsed=0, actor=world.actor)
            restoring = pool.submit(
                importer.import_mailboxes, world.store, backup, actor=world.actor, exported_at=made_at
            )
            until_waiting(world, restoring)
        done = restoring.result()
    assert (done.grants, done.grants_kept) == (0, 1)
    grant = world.grant("ada@warm.example")
    assert world.store.cipher.decrypt(grant.secret_owner, grant.refresh_token or "") == newer.refresh_token


def test_a_setting_without_a_column_stays_and_an_empty_cell_means_the_default(world: World):
    world.add("ada@warm.example", kind="warmup", daily_target=33, open_rate=12, display_name="Ada")
    text = "address,kind,open_rate,display_name\nada@warm.example,warmup,,\n"
    importer.import_mailboxes(world.store, parser.parse_mailboxes(text), actor=world.actor)
    ada = world.mailbox("ada@warm.example")
    assert (ada.daily_target, ada.open_rate, ada.display_name) == (33, None, None)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffaddress;kind;display_name\r\nada@pool.example;pool;Ada, L\r\nbob@pool.example;warmup;\r\n",
        "address\tkind\tdisplay_name\r\nada@pool.example\tpool\tAda, L\r\nbob@pool.example\twarmup\t\r\n",
        '"Address", "Kind", "Display_Name",,\nADA@pool.example ,pool,"Ada, L",,\n,,,,\nbob@pool.example,warmup,,,\n',
        'address,kind,display_name\rada@pool.example,pool,"Ada, L"\rbob@pool.example,warmup\r',
        '\n\naddress,kind,display_name\n"ada@pool.example","pool","Ada, L"\n\nbob@pool.example,warmup,',
    ],
    ids=["Excel, decimal comma", "Excel, Unicode text", "wider once", "old Mac", "empty lines"],
)
def test_csv_as_spreadsheet_programs_write_it(text: str):
    found = parser.parse_mailboxes(text)
    assert [(item.address, item.settings.kind, item.settings.display_name) for item in found] == [
        ("ada@pool.example", "pool", "Ada, L"),
        ("bob@pool.example", "warmup", None),
    ]


def test_all_problems_have_their_line_and_column():
    text = (
        "address,kind,colour,open_rate,open_rate\n"
        "ada@pool.example,boss,,101,101\n"
        'bob@pool.example,"po"ol,,,\n'
        "eve@pool.example,pool,,,,6\n"
        "ok@pool.example,pool\n"
    )
    found = parser.parse_with_problems(text)
    assert [(problem.number, problem.field) for problem in found.problems] == [
        (1, "colour"), (1, "open_rate"), (2, "kind"), (2, "open_rate"), (3, ""), (4, ""),
    ]  # fmt: skip
    assert [(item.number, item.address) for item in found.mailboxes] == [(5, "ok@pool.example")]
    assert str(found.problems[3]) == (
        "line 2: ada@pool.example: open_rate: must be a whole number from 0 to 100 (given: '101')"
    )


def test_an_unclosed_quotation_mark_does_not_swallow_the_file():
    found = parser.parse_with_problems('address,kind\nada@pool.example,"pool\nbob@pool.example,pool\n')
    assert found.mailboxes == []
    assert "quotation marks" in found.problems[0].rule


def test_a_huge_value_is_not_repeated():
    with pytest.raises(InvalidInputError) as caught:
        parser.parse_mailboxes(json.dumps([{"address": "a" * 10_000, "kind": "b" * 10_000, "c" * 10_000: 1}]))
    assert len(str(caught.value)) < 1000


@given(st.text())
def test_defusing_a_cell_is_undone_and_leaves_no_formula(cell: str):
    defused = csv_format.escape_formula(cell)
    assert csv_format.unescape_formula(defused) == cell
    assert not defused.startswith(tuple("=+-@\t\r\n"))


@given(st.from_regex(r"\A'{0,3}[=+@\t\r\n-].{0,3}\Z"))
def test_what_begins_like_a_formula_is_defused(cell: str):
    assert csv_format.escape_formula(cell) == f"'{cell}"
    assert csv_format.unescape_formula(f"'{cell}") == cell


LETTERS = st.characters(codec="utf-8", exclude_characters="\x00")
REASONS_TO_PAUSE = st.text(LETTERS, max_size=40) | st.sampled_from(["=1+1", "'=1", "a\r\nb", "a\rb", '"', ";", " x "])
TAGS = st.sampled_from(["=1+1", "@x", "-", "'=1", '"', "a b", "ß", "a;b", "x\u0301", "<b>", "'", "a/b", "\uff1d1"])
LOCAL = st.from_regex(r"\A[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,10}(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,9})?\Z").filter(
    lambda local: "=?" not in local
)


def _is_visible(name: str) -> bool:
    return not name or not all(map(is_invisible, name))


@st.composite
def mailboxes(draw: st.DrawFn) -> MailboxRecord:
    """Any mailbox that the rules allow."""
    nothing = dict.fromkeys(
        ("label_id", "resumed_at", "deferred_until", "deferred_reason", "reason", "next_probe_at", "granted_at",
         "refreshed_at", "refresh_expires_at", "access_expires_at", "label_name", "band_reason", "band_since",
         "health_window_start", "half_volume_on", "sent_24h", "sent_24h_at", "gmail_retry_at")
    )  # fmt: skip
    plain = st.characters(codec="utf-8", exclude_characters='<>"\\').filter(lambda char: not is_unsafe_in_name(char))
    line = st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"])
    now = datetime.now(UTC)
    return MailboxRecord(
        id=1,
        address=draw(LOCAL) + "@shop.example",
        kind=draw(st.sampled_from(MailboxKind)),
        auth=draw(st.sampled_from(MailboxAuth)),
        display_name=draw(st.text(plain, max_size=20).map(str.strip).filter(_is_visible)) or None,
        signature="\n".join(draw(st.lists(st.text(line, max_size=20), max_size=3))).strip() or None,
        daily_target=draw(st.integers(1, 2000)),
        open_rate=draw(st.integers(0, 100)),
        reply_rate=draw(st.integers(0, 100)),
        timezone=draw(st.sampled_from(["UTC", "Europe/Berlin", "America/Argentina/Ushuaia"])),
        created_at=now,
        paused_at=draw(st.none() | st.just(now)),
        pause_reason=draw(st.none() | REASONS_TO_PAUSE),
        paused_until=draw(st.none() | st.dates(date(2020, 1, 1), date(2030, 1, 1))),
        owner_email=draw(st.none() | LOCAL.map(lambda local: f"{local}@xn--bcher-kva.example")),
        tags=draw(st.lists(TAGS, max_size=4).map(normalize_tags)),
        days_off=draw(st.sampled_from([None, "none", "2026-12-24", "2026-12-24,2026-12-31"])),
        language=draw(st.sampled_from([None, "de", "pt-br"])),
        state=GrantState.ACTIVE,
        state_since=now,
        band=HealthBand.HEALTHY,
        **nothing,
    )


@pytest.mark.parametrize("write", [exporter.write_csv, exporter.write_json])
@given(found=st.lists(mailboxes(), min_size=1, max_size=5, unique_by=lambda mailbox: mailbox.address))
def test_every_mailbox_comes_back_from_its_file(write, found: list[MailboxRecord]):
    text = "".join(write(found))
    back = {item.address: item for item in parser.parse_mailboxes(text)}
    assert back.keys() == {mailbox.address for mailbox in found}
    for mailbox in found:
        item = back[mailbox.address]
        expected = exporter.to_settings_row(mailbox)
        reason, until = (item.pause.reason, item.pause.until) if item.pause else (None, None)
        pause = {"pause_reason": reason, "paused_until": until and until.isoformat()}
        assert {"address": item.address, **item.settings.model_dump(), **pause} == expected


@pytest.mark.parametrize(
    ("reason", "until", "rule"),
    [
        ("", "2026-12-24", "needs a text in pause_reason"),
        ("x", "24.12.2026", "must be a date as YYYY-MM-DD, for example 2026-12-24 .given: '24.12.2026'"),
        ("x", "2026-02-30", "must be a date"),
        ("x", "2026-12-24T12:00:00", "must be a date"),
        ("x", "2026-12-24T00:00:00+01:00", "must be a date"),
        ("x", "=1", "must be a date"),
        ("x", "9999-12-31", "must be within ten years"),
    ],
)
def test_an_end_of_a_pause_that_breaks_a_rule_is_named(reason: str, until: str, rule: str):
    with pytest.raises(InvalidInputError, match=f"line 2: ada@pool.example: paused_until: {rule}"):
        parser.parse_mailboxes(f"address,kind,pause_reason,paused_until\nada@pool.example,pool,{reason},{until}\n")


@pytest.mark.parametrize("until", ["2026-12-24", " 2026-12-24 ", "2026-12-24T00:00:00"])
def test_an_end_of_a_pause_is_read(until: str):
    (item,) = parser.parse_rows([{"address": "a@pool.example", "kind": "pool", "pause_reason": "x",
                                  "paused_until": until}])  # fmt: skip
    assert item.pause == Pause(reason="x", until=date(2026, 12, 24))


@pytest.mark.parametrize("dry_run", [False, True], ids=["import", "dry run"])
def test_the_number_of_statements_does_not_depend_on_the_number_of_mailboxes(world: World, dry_run: bool):
    numbers = []
    for count in (10, 200, 200):  # the second file of 200 finds the mailboxes of the first
        file = [
            {"address": f"box{number}@pool.example", "kind": "pool", "pause_reason": "holiday", "grant": TOKEN}
            for number in range(count)
        ]
        with counted_statements(world.store.engine) as statements:
            done = importer.import_mailboxes(
                world.store, parser.parse_rows(file), actor=world.actor, overwrite_grants=True, dry_run=dry_run
            )
        assert (done.mailbox_count, done.grants) == (count, count)
        numbers.append(len(statements))
    assert max(numbers) < 25, numbers


@contextmanager
def counted_statements(engine: sa.Engine) -> Iterator[list[str]]:
    """Collect the statements that are sent to the database."""
    statements: list[str] = []

    def note(*event: Any) -> None:
        statements.append(event[2])

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


def test_an_import_writes_what_the_file_says(world: World):
    world.add("old@pool.example", open_rate=12)
    world.add("changed@pool.example")
    file = [
        {"address": "new@pool.example", "kind": "pool", "grant": TOKEN | {"expiry": "2099-01-01T00:00:00Z"}},
        {"address": "plain@pool.example", "kind": "warmup", "pause_reason": "holiday"},
        {"address": "old@pool.example", "kind": "pool", "daily_target": 7, "grant": TOKEN},
        {"address": "changed@pool.example", "kind": "pool", "auth": "delegated"},
    ]
    done = importer.import_mailboxes(world.store, parser.parse_rows(file), actor=world.actor)
    assert (done.added, done.updated, done.paused, done.to_sign_in, done.grants) == (2, 2, 1, 1, 2)
    scopes = "SELECT scopes FROM gmail_warmup.oauth_grant JOIN gmail_warmup.mailbox m ON m.id = mailbox_id"
    assert world.rows(f"{scopes} WHERE address LIKE 'new@%'") == [(["a", "b"],)]
    assert world.grant("new@pool.example").access_seconds > 0
    assert world.mailbox("plain@pool.example").pause_reason == "holiday"
    old = world.mailbox("old@pool.example")
    assert (old.daily_target, old.open_rate) == (7, 12)
    assert world.mailbox("changed@pool.example").auth is MailboxAuth.DELEGATED
    assert [event[2] for event in world.events("new@pool.example")] == ["never_granted", "imported"]
    alerts = "SELECT count(*) FROM gmail_warmup.alert_item JOIN gmail_warmup.mailbox m ON m.id = mailbox_id"
    assert world.rows(f"{alerts} WHERE address LIKE 'new@%'") == [(1,)], "it was flagged, and works now"


OWNED = [
    ("csv", 'address,kind,owner,tags\na@x.example,pool,Olivia@example.com,"b, A,a"\n'),
    ("json", '[{"address": "a@x.example", "kind": "pool", "owner_email": "olivia@example.com", "tags": ["b", "a"]}]'),
]


@pytest.mark.parametrize("text", [text for _, text in OWNED], ids=[name for name, _ in OWNED])
def test_owner_and_tags_are_imported_and_kept_by_a_file_without_them(world: World, text: str):
    importer.import_mailboxes(world.store, parser.parse_mailboxes(text), actor=world.actor)
    found = world.mailbox("a@x.example")
    assert (found.owner_email, found.tags) == ("olivia@example.com", ("a", "b"))
    other = parser.parse_mailboxes("address,kind,open_rate\na@x.example,pool,60\n")
    importer.import_mailboxes(world.store, other, actor=world.actor)
    assert world.mailbox("a@x.example").tags == ("a", "b")
    changed = parser.parse_mailboxes("address,kind,tags\na@x.example,pool,c\n")
    result = importer.import_mailboxes(world.store, changed, actor=world.actor)
    assert [effect.changes for effect in result.mailboxes] == [("tags a, b -> c",)]
    found = world.mailbox("a@x.example")
    assert (found.owner_email, found.tags) == ("olivia@example.com", ("c",))


def test_a_backup_keeps_owner_and_tags(world: World):
    world.add("a@x.example", owner_email="olivia@example.com", tags=("a", "b"))
    _, restored = exporter.parse_backup(exporter.create_backup(world.store, actor="test").to_json())
    world.sql("DELETE FROM gmail_warmup.mailbox")
    importer.import_mailboxes(world.store, restored, actor=world.actor)
    found = world.mailbox("a@x.example")
    assert (found.owner_email, found.tags) == ("olivia@example.com", ("a", "b"))
