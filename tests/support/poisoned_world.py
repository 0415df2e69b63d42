"""Mailboxes that work, next to rows that break rules; and everything that has to go on for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import sqlalchemy as sa

from gmail_warmup.airflow import gauges
from gmail_warmup.alerts.compose import compose_alerts
from gmail_warmup.alerts.health_alerts import compose_health_alert
from gmail_warmup.alerts.webhooks import delivery_log
from gmail_warmup.alerts.webhooks.delivery import deliver_webhooks
from gmail_warmup.alerts.webhooks.delivery_log import DeliveryQuery
from gmail_warmup.alerts.webhooks.receivers import register_receivers
from gmail_warmup.audit import decisions
from gmail_warmup.audit.pipeline import Audit
from gmail_warmup.audit.report import build_report
from gmail_warmup.audit.report_text import format_report as format_audit
from gmail_warmup.audit.results import AuditOutcome
from gmail_warmup.core.enums import Action
from gmail_warmup.db import clock
from gmail_warmup.db.engine import read_transaction, write_transaction
from gmail_warmup.db.models import Mailbox
from gmail_warmup.db.paging import IdRange
from gmail_warmup.domains.check import check_all_domains
from gmail_warmup.mailboxes import removals, repository
from gmail_warmup.transfer import exporter
from gmail_warmup.warmup.health.authentication import update_authentication_incidents
from gmail_warmup.warmup.planning.backlog import count_backlog
from gmail_warmup.warmup.removal.text import describe_removal
from gmail_warmup.warmup.reporting.change_text import describe_value
from gmail_warmup.warmup.reporting.changes import ChangeQuery, fetch_change_page
from gmail_warmup.warmup.reporting.grant_days import record_grant_states
from gmail_warmup.warmup.reporting.refresh import refresh_overview
from gmail_warmup.warmup.reporting.weekly.links import list_report_links
from gmail_warmup.warmup.reporting.weekly.report import format_report, load_weekly_report
from gmail_warmup.warmup.reporting.weekly.scope import ReportScope
from gmail_warmup.web.queries import grant_events, mailbox_days, mails
from gmail_warmup.web.queries import mailboxes as queries
from gmail_warmup.web.queries.filters import Group, MailboxFilter
from gmail_warmup.web.queries.fleet import count_today
from gmail_warmup.web.queries.mailboxes import MailboxQuery
from gmail_warmup.web.queries.sorting import Order
from gmail_warmup.web.views import domains, health, statistics
from gmail_warmup.web.views.fleet import load_fleet
from gmail_warmup.web.views.fleet_scope import FleetScope
from gmail_warmup.web.views.mailbox import build_views
from gmail_warmup.web.views.overview import load_overview
from support.mail_kit import ADA, AT_ONCE, POOL, act, due, find_at_night
from support.metrics_kit import KeptMeter
from support.poison import Poison
from support.webhook_kit import POLICY, flag, receiving
from support.world import World

HEALTHY = (ADA, *POOL)
_DAYS = 7


@dataclass
class PoisonedWorld:
    """A world in which ``HEALTHY`` work and every victim has one bad value.

    Attributes:
        victims: the mailbox ids, by poison.
    """

    world: World
    victims: dict[int, Poison] = field(default_factory=dict)

    def prepare(self) -> None:
        """Add the mailboxes that work, with something due for every action, before anything breaks a rule."""
        self.world.settings = AT_ONCE.model_copy(update={"audit_rate": 1000, "ramp_start": 4})
        self.world.add(ADA, kind="warmup", expired=False, open_rate=100, reply_rate=100)
        for address in POOL:
            self.world.add(address, expired=False)
        assert act(self.world, Action.SEND)["sent"] == 4
        self.world.sql("UPDATE gmail_warmup.mailbox_day SET planned = planned + 2")
        self.world.settings = self.world.settings.model_copy(update={"ramp_start": 6})

    def store(self, poisons: Iterable[Poison]) -> None:
        """Store each value in a row of its own, which belongs to a mailbox of its own where there is one."""
        with self.world.store.engine.begin() as connection:
            for number, poison in enumerate(poisons, len(self.victims)):
                _store(connection, poison, number, self._add_victim(connection, poison, number))

    def _add_victim(self, connection: sa.Connection, poison: Poison, number: int) -> int:
        address = (
            poison.value if poison.column == "address" and poison.table == "mailbox" else f"'v{number}@bad.example'"
        )
        columns = {"address": address, "kind": "'warmup'" if number % 2 else "'pool'", "created_by": "'test'"}
        if poison.table == "mailbox":
            columns |= {poison.column: poison.value}
        mailbox_id = insert_row(connection, "mailbox", columns, returning="id")
        token = self.world.store.cipher.encrypt(f"mailbox:{mailbox_id}", "1//victim")
        grant = {
            "mailbox_id": str(mailbox_id), "state": "'active'", "refresh_token": f"'{token}'",
            "granted_at": "now() - interval '9 days'", "refreshed_at": "now() - interval '2 days'",
        }  # fmt: skip
        bad = {poison.column: poison.value} if poison.table == "oauth_grant" else {}
        insert_row(connection, "oauth_grant", grant | bad)
        self.victims[mailbox_id] = poison
        return mailbox_id

    def find_stopped(self) -> list[str]:
        """Try everything that the other mailboxes need; return what does not work, with the error."""
        stopped = []
        for name, check in self._checks().items():
            try:
                check()
            except Exception as error:
                stopped.append(f"{name}: {type(error).__name__}: {error}"[:600])
        return stopped

    def _checks(self) -> dict[str, Callable[[], None]]:
        pages: dict[str, Callable[[], None]] = {f"list {order}": partial(self._list, order) for order in Order}
        pages |= {f"filter {group}": partial(self._filter, group) for group in Group}
        pages |= {f"page of {address}": partial(self._page, address) for address in HEALTHY}
        plans = {f"plan of {action}": partial(self._plan, action) for action in Action}
        actions = {action.value: partial(self._act, action) for action in Action}
        return pages | {
            "DAG tab": self._dag_tab,
            "statistics": self._statistics,
            "domains": self._domains,
            **plans,
            **actions,
            "audit": self._audit,
            "export": self._export,
            "changes and reports": self._changes_and_reports,
            "gauges": self._gauges,
            "alerts": self._alerts,
            "webhooks": self._webhooks,
            "removals": self._removals,
        }

    def _list(self, order: Order) -> None:
        with read_transaction(self.world.store.engine) as connection:
            page = queries.load_page(connection, MailboxQuery(order=order, limit=1000), expiring_days=_DAYS)
            now = clock.get_current_time(connection)
            views = build_views(connection, page.rows, now=now, settings=self.world.settings)
        addresses = [view.model_dump(mode="json")["address"] for view in views]
        assert set(HEALTHY) <= set(addresses)
        with read_transaction(self.world.store.engine) as connection:
            assert len(addresses) == connection.scalar(sa.select(sa.func.count()).select_from(Mailbox))

    def _filter(self, group: Group) -> None:
        with read_transaction(self.world.store.engine) as connection:
            query = MailboxQuery(filter=MailboxFilter(group=group), limit=1000)
            queries.load_page(connection, query, expiring_days=_DAYS)
            queries.count_by_group(connection, expiring_days=_DAYS)

    def _page(self, address: str) -> None:
        with read_transaction(self.world.store.engine) as connection:
            show_page(connection, address, self.world)

    def _plan(self, action: Action) -> None:
        found = due(self.world, action)
        expected = {Action.SEND: {ADA}, Action.RESCUE: set(POOL)}.get(action, set())
        assert expected <= set(found), found
        with read_transaction(self.world.store.engine) as connection:
            count_backlog(connection, action)

    def _act(self, action: Action) -> None:
        if action is Action.RESCUE:  # what is found at night is left to the next action
            done = [find_at_night(self.world, HEALTHY)]
        else:
            done = [act(self.world, action, address) for address in HEALTHY]
        wanted = {
            Action.SEND: "sent", Action.RESCUE: "placed_inbox", Action.READ: "read", Action.REPLY: "replied",
            Action.COLLECT: "collected",
        }[action]  # fmt: skip
        assert sum(counts.get(wanted, 0) for counts in done) > 0, done
        if action is Action.SEND:
            assert done[0]["sent"] == 2, done

    def _audit(self) -> None:
        world = self.world
        world.sql("UPDATE gmail_warmup.oauth_grant SET access_expires_at = now(), version = version + 1"
                  " WHERE mailbox_id <= :last", last=len(HEALTHY))  # fmt: skip
        audit = decisions.begin_audit(world.store.engine, "a run of the test", actor=world.actor)
        with read_transaction(world.store.engine) as connection:
            ids = list(connection.scalars(sa.select(Mailbox.id).order_by(Mailbox.id)))
        result = Audit(world.store, world.client, world.settings, actor=world.actor, force=True).run(ids)
        assert result.count(AuditOutcome.REFRESHED) == len(HEALTHY), result
        decisions.decide_refusals(world.store, audit, result, actor=world.actor)
        with write_transaction(world.store.engine) as connection:
            decisions.select_second_pass(connection, audit, has_unreached=True, delay=1, skip_within=1)
            report = build_report(connection, result, expiring_days=_DAYS)
            decisions.finish_audit(connection, audit, report)
        assert format_audit(report)

    def _export(self) -> None:
        with read_transaction(self.world.store.engine) as connection:
            mailboxes = repository.list_mailboxes(connection)
        for text in ("".join(exporter.write_csv(mailboxes)), "".join(exporter.write_json(mailboxes))):
            assert all(address in text for address in HEALTHY)
        backup = exporter.create_backup(self.world.store, actor="test")
        assert backup.to_json()
        assert {row["address"] for row in backup.rows if "grant" in row} >= set(HEALTHY)

    def _changes_and_reports(self) -> None:
        with read_transaction(self.world.store.engine) as connection:
            changes = fetch_change_page(connection, ChangeQuery(position=IdRange(limit=1000))).rows
            assert {change.subject for change in changes} >= set(HEALTHY)
            for value in (value for change in changes for value in change.values):
                assert describe_value(value.name, value.before)
                assert describe_value(value.name, value.after)
            list_report_links(connection)
            assert format_report(load_weekly_report(connection, ReportScope()))

    def _dag_tab(self) -> None:
        with read_transaction(self.world.store.engine) as connection:
            queries.count_by_group(connection, expiring_days=_DAYS)
            load_overview(connection)
            assert count_today(connection, self.world.settings).sent >= 4
            fleet = load_fleet(connection, FleetScope(), self.world.settings, stopped=False)
            assert fleet.today.sent >= 4
        with write_transaction(self.world.store.engine) as connection:
            record_grant_states(connection)
        refresh_overview(self.world.store.engine, self.world.settings)

    def _statistics(self) -> None:
        with read_transaction(self.world.store.engine) as connection:
            assert statistics.load_total_figures(connection).model_dump(mode="json")["sent_today"] >= 4
            domains.load_domains(connection)

    def _domains(self) -> None:
        def lookup(name: str, record_type: str = "TXT") -> list[str]:
            return [f"\x00{name}"]

        checked = check_all_domains(self.world.store.engine, lookup, selector="google")
        assert "warm.example" in checked

    def _gauges(self) -> None:
        meter = KeptMeter()
        gauges.send_status_gauges(self.world.store.engine, meter, self.world.settings)
        assert any("halted" in name for name in meter.gauges), meter.gauges
        for action in Action:
            before = len(meter.gauges)
            gauges.send_plan_gauges(self.world.store.engine, meter, action, taken=1)
            assert len(meter.gauges) > before

    def _removals(self) -> None:
        with read_transaction(self.world.store.engine) as connection:
            for removal in removals.list_removals(connection):
                describe_removal(removal)

    def _alerts(self) -> None:
        with self.world.store.engine.begin() as connection:
            event = {"mailbox_id": "2", "actor": "'test'", "from_state": "'active'", "to_state": "'needs_reauth'"}
            event_id = insert_row(connection, "grant_event", event, returning="id")
            insert_row(connection, "alert_item", {"event_id": str(event_id), "mailbox_id": "2"})
            changed = {
                "mailbox_id": "1", "actor": "'warmup'", "from_band": "'healthy'", "to_band": "'blocked'",
                "reason": "'spam_mostly'", "placed": "9", "spam": "9", "bounced": "0", "is_alertable": "true",
            }  # fmt: skip
            insert_row(connection, "health_event", changed)
        update_authentication_incidents(self.world.store.engine)
        bodies = self.world.rows("SELECT body FROM gmail_warmup.alert WHERE id = any(:ids)", ids=[
            *compose_alerts(self.world.store.engine), *compose_health_alert(self.world.store.engine)])  # fmt: skip
        assert any(POOL[0] in body for (body,) in bodies), bodies
        assert any(ADA in body for (body,) in bodies), bodies

    def _webhooks(self) -> None:
        engine = self.world.store.engine
        with receiving() as inbox:
            receivers = [inbox.receiver()]
            register_receivers(engine, receivers)
            flag(engine, 2)
            deliver_webhooks(engine, receivers, POLICY)
        assert POOL[0] in [payload["data"]["address"] for payload in inbox.payloads]
        with read_transaction(engine) as connection:
            assert delivery_log.load_deliveries(connection, DeliveryQuery(address=POOL[0])).rows
            assert delivery_log.load_receiver_states(connection)


def show_page(connection: sa.Connection, address: str, world: World) -> None:
    """Load what the page of one mailbox shows."""
    record, now = repository.get_mailbox(connection, address), clock.get_current_time(connection)
    (view,) = build_views(connection, [record], now=now, settings=world.settings)
    view.model_dump_json()
    if record.kind == "warmup":
        statistics.load_mailbox_figures(connection, record, world.settings).model_dump_json()
        health.load_health_changes(connection, record.id)
        list(domains.load_domains(connection, record.domain))
    mailbox_days.load_days(connection, record, now=now + timedelta(0))
    grant_events.load_events(connection, record).model_dump_json()
    mails.load_mails(connection, record).model_dump_json()


def insert_row(connection: sa.Connection, table: str, columns: dict[str, str], *, returning: str = "") -> int:
    """Insert a row of SQL expressions; return the value of a column of it."""
    statement = f"INSERT INTO gmail_warmup.{table} ({', '.join(columns)}) VALUES ({', '.join(columns.values())})"
    statement += f" RETURNING {returning}" if returning else ""
    result = connection.exec_driver_sql(statement.replace("%", "%%"))
    return int(result.scalar_one()) if returning else 0


def _store(connection: sa.Connection, poison: Poison, number: int, victim: int) -> None:
    """Store a value in a row of its table that is valid otherwise."""
    if poison.table == "ledger":
        insert_row(connection, "mailbox_day", {"mailbox_id": str(victim), "local_date": "current_date", "planned": "9"})
    if poison.table == "tag_schedule":
        insert_row(connection, "mailbox_tag", {"mailbox_id": str(victim), "tag": f"'t{number}'"})
    for columns in valid_rows(poison.table, number, victim):
        insert_row(connection, poison.table, columns | {poison.column: poison.value})


def valid_rows(table: str, number: int, victim: int) -> list[dict[str, str]]:
    """Return rows that keep every rule, as SQL expressions; ``number`` makes them unique, ``victim`` is a mailbox."""
    now, name = "now()", f"'{table}{number}'"
    event = {"mailbox_id": str(victim), "actor": "'test'"}
    if table == "ledger":
        return _mails(number, victim)
    rows: dict[str, list[dict[str, str]]] = {
        "alert": [{"kind": "'changes'", "title": "'x'", "body": "'x'"}],
        "audit": [{"run_id": name, "actor": "'x'", "healthy": "1", "finished_at": now}],
        "breaker": [{"client_id": name, "opened_at": now, "reason": "'unreachable'"}],
        "change_log": [
            {"actor": "'x'", "action": "'mailbox_pause'", "subject_kind": "'mailbox'", "subject": "'x@bad.example'"},
        ],
        "consent": [{
            "state_hash": name, "purpose": "'reauth'", "address": "'x@bad.example'", "mailbox_id": str(victim),
            "code_verifier": "'x'", "airflow_user": "'x'", "browser_hash": "'x'", "expires_at": now,
        }],
        "domain_authentication": [{
            "domain": f"'d{number}.example'", "method": "'dmarc'", "result": "'fail'", "seen_at": now, "failures": "3",
        }],
        "domain_check": [{
            "domain": f"'d{number}.example'", "record": "'spf'", "result": "'bad'", "code": "'spf_missing'",
            "bad_code": "'spf_missing'", "bad_since": "now() - interval '9 days'", "bad_seen_at": now,
        }],
        "grant_event": [event | {"from_state": "'active'", "to_state": "'suspect'", "reason": "'grant_refused'"}],
        "halt": [{"started_by": "'x'", "reason": "'x'", "ended_at": "now() - interval '9 days'", "ended_by": "'x'"}],
        "health_event": [event | {
            "from_band": "'healthy'", "to_band": "'blocked'", "reason": "'spam_mostly'", "placed": "1", "spam": "1",
            "bounced": "0", "is_alertable": "true",
        }],
        "incident": [
            {"kind": "'outage'", "key": name, "reason": "'unreachable'"},
            {"kind": "'outage'", "key": name, "reason": "'unreachable'", "closed_at": now},
        ],
        "invite": [{"token_hash": name, "mailbox_id": str(victim), "created_by": "'x'", "expires_at": now}],
        "mailbox_authentication": [
            {"mailbox_id": str(victim), "method": "'spf'", "result": "'pass'", "seen_at": now, "passed_at": now},
        ],
        "mailbox_failure": [
            {"mailbox_id": str(victim), "not_working_at": now, "reason": "'unreachable'", "detail": "'x'"},
        ],
        "mailbox_readiness": [
            {"mailbox_id": str(victim), "state": "'ready'", "reason": "'ready'", "local_date": "current_date"},
        ],
        "owner_mail": [{"mailbox_id": str(victim), "owner_email": "'x@bad.example'", "flagged_at": now}],
        "mailbox_removal": [
            {
                "mailbox_id": str(victim), "requested_by": "'x'", "revoke_grant": "false", "trash_mail": "false",
                "step": "'done'", "finished_at": now,
            },
        ],
        "mailbox_tag": [{"mailbox_id": str(victim), "tag": "'x'"}],
        "report_link": [{
            "token_hash": name, "scope_kind": "'fleet'", "scope_name": "''", "week": "current_date",
            "created_by": "'x'", "expires_at": now,
        }],
        "tag_schedule": [{"tag": f"'t{number}'", "changed_by": "'x'"}],
        "oauth_client": [{"conn_id": f"'c{number}'", "client_id": f"'c{number}'"}],
        "oauth_client_user": [{"client_id": f"'c{number}'"}],
        "repair": [{"airflow_user": name, "mailbox_id": str(victim), "position": "1"}],
        "mailbox_day": [{"mailbox_id": str(victim), "local_date": "current_date", "planned": "1", "sent": "1"}],
        "webhook_event": [{"message_id": name, "type": "'mailbox.ready'", "mailbox_id": str(victim)}],
        "webhook_receiver": [{"conn_id": name, "events": "'{mailbox.ready}'"}],
    }  # fmt: skip
    return rows.get(table, [])


def _mails(number: int, victim: int) -> list[dict[str, str]]:
    """Return mails of a victim that are due at a mailbox that works: to be found, read and answered."""
    past = "now() - interval '1 hour'"
    sent = {
        "sender_id": str(victim), "recipient_id": "2", "turn": "1", "local_date": "current_date", "due_at": past,
        "status": "'sent'", "sent_at": past, "claimed_at": past, "subject": "'x'", "gmail_id": "'x'",
        "rfc_message_id": f"'<m{number}@bad.example>'", "thread_id": "'x'",
    }  # fmt: skip
    placed = {"placement": "'spam'", "placed_at": past, "recipient_gmail_id": "'x'", "recipient_thread_id": "'x'"}
    stages = (
        {"locate_due_at": past},
        placed | {"rescue_due_at": past},
        placed | {"read_due_at": past},
        placed | {"read_at": past, "reply_due_at": past},
        {"trash_due_at": "now() - interval '2 days'"} | placed,
    )
    return [
        sent | stage | {"token": f"'{number:016x}{stage_number:016x}'", "slot": str(stage_number)}
        for stage_number, stage in enumerate(stages)
    ]
