"""The identity of the Google mailbox behind an address, as an SQL expression.

The same as ``get_identity`` of ``mailboxes.addresses``, so that no code can store another identity.
"""

from __future__ import annotations

from gmail_warmup.core.enums import CONSUMER_DOMAINS

_DOMAINS = ", ".join(f"'{domain}'" for domain in CONSUMER_DOMAINS)


def build_identity_sql(address: str) -> str:
    """Return the expression that computes the identity of an SQL expression for a stored address."""
    return (
        f"CASE WHEN split_part({address}, '@', 2) IN ({_DOMAINS}) "
        f"THEN replace(split_part(split_part({address}, '@', 1), '+', 1), '.', '') || '@{CONSUMER_DOMAINS[0]}' "
        f"ELSE {address} END"
    )
