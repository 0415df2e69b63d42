"""The conditions of the options that select mailboxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlalchemy as sa


def build_conditions(
    *, domain: str = "", tag: str = "", owner: str = "", client: str = ""
) -> list[sa.ColumnElement[bool]]:
    """Return the conditions for the options that are given.

    Raises:
        InvalidInputError: if the tag or the owner breaks a rule.
    """
    from gmail_warmup.db.models import Mailbox
    from gmail_warmup.mailboxes.addresses import normalize_domain, normalize_sought_contact
    from gmail_warmup.mailboxes.tags import has_tag, normalize_tag
    from gmail_warmup.oauth.clients.registry import is_of_client

    conditions: list[sa.ColumnElement[bool]] = []
    if domain:
        conditions.append(Mailbox.domain == normalize_domain(domain))
    if tag:
        conditions.append(has_tag(normalize_tag(tag)))
    if owner:
        conditions.append(Mailbox.owner_email == normalize_sought_contact(owner))
    if client:
        conditions.append(is_of_client(client))
    return conditions
