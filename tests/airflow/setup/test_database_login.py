"""The role that ``gmail-warmup init`` makes, on a server that requires passwords and logs every statement."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from airflow.models.connection import Connection
from airflow.models.pool import Pool
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from typer.testing import CliRunner

from airflow import settings
from gmail_embedded.runfolder import RunFolder
from gmail_warmup.airflow.bootstrap import initialize_installation
from gmail_warmup.cli import app
from gmail_warmup.core.errors import ConfigurationError
from gmail_warmup.db.models import Base
from gmail_warmup.db.roles import RolePrivilegeError, ensure_role
from support.postgres_server import running_postgres
from support.world import FERNET_KEY

OLD_PASSWORD = "old-password-that-is-long-enough"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """An Airflow installation: its database, and the URL with which Airflow reaches it."""

    url: sa.URL
    monkeypatch: pytest.MonkeyPatch

    def use(self) -> None:
        """Make this the installation of this process."""
        engine = sa.create_engine(self.url, poolclass=sa.pool.NullPool)
        self.monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", FERNET_KEY)
        self.monkeypatch.setattr(settings, "engine", engine)
        self.monkeypatch.setattr(settings, "Session", sessionmaker(engine))

    def init(self) -> list[str]:
        self.use()
        return initialize_installation({})

    def session(self) -> Session:
        return sessionmaker(sa.create_engine(self.url, poolclass=sa.pool.NullPool))()

    def connections(self) -> list[Connection]:
        with self.session() as session:
            return list(session.scalars(sa.select(Connection).where(Connection.conn_id == "gmail_warmup_db")))

    def connection(self) -> Connection:
        (found,) = self.connections()
        return found

    def store(self, login: str, password: str) -> None:
        with self.session() as session, session.begin():
            session.add(Connection(conn_id="gmail_warmup_db", conn_type="postgres", login=login, password=password))

    def open(self, login: str, password: str) -> sa.Connection:
        url = self.url.set(username=login, password=password)
        return sa.create_engine(url, poolclass=sa.pool.NullPool).connect()

    def tasks_work(self) -> bool:
        """Return whether a task can read the package's tables with the login of the Connection."""
        found = self.connection()
        try:
            with self.open(str(found.login), str(found.password)) as connection:
                connection.exec_driver_sql("SELECT count(*) FROM gmail_warmup.mailbox")
        except DBAPIError:
            return False
        return True


