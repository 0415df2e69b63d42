"""``mailboxes sync --delegated``: from the directory of a Workspace to the mailboxes, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gmail_sandbox.client import SandboxClient
from gmail_sandbox.control.service_account_models import ServiceAccountMade
from gmail_sandbox.fault_catalog import CATALOGUE
from gmail_warmup.gmail.workspace.directory import MEMBER_SCOPE, USER_SCOPE, DirectoryUser, GroupMember
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.mailboxes.tags import load_tags
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.transfer.directory.plan import Selection
from support.workspace import ADMIN, ROBOT, connect_directory
from support.world import World

ADA, BEN, DORA = "ada@work.example", "ben@work.example", "dora@work.example"
GROUP, INNER = "warmup@work.example", "inner@work.example"
SYNC = ("mailboxes", "sync", "--delegated", "--admin", ADMIN, "--kind", "pool")


def user(address: str, **fields: Any) -> dict[str, Any]:
    return {"address": address, "org_unit": "/Sales"} | fields


BOSS = user(ADMIN, is_admin=True, org_unit="/")


@pytest.fixture(scope="module")
def robot(sandbox_server: SandboxClient) -> ServiceAccountMade:
    return sandbox_server.put_service_account(ROBOT)


@pytest.fixture(autouse=True)
def workspace(world: World, robot: ServiceAccountMade, monkeypatch: pytest.MonkeyPatch) -> World:
    connect_directory(world, robot, monkeypatch)
    return world


def put(world: World, address: str, auth: str = "delegated") -> None:
    with world.store.engine.begin() as connection:
        repository.add_or_update(connection, address, MailboxSettings(kind="pool", auth=auth), actor="test")


def stored(world: World) -> dict[str, str | None]:
    """Return the reason of the pause of each mailbox; None for one that is not paused."""
    return dict(world.rows("SELECT address, pause_reason FROM gmail_warmup.mailbox ORDER BY address"))


def tags_of(world: World, address: str) -> tuple[str, ...]:
    with world.store.engine.begin() as connection:
        mailbox = repository.get_mailbox(connection, address)
        return load_tags(connection, [mailbox.id]).get(mailbox.id, ())


def test_nothing_is_written_before_apply_and_a_second_run_changes_nothing(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS, user(ADA, name="Ada Lovelace"), user(BEN), user(DORA, suspended=True)])
    put(workspace, DORA)
    shown = shell(*SYNC, "--org-unit", "/Sales")
    assert "run the command again with --apply" in shown
    assert stored(workspace) == {DORA: None}
    done = shell.json(*SYNC, "--org-unit", "/Sales", "--apply")
    assert [(row["address"], row["effect"]) for row in done["mailboxes"]] == [
        (ADA, "add"), (BEN, "add"), (DORA, "pause"),
    ]  # fmt: skip
    assert stored(workspace) == {ADA: None, BEN: None, DORA: "Workspace directory: the user is suspended"}
    query = "SELECT auth, display_name FROM gmail_warmup.mailbox WHERE address = :address"
    assert workspace.rows(query, address=ADA) == [("delegated", "Ada Lovelace")]
    again = shell.json(*SYNC, "--org-unit", "/Sales", "--apply")
    assert (again["add"], again["pause"], again["failed"], again["unchanged"]) == (0, 0, 0, 3)


ABSENT = [
    ({"suspended": True}, "the user is suspended"),
    ({"archived": True}, "the user is archived"),
    ({"has_mailbox": False}, "the user has no Gmail mailbox"),
]


@pytest.mark.parametrize(("fields", "reason"), ABSENT)
def test_an_absent_user_is_paused_and_not_added(workspace: World, shell: Any, fields: dict[str, Any], reason: str):
    workspace.sandbox.put_directory([BOSS, user(ADA, **fields), user(BEN, **fields)])
    put(workspace, ADA)
    done = shell.json(*SYNC, "--apply")
    rows = {row["address"]: (row["effect"], row["reason"]) for row in done["mailboxes"]}
    assert (rows[ADA], rows[BEN]) == (("pause", reason), ("skipped", reason))
    assert stored(workspace) == {ADA: f"Workspace directory: {reason}", ADMIN: None}


def test_a_deleted_user_is_paused_and_other_workspaces_are_left_alone(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS])
    for address in (ADA, "eve@elsewhere.example"):
        put(workspace, address)
    put(workspace, BEN, auth="grant")
    shell(*SYNC, "--org-unit", "/", "--apply")
    assert stored(workspace) == {
        ADA: "Workspace directory: the directory has no such user",
        ADMIN: None,
        BEN: None,
        "eve@elsewhere.example": None,
    }


def test_an_alias_is_the_mailbox_of_its_user(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS, user(ADA, aliases=["lady@work.example", "not an address"])])
    put(workspace, "lady@work.example")
    done = shell.json(*SYNC, "--org-unit", "/Sales", "--apply")
    assert (done["add"], done["pause"], done["unchanged"]) == (0, 0, 1)
    assert stored(workspace) == {"lady@work.example": None}


def test_a_mailbox_with_a_consent_keeps_it(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS, user(ADA), user(BEN, suspended=True)])
    for address in (ADA, BEN):
        put(workspace, address, auth="grant")
    rows = shell.json(*SYNC, "--org-unit", "/Sales", "--apply")["mailboxes"]
    assert {(row["address"], row["effect"]) for row in rows} == {(ADA, "skipped"), (BEN, "skipped")}
    assert stored(workspace) == {ADA: None, BEN: None}


def test_a_pause_of_a_person_is_kept_and_a_user_who_is_back_is_reported(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS, user(ADA, suspended=True), user(BEN, suspended=True)])
    for address in (ADA, BEN):
        put(workspace, address)
    shell("mailboxes", "pause", ADA, "--reason", "on holiday")
    shell(*SYNC, "--org-unit", "/Sales", "--apply")
    workspace.sandbox.put_directory([BOSS, user(ADA), user(BEN)])
    rows = shell.json(*SYNC, "--org-unit", "/Sales", "--apply")["mailboxes"]
    assert [(row["address"], row["effect"]) for row in rows] == [(BEN, "unchanged")]
    assert "resume" in rows[0]["reason"]
    assert stored(workspace) == {ADA: "on holiday", BEN: "Workspace directory: the user is suspended"}


# The selection


def test_an_organisational_unit_includes_those_below_it_and_no_other_with_its_prefix(workspace: World, shell: Any):
    users = [BOSS, user(ADA), user(BEN, org_unit="/Sales/North"), user(DORA, org_unit="/Salesforce")]
    workspace.sandbox.put_directory(users)
    rows = shell.json(*SYNC, "--org-unit", "sales/")["mailboxes"]
    assert [row["address"] for row in rows] == [ADA, BEN]


def test_a_group_includes_nested_groups_and_names_external_members(workspace: World, shell: Any):
    groups = {GROUP: [ADA, INNER, "guest@elsewhere.example"], INNER: [BEN, GROUP]}
    workspace.sandbox.put_directory([BOSS, user(ADA), user(BEN), user(DORA)], groups)
    workspace.sandbox.set(directory_page_size=1)
    rows = shell.json(*SYNC, "--group", GROUP)["mailboxes"]
    assert {row["address"]: row["effect"] for row in rows} == {
        ADA: "add", BEN: "add", "guest@elsewhere.example": "skipped",
    }  # fmt: skip


def test_a_group_may_contain_everyone(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS, user(ADA)], {GROUP: ["*"]})
    assert shell.json(*SYNC, "--group", GROUP)["add"] == 2


def test_with_a_tag_who_left_the_selection_is_paused_and_others_are_not(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS, user(ADA), user(BEN)])
    put(workspace, ADA)
    put(workspace, ADMIN)
    selection = (*SYNC, "--org-unit", "/Sales", "--tag", "Sales")
    done = shell.json(*selection, "--apply")
    assert (done["tag"], done["add"]) == (1, 1)
    assert tags_of(workspace, ADA) == tags_of(workspace, BEN) == ("sales",)
    workspace.sandbox.put_directory([BOSS, user(ADA), user(BEN, org_unit="/Support")])
    assert shell.json(*SYNC, "--org-unit", "/Sales", "--apply")["pause"] == 0
    shell(*selection, "--apply")
    assert stored(workspace) == {ADA: None, ADMIN: None, BEN: "Workspace directory: the user left the selection"}


def test_the_change_log_names_who_synchronised(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS, user(ADA), user(BEN, archived=True)])
    put(workspace, BEN)
    workspace.sql("DELETE FROM gmail_warmup.change_log")
    shell(*SYNC, "--org-unit", "/Sales", "--tag", "sales", "--apply")
    rows = workspace.rows("SELECT subject, action, source, actor LIKE 'cli%' FROM gmail_warmup.change_log ORDER BY id")
    assert rows == [
        (ADA, "mailbox_add", "cli", True), (BEN, "mailbox_pause", "cli", True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--org-unit", "/Slaes"), "No user of the Workspace is in /Slaes"),
        (("--org-unit", "/Sales", "--org-unit", "/Slaes"), "is in /Slaes"),
        (("--group", INNER), f"is in {INNER}"),
        (("--group", "nobody@work.example"), "The directory knows no such group"),
        (("--tag", "a,b"), "contains a comma"),
        (("--tag", "x" * 200), "at most 50"),
        (("--daily-target", "0"), "daily_target"),
        (("--timezone", "Mars/Olympus"), "timezone"),
        (("--org-unit", " "), "/ is the whole Workspace"),
        (("--org-unit", "/Sa\nles"), "LINE FEED"),
        (("--org-unit", "/" * 1001), "at most 1000"),
        (("--group", ""), "is not a mail address"),
        (("--group", "warmup"), "is not a mail address"),
        (("--group", GROUP) * 101, "groups"),
        (("--admin", "admin"), "admin: 'admin' is not a mail address"),
    ],
)
def test_a_misspelt_selection_pauses_nobody(workspace: World, shell: Any, words: tuple[str, ...], text: str):
    workspace.sandbox.put_directory([BOSS, user(ADA)], {INNER: ["guest@elsewhere.example"]})
    put(workspace, ADA)
    shell(*SYNC, *words, "--apply", code=2)
    assert text in shell.err
    assert stored(workspace) == {ADA: None}


def test_the_option_delegated_is_required(shell: Any):
    shell(*(word for word in SYNC if word != "--delegated"), code=2)
    assert "Add --delegated" in shell.err


# Odd answers


def test_a_user_who_is_deleted_between_two_pages_costs_nobody_else(workspace: World, shell: Any):
    users = [BOSS, user(ADA, is_deleted_after_page=True), user(BEN), user(DORA)]
    workspace.sandbox.put_directory(users, {GROUP: [ADA, BEN, DORA]})
    workspace.sandbox.set(directory_page_size=2)
    assert shell.json(*SYNC, "--group", GROUP, "--apply")["add"] == 3
    rows = shell.json(*SYNC, "--group", GROUP, "--apply")["mailboxes"]
    assert [(row["address"], row["effect"], row["reason"]) for row in rows] == [
        (ADA, "pause", "the directory has no such user")
    ]
    assert [address for address, reason in stored(workspace).items() if reason is None] == [BEN, DORA]


BAD_USERS = [
    {"primaryEmail": None}, {"primaryEmail": 7}, {"primaryEmail": ""}, {"primaryEmail": "no address"},
    {"primaryEmail": "m\u00fcller@work.example"}, {"primaryEmail": "x" * 300 + "@work.example"}, {"id": None},
]  # fmt: skip


@pytest.mark.parametrize("body", BAD_USERS, ids=repr)
def test_one_bad_user_stops_nobody_else(workspace: World, shell: Any, body: dict[str, Any]):
    workspace.sandbox.put_directory([BOSS, user("odd@work.example", body=body), user(BEN)])
    done = shell.json(*SYNC, "--org-unit", "/Sales", "--apply")
    assert stored(workspace)[BEN] is None
    assert done["failed"] == 0
    assert done["skipped"] == ("id" not in body)


@pytest.mark.parametrize("name", ["A" * 300, "Eve\r\nBcc: x@work.example", "\u202egnp", 7])
def test_a_name_that_cannot_be_sent_is_left_out(workspace: World, shell: Any, name: object):
    workspace.sandbox.put_directory([BOSS, user(ADA, body={"name": {"fullName": name}})])
    shell(*SYNC, "--org-unit", "/Sales", "--apply")
    assert workspace.rows("SELECT display_name FROM gmail_warmup.mailbox") == [(None,)]


REFUSALS = {
    "directory.denied": "directory_denied",
    "directory.scope": "directory_not_delegated",
    "directory.auth_error": "directory_denied",
    "directory.api_disabled": "directory_api_disabled",
    "directory.not_found": "directory_not_found",
    "directory.bad_request": "request_refused",
    "directory.200_same_page": "unusable_answer",
}


@pytest.mark.parametrize(("fault", "code"), REFUSALS.items())
def test_a_refusal_is_named_with_its_remedy_and_changes_nothing(workspace: World, shell: Any, fault: str, code: str):
    workspace.sandbox.put_directory([BOSS, user(ADA)])
    put(workspace, DORA)
    workspace.sandbox.add_fault(name=fault)
    shell(*SYNC, "--apply", code=2)
    assert REASONS[code].message in shell.err
    assert ("Try again" if code == "unusable_answer" else REASONS[code].remedy) in shell.err
    assert stored(workspace) == {DORA: None}


PASSING = ["directory.rate_limit_429"]


@pytest.mark.parametrize("fault", PASSING)
def test_a_disturbance_that_passes_is_waited_for(workspace: World, shell: Any, fault: str):
    workspace.sandbox.put_directory([BOSS, user(ADA)])
    workspace.sandbox.add_fault(name=fault, times=3)
    assert shell.json(*SYNC, "--apply")["add"] == 2


def test_a_limit_that_lasts_is_reported(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS, user(ADA)])
    workspace.sandbox.add_fault(name="directory.rate_limit_429")
    shell(*SYNC, "--apply", code=2)
    assert REASONS["throttled"].message in shell.err
    assert workspace.sandbox.faults()[0].hits == 4


def test_rows_that_are_no_users_pause_nobody(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS, user(ADA)])
    put(workspace, ADA)
    workspace.sandbox.add_fault(name="directory.200_odd_rows")
    shell(*SYNC, "--apply")
    assert stored(workspace) == {ADA: None}


def test_the_directory_must_be_delegated_and_the_message_names_the_scopes(workspace: World, shell: Any):
    workspace.sandbox.delegate(ROBOT, "work.example")  # the Gmail scope alone
    shell(*SYNC, code=2)
    assert USER_SCOPE in shell.err
    assert MEMBER_SCOPE in shell.err


def test_who_is_no_administrator_cannot_read_the_directory(workspace: World, shell: Any):
    workspace.sandbox.put_directory([user(ADMIN)])
    shell(*SYNC, code=2)
    assert "Admin roles" in shell.err


def test_every_fault_of_the_directory_is_decided_on():
    waiting = {
        "directory.cut", "directory.quota_403", "directory.user_rate_403", "directory.backend_503",
        "directory.html_403", "directory.200_foreign_json", "directory.200_not_json",
    }  # fmt: skip
    catalogue = {name for name, row in CATALOGUE.items() if row.edge == "directory"}
    assert catalogue == {*REFUSALS, *PASSING, "directory.200_odd_rows", *waiting}


def refuse(world: World, address: str, error: str) -> Callable[[], None]:
    """Let the database refuse to add a mailbox; return what ends that."""
    world.sql(
        "CREATE FUNCTION gmail_warmup.refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE {error}; END $$;"
        " CREATE TRIGGER refuse BEFORE INSERT ON gmail_warmup.mailbox FOR EACH ROW"
        f" WHEN (NEW.address = '{address}') EXECUTE FUNCTION gmail_warmup.refuse()"
    )
    return lambda: world.sql("DROP TRIGGER refuse ON gmail_warmup.mailbox; DROP FUNCTION gmail_warmup.refuse")


def test_a_run_that_stops_says_how_far_it_came_and_is_continued(workspace: World, shell: Any):
    workspace.sandbox.put_directory([BOSS, user(ADA), user(BEN), user(DORA)])
    accept = refuse(workspace, BEN, "admin_shutdown")
    shell(*SYNC, "--org-unit", "/Sales", "--apply", code=1)
    assert "Stopped after 0 of 3 mailboxes: none. What was changed stays." in shell.err
    assert stored(workspace) == {}
    accept()
    assert shell.json(*SYNC, "--org-unit", "/Sales", "--apply")["add"] == 3


@pytest.mark.parametrize("error", ["check_violation", "string_data_right_truncation", "unique_violation"])
def test_one_mailbox_that_the_database_does_not_accept_stops_no_other(workspace: World, shell: Any, error: str):
    workspace.sandbox.put_directory([BOSS, user(ADA), user(BEN), user(DORA)])
    accept = refuse(workspace, BEN, error)
    done = shell.json(*SYNC, "--org-unit", "/Sales", "--apply", code=1)
    accept()
    assert (done["add"], done["failed"]) == (2, 1)
    assert "does not accept a value of this mailbox" in next(row["error"] for row in done["mailboxes"] if row["error"])
    assert stored(workspace) == {ADA: None, DORA: None}


class _Members(list[GroupMember]):
    """The members of a group, and how often they were read."""

    reads = 0

    def __iter__(self) -> Iterator[GroupMember]:
        self.reads += 1
        return super().__iter__()


def test_the_members_of_a_group_are_not_read_again_for_each_user():
    members = _Members(GroupMember(id=str(number), address="") for number in range(0, 200, 2))
    selection = Selection(members={GROUP: members})
    users = [DirectoryUser(id=str(number), address=f"u{number}@work.example") for number in range(200)]
    assert [user.id for user in users if selection.includes(user)] == [member.id for member in list(members)]
    assert members.reads <= 2
