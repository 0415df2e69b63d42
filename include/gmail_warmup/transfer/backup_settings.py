"""What a backup holds besides mailboxes and grants: the schedules of tags, and the OAuth clients.

Every function runs inside the caller's transaction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.models import ClientRegistration as Client
from gmail_warmup.mailboxes.records import Tags
from gmail_warmup.mailboxes.schedules import store
from gmail_warmup.mailboxes.schedules.values import ScheduleValues
from gmail_warmup.mailboxes.tags import normalize_tag
from gmail_warmup.mailboxes.validation import WHOLE_NUMBER, describe_rule
from gmail_warmup.oauth.clients import registry
from gmail_warmup.oauth.clients.registry import MAX_USER_LIMIT

_Stored = TypeVar("_Stored")
_Item = TypeVar("_Item")
_Name = Annotated[str, Field(min_length=1, max_length=500)]


class BackedUpClient(BaseModel):
    """An OAuth client without its secret, which is only in its Airflow Connection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    conn_id: _Name
    client_id: _Name
    user_limit: Annotated[int, Field(ge=0, le=MAX_USER_LIMIT), WHOLE_NUMBER] | None = None
    tags: Tags = ()
    retired: bool = False


class BackupSettings(BaseModel):
    """The settings of a backup that belong to no mailbox. A backup of a former release has none."""

    model_config = ConfigDict(frozen=True)

    tag_schedules: dict[Annotated[str, AfterValidator(normalize_tag)], ScheduleValues] = {}
    oauth_clients: tuple[BackedUpClient, ...] = ()

    def to_document(self) -> dict[str, Any]:
        """Return them for the JSON document of a backup."""
        return self.model_dump(mode="json", exclude_none=True)


def load_settings(connection: sa.Connection) -> tuple[BackupSettings, dict[str, str]]:
    """Return the settings for a backup, and those that no import would accept, by name with the reason."""
    left_out: dict[str, str] = {}
    stored_schedules = store.list_tag_schedules(connection)
    stored_clients = {
        row.conn_id: row for row in connection.execute(sa.select(Client.__table__).order_by(Client.conn_id))
    }
    schedules = _keep_valid("The schedule of the tag", stored_schedules, _build_schedule, left_out)
    clients = _keep_valid("The OAuth client", stored_clients, lambda _, row: _to_client(row), left_out)
    return BackupSettings(tag_schedules=schedules, oauth_clients=tuple(clients.values())), left_out


def _keep_valid(
    what: str, stored: Mapping[str, _Stored], build: Callable[[str, _Stored], _Item], left_out: dict[str, str]
) -> dict[str, _Item]:
    """Return what can be built, by name; add to ``left_out`` why the others cannot."""
    kept: dict[str, _Item] = {}
    for name, value in stored.items():
        try:
            kept[name] = build(name, value)
        except (ValidationError, InvalidInputError) as error:
            left_out[f"{what} '{name}'"] = _describe(error)
    return kept


def _build_schedule(tag: str, values: store.TagValues) -> ScheduleValues:
    normalize_tag(tag)
    return ScheduleValues.model_validate(values)


def _to_client(row: sa.Row[Any]) -> BackedUpClient:
    return BackedUpClient(
        conn_id=row.conn_id,
        client_id=row.client_id,
        user_limit=row.user_limit,
        tags=tuple(row.tags),
        retired=row.retired_at is not None,
    )


def parse_settings(text: str) -> BackupSettings:
    """Return the settings of the JSON document of a backup.

    Raises:
        InvalidInputError: with the first value that breaks a rule.
    """
    found = json.loads(text)
    try:
        return BackupSettings.model_validate(
            {name: found[name] for name in BackupSettings.model_fields if name in found}
        )
    except (ValidationError, InvalidInputError) as error:
        raise InvalidInputError(
            f"The backup contains an invalid setting; nothing was imported. {_describe(error)}"
        ) from None


def _describe(error: ValidationError | InvalidInputError) -> str:
    if isinstance(error, InvalidInputError):
        return str(error)
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {describe_rule(problem)}"


def restore_clients(connection: sa.Connection, settings: BackupSettings, *, default: str, actor: str) -> int:
    """Register the OAuth clients, with their limits and tags; return the number of those that were changed.

    A client is known by its client id, or else by its Connection, whose present client id counts. One that is not in
    the backup stays as it is.

    Args:
        default: the Connection of the default client, which cannot be retired.

    Raises:
        InvalidInputError: a tag belongs to another client.
    """
    return sum(_restore_client(connection, client, default=default, actor=actor) for client in settings.oauth_clients)


def _restore_client(connection: sa.Connection, client: BackedUpClient, *, default: str, actor: str) -> bool:
    known = {row.conn_id: row for row in connection.execute(sa.select(Client.__table__))}
    named_alike = next((row for row in known.values() if row.client_id == client.client_id), None)
    row = named_alike or known.get(client.conn_id)
    before = _to_client(row) if row else None
    conn_id = row.conn_id if row else client.conn_id
    after = client.model_copy(
        update={
            "conn_id": conn_id,
            "client_id": row.client_id if row else client.client_id,
            "retired": client.retired and conn_id != default,
        }
    )
    if after == before:
        return False
    registry.set_client(
        connection,
        conn_id,
        after.client_id,
        {"user_limit": after.user_limit, "tags": after.tags},
        default=default,
        actor=actor,
    )
    registry.set_retired(connection, conn_id, retired=after.retired, default=default, actor=actor)
    return True


def restore_tag_schedules(connection: sa.Connection, settings: BackupSettings, *, actor: str) -> int:
    """Set the schedules of tags; return the number of those that were changed.

    A tag that has none in the backup keeps its own.
    """
    present = store.list_tag_schedules(connection)
    changed = {
        tag: values for tag, values in settings.tag_schedules.items() if present.get(tag, {}) != values.set_values
    }
    for tag, values in sorted(changed.items()):
        store.put_tag_schedule(connection, tag, values, actor=actor)
    return len(changed)
