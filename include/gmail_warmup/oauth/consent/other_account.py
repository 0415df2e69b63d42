"""A consent with which another address signed in than was expected, although it may be the same account.

The account was renamed at Google, or an alias was entered. Gmail tells only the primary address of an account, so the
mails of the mailbox are compared, and an Airflow user decides. An owner who followed an invite cannot decide it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.db.engine import read_transaction, retry_conflict, write_transaction
from gmail_warmup.db.models import ConsentPurpose
from gmail_warmup.mailboxes import lookup, renaming, repository
from gmail_warmup.mailboxes.records import MailboxSettings
from gmail_warmup.oauth.consent import kept_results
from gmail_warmup.oauth.consent.errors import ConsentRefusal, ConsentRefusedError, Evidence
from gmail_warmup.oauth.consent.new_grant import write_grant
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import TokenEndpoint, TokenResult


def keep_for_decision(
    store: GrantStore, endpoint: TokenEndpoint, consent: sa.Row[Any], actual: str, result: TokenResult, *, minutes: int
) -> Evidence | None:
    """Keep the result of a consent if the account may be the expected one; return the evidence, or None if it is not.

    It is not if the address that signed in is another mailbox here, or if the account lacks the recorded mails.
    """
    with read_transaction(store.engine) as connection:
        found = lookup.find_by_address(connection, [actual, consent.address])
        expected = found[consent.address]
        mails = kept_results.load_recorded_mails(connection, expected.id) if expected else []
    evidence = kept_results.find_evidence(endpoint, mails, result.access_token)
    if found[actual] or evidence is Evidence.CONTRADICTED:
        return None
    with write_transaction(store.engine) as connection:
        kept_results.keep_result(connection, store.cipher, consent, actual, result, minutes=minutes)
    return evidence


@retry_conflict
def accept_account(
    store: GrantStore,
    consent_id: int,
    session: BrowserSession,
    *,
    open_endpoint: Callable[[str | None], TokenEndpoint],
    default: str,
) -> tuple[str, ConsentPurpose]:
    """Rename the mailbox of a consent to the address that signed in, and store the grant; return address and purpose.

    If there is no mailbox with the expected address, it is added under the address that signed in.

    Raises:
        ConsentRefusedError: the result is not kept any more.
        InvalidInputError: the address belongs to another mailbox by now.
        MailboxBusyError: a task uses the mailbox; the result is still kept.
    """
    with write_transaction(store.engine) as connection:
        kept = kept_results.find_result(connection, store.cipher, consent_id, session)
        if kept is None:
            raise ConsentRefusedError(ConsentRefusal.DECISION_OVER)
        actor, consent = session.user or "", kept.consent
        mailbox = lookup.find_by_address(connection, [consent.address])[consent.address]
        if mailbox:
            renaming.rename_mailbox(connection, mailbox.address, kept.address, actor=actor)
            mailbox_id = mailbox.id
        else:
            _require_unused(connection, kept.address)
            settings = MailboxSettings.model_validate(consent.mailbox_settings)
            mailbox_id = repository.add_or_update(connection, kept.address, settings, actor=actor)
        write_grant(
            connection,
            store,
            consent,
            (mailbox_id, kept.address),
            kept.tokens,
            client=open_endpoint(consent.client_conn_id).client,
            default=default,
            elapsed=0,
            actor=actor,
        )
        kept_results.delete_result(connection, consent_id)
    return kept.address, ConsentPurpose(consent.purpose)


def _require_unused(connection: sa.Connection, address: str) -> None:
    if lookup.find_by_address(connection, [address])[address]:
        raise InvalidInputError(f"{address} is a mailbox here by now. Nothing was changed: sign in for that mailbox.")
