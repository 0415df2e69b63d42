"""Ask Gmail for the primary address of the account to which a grant gives access."""

from __future__ import annotations

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.gmail.client import GmailClient
from gmail_warmup.mailboxes.addresses import is_same_mailbox


def require_primary_address(gmail: GmailClient, address: str) -> None:
    """Check that an address is the primary address of the account that the stored grant of a mailbox belongs to.

    The stored grant is the evidence that it is the same account.

    Raises:
        InvalidInputError: Google names another address.
        GmailError: by cause.
        GrantError: by cause; without a working grant it cannot be checked.
    """
    primary = gmail.get_profile().address
    if not is_same_mailbox(primary, address):
        raise InvalidInputError(
            f"Google says that the primary address of this account is {primary}, not {address}. Nothing was renamed."
        )
