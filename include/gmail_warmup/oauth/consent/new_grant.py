"""Write the grant of a consent, in the caller's transaction."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.enums import ChangeAction, GrantState
from gmail_warmup.mailboxes import removals
from gmail_warmup.mailboxes.change_log import Subject, record_change
from gmail_warmup.oauth.clients.registry import record_client_id
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import OAuthClient, TokenResult


def write_grant(
    connection: sa.Connection,
    store: GrantStore,
    consent: sa.Row[Any],
    mailbox: tuple[int, str],
    result: TokenResult,
    *,
    client: OAuthClient,
    default: str,
    elapsed: float,
    actor: str,
) -> None:
    """Replace the grant of a mailbox, and record that its owner consented.

    Args:
        mailbox: its id and its address.
        client: the OAuth client that issued the grant.
        default: the Connection of the default client.
        elapsed: seconds since the tokens were requested.

    Raises:
        MailboxBeingRemovedError: the removal of the mailbox has begun.
        ConfigurationError: two Connections have the client id of ``client``.
    """
    mailbox_id, address = mailbox
    removals.require_kept(connection, [address])
    record_client_id(connection, consent.client_conn_id or default, client.client_id)
    former_state = store.store_consent(
        connection, mailbox_id, result, client_id=client.client_id, elapsed=elapsed, actor=Actor(name=actor)
    )
    record_change(
        connection,
        ChangeAction.CONSENT,
        actor=actor,
        subject=Subject.of_mailbox(mailbox_id, address),
        before={"state": former_state},
        after={"state": GrantState.ACTIVE, "purpose": consent.purpose, "invite_id": consent.invite_id},
    )