@dataclass(frozen=True, kw_only=True)
class Server:
    """A PostgreSQL server."""

    admin: sa.URL
    log: Path

    def run(self, *statements: str, database: str = "postgres") -> None:
        url = self.admin.set(database=database)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement.replace("%", "%%"))

    def roles(self) -> set[str]:
        with sa.create_engine(self.admin, poolclass=sa.pool.NullPool).connect() as connection:
            return set(connection.scalars(sa.text("SELECT rolname FROM pg_roles")))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_postgres() as url:
        admin = sa.make_url(url)
        with sa.create_engine(admin, poolclass=sa.pool.NullPool).connect() as connection:
            data = Path(str(connection.scalar(sa.text("SHOW data_directory"))))
        made = Server(admin=admin, log=RunFolder(data.parent).log("postgres"))
        (data / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        made.run("ALTER SYSTEM SET log_statement = 'all'", "SELECT pg_reload_conf()")
        yield made


MakeInstallation = Callable[..., Installation]


@pytest.fixture
def make(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeInstallation]:
    """Yield a function that makes an installation; afterwards no log of the server contains a password of one."""
    made: list[Installation] = []

    def make_one(database: str, attributes: str = "CREATEROLE", *, user: str = "airflow") -> Installation:
        if user not in server.roles():
            server.run(f"CREATE ROLE {user} LOGIN {attributes} PASSWORD 'airflow'")
        quoted = '"' + database.replace('"', '""') + '"'
        server.run(f"CREATE DATABASE {quoted} OWNER {user}")
        url = server.admin.set(username=user, password="airflow", database=database)
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
        Base.metadata.create_all(engine)
        for table in (Connection.__table__, Pool.__table__):
            Connection.metadata.create_all(engine, [table, *(key.column.table for key in table.foreign_keys)])
        made.append(Installation(url=url, monkeypatch=monkeypatch))
        made[-1].use()
        return made[-1]

    yield make_one
    passwords = {str(found.password) for each in made for found in each.connections()} | {OLD_PASSWORD}
    logged = server.log.read_text()
    for each in made:
        quoted = '"' + str(each.url.database).replace('"', '""') + '"'
        server.run(f"DROP DATABASE {quoted} WITH (FORCE)")
    keep = {"postgres"}
    for role in sorted(name for name in server.roles() - keep if not name.startswith("pg_")):
        server.run(f'DROP ROLE "{role.replace(chr(34), chr(34) * 2)}"')
    assert "CREATE ROLE" in logged
    assert not [word for word in passwords if word in logged]


def make_former(installation: Installation, server: Server) -> None:
    """Set an installation up as version 0.1 did: with one role for all databases of the server."""
    engine = sa.create_engine(server.admin.set(database=installation.url.database), poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        ensure_role(connection, role="gmail_warmup", password=OLD_PASSWORD)
    server.run("GRANT gmail_warmup TO airflow WITH ADMIN OPTION")
    installation.store("gmail_warmup", OLD_PASSWORD)


def test_a_second_installation_on_the_server_does_not_affect_the_first(make: MakeInstallation):
    first, second = make("airflow_one"), make("airflow_two")
    first.init()
    second.init()
    assert [each.connection().login for each in (first, second)] == [
        "gmail_warmup_airflow_one",
        "gmail_warmup_airflow_two",
    ]
    assert first.tasks_work()
    assert second.tasks_work()
    of_first = first.connection()
    with second.open(str(of_first.login), str(of_first.password)) as other, pytest.raises(DBAPIError, match="denied"):
        other.exec_driver_sql("SELECT count(*) FROM gmail_warmup.mailbox")


@pytest.mark.parametrize(
    "database", ['50% "air" flow\'s', "ä" * 30, "UPPER"], ids=["special characters", "longer than a name", "upper case"]
)
def test_any_name_of_a_database_has_its_role(make: MakeInstallation, database: str):
    installation = make(database)
    installation.init()
    installation.init()
    assert installation.tasks_work()


def test_two_databases_with_long_names_have_two_roles(make: MakeInstallation):
    first, second = make("a" * 62 + "1"), make("a" * 62 + "2")
    first.init()
    second.init()
    assert first.connection().login != second.connection().login
    assert first.tasks_work()


def test_airflows_own_user_is_never_restricted(make: MakeInstallation):
    installation = make("airflow_own", user="gmail_warmup_airflow_own")
    installation.init()
    assert installation.connection().login == "gmail_warmup_airflow_own_tasks"
    assert installation.tasks_work()
    assert installation.init()


def test_a_former_installation_changes_its_login_without_downtime(make: MakeInstallation, server: Server):
    installation = make("airflow_one")
    make_former(installation, server)
    with installation.open("gmail_warmup", OLD_PASSWORD) as running:
        assert "role gmail_warmup: replaced; restart Airflow's processes, which still use it" in installation.init()
        assert installation.connection().login == "gmail_warmup_airflow_one"
        assert installation.tasks_work()
        installation.init()
        running.exec_driver_sql("SELECT count(*) FROM gmail_warmup.mailbox")
    assert "gmail_warmup" in server.roles()
    assert "role gmail_warmup: may not use this database any more" in installation.init()
    assert "gmail_warmup" not in server.roles()
    assert installation.tasks_work()


def test_the_former_role_of_another_installation_is_kept(make: MakeInstallation, server: Server):
    upgraded, former = make("airflow_one"), make("airflow_two")
    make_former(upgraded, server)
    make_former(former, server)
    for _ in range(3):
        upgraded.init()
    assert upgraded.tasks_work()
    assert former.tasks_work()
    with upgraded.open("gmail_warmup", OLD_PASSWORD) as old, pytest.raises(DBAPIError, match="permission denied"):
        old.exec_driver_sql("SELECT count(*) FROM gmail_warmup.mailbox")


def test_without_the_right_to_create_roles_an_administrator_gets_the_statements(make: MakeInstallation, server: Server):
    installation = make("airflow_one", "NOCREATEROLE")
    for _ in range(2):
        done = CliRunner().invoke(app, ["init"])
        assert done.exit_code == 2
        assert isinstance(done.exception, SystemExit)
    said, sql = done.output.split("\n\n", 1)
    assert said == (
        "Error: Airflow's database user airflow may not create or change the role gmail_warmup_airflow_one: let an "
        "administrator of the database run these statements in Airflow's database, then run this command again."
    )
    assert str(installation.connection().password) not in done.output
    assert not installation.tasks_work()
    server.run(sql, database="airflow_one")
    done = CliRunner().invoke(app, ["init"])
    assert done.exit_code == 0, done.output
    assert "role gmail_warmup_airflow_one: kept" in done.output
    assert installation.tasks_work()


def test_a_role_that_another_administrator_made_is_used(make: MakeInstallation, server: Server):
    """Since PostgreSQL 16, CREATEROLE alone does not permit changing a role that somebody else created."""
    installation = make("airflow_one")
    server.run("CREATE ROLE gmail_warmup_airflow_one LOGIN")
    with pytest.raises(RolePrivilegeError) as caught:
        installation.init()
    server.run(caught.value.sql, database="airflow_one")
    installation.init()
    assert installation.tasks_work()


def test_a_lost_connection_gets_a_new_password(make: MakeInstallation, server: Server):
    installation = make("airflow_one", "NOCREATEROLE")
    for _ in range(2):
        with pytest.raises(RolePrivilegeError) as caught:
            installation.init()
        server.run(caught.value.sql, database="airflow_one")
        installation.init()
        assert installation.tasks_work()
        with installation.session() as session, session.begin():
            session.execute(sa.delete(Connection))


def test_a_former_installation_without_the_right_keeps_its_role(make: MakeInstallation, server: Server):
    installation = make("airflow_one", "NOCREATEROLE")
    make_former(installation, server)
    server.run("REVOKE gmail_warmup FROM airflow")
    assert "role gmail_warmup: kept" in installation.init()[1]
    assert installation.connection().login == "gmail_warmup"
    assert installation.tasks_work()


def test_a_user_that_does_not_own_the_tables_is_told_so(make: MakeInstallation, server: Server):
    installation = make("airflow_one")
    server.run(
        "ALTER TABLE gmail_warmup.mailbox OWNER TO postgres",
        "GRANT SELECT ON gmail_warmup.mailbox TO airflow",
        "REVOKE ALL ON gmail_warmup.mailbox FROM PUBLIC",
        "ALTER TABLE gmail_warmup.ledger OWNER TO postgres",
        database="airflow_one",
    )
    with pytest.raises(ConfigurationError, match=r"permission denied.*which owns the tables"):
        installation.init()


def test_the_extra_of_the_connection_is_kept(make: MakeInstallation):
    installation = make("airflow_one")
    installation.init()
    with installation.session() as session, session.begin():
        stored = session.scalars(sa.select(Connection)).one()
        extra = stored.extra_dejson
        stored.extra = json.dumps(extra | {"connect_timeout": 7, "note": "by hand"})
    installation.init()
    assert installation.connection().extra_dejson == extra | {"connect_timeout": 7, "note": "by hand"}


def test_a_password_that_a_person_chose_works_after_init(make: MakeInstallation):
    installation = make("airflow_one")
    for password in ("it's 100% \\ secret", "Grüße ﬁn"):
        with installation.session() as session, session.begin():
            session.execute(sa.delete(Connection))
        installation.store("gmail_warmup_airflow_one", password)
        installation.init()
        assert installation.connection().password == password
        assert installation.tasks_work()


def test_the_server_really_requires_the_password(make: MakeInstallation):
    installation = make("airflow_one")
    installation.init()
    with pytest.raises(OperationalError, match="password authentication failed"):
        installation.open("gmail_warmup_airflow_one", "wrong")
