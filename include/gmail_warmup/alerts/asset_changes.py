"""Which mailboxes the assets have to report as flagged or recovered.

Airflow records the events of a task only if the task succeeds. So a change counts as reported when the task is over:
what a failed task would have reported is reported by the next one. A change that was undone before is not reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert

from gmail_warmup.core.enums import FLAGGED_STATES
from gmail_warmup.db.models import AssetFlag, GrantState, Mailbox, OAuthGrant
from gmail_warmup.mailboxes import lookup
from gmail_warmup.oauth.reasons import NEVER_GRANTED


@dataclass(frozen=True, kw_only=True)
class AssetChanges:
    """The mailboxes whose change is not reported yet: address by id, in the order of the addresses."""

    flagged: dict[int, str] = field(default_factory=dict)
    recovered: dict[int, str] = field(default_factory=dict)


def list_changes(connection: sa.Connection) -> AssetChanges:
    """Return the mailboxes whose grant is in another state than the assets last reported."""
    query = (
        sa.select(Mailbox.id, Mailbox.address)
        .join(OAuthGrant, OAuthGrant.mailbox_id == Mailbox.id)
        .outerjoin(AssetFlag, AssetFlag.mailbox_id == Mailbox.id)
        .order_by(Mailbox.address)
    )
    is_reported = AssetFlag.mailbox_id.is_not(None)
    is_flagged = sa.and_(OAuthGrant.state.in_(FLAGGED_STATES), OAuthGrant.reason.is_distinct_from(NEVER_GRANTED))
    flagged = connection.execute(query.where(is_flagged, ~is_reported)).all()
    recovered = connection.execute(query.where(OAuthGrant.state == GrantState.ACTIVE, is_reported)).all()
    return AssetChanges(
        flagged={row.id: row.address for row in flagged}, recovered={row.id: row.address for row in recovered}
    )


def record_reported(connection: sa.Connection, *, flagged: Iterable[int], recovered: Iterable[int]) -> None:
    """Store that the assets reported mailboxes, by id; those that are removed by now are left out."""
    kept = sa.select(Mailbox.id).where(lookup.has_id_in(list(flagged))).with_for_update(key_share=True, read=True)
    connection.execute(insert(AssetFlag).from_select(["mailbox_id"], kept).on_conflict_do_nothing())
    ids = sa.literal(list(recovered), ARRAY(sa.BigInteger()))
    connection.execute(sa.delete(AssetFlag).where(AssetFlag.mailbox_id == sa.any_(ids)))
