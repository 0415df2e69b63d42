"""Parse one grant, from an object in any known shape or its JSON text: a database column, or an entry of an import."""

from __future__ import annotations

import json
from typing import Any

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes.addresses import is_same_mailbox
from gmail_warmup.oauth.grant_import import ImportedGrant
from gmail_warmup.transfer.tokens import fields, shapes


def parse_authorized_user(token: Any, *, address: str = "") -> ImportedGrant:
    """Parse google-auth's ``authorized_user`` object, or that of another library, or its JSON text.

    Args:
        address: the mailbox that the grant has to belong to, if the object names one.

    Raises:
        InvalidInputError: naming what is missing or wrong; the text contains no part of a token.
    """
    if isinstance(token, str):
        try:
            token = json.loads(token)
        except (ValueError, RecursionError):
            raise InvalidInputError("the token is not JSON; it must be google-auth's authorized_user object.") from None
    try:
        found = shapes.find_tokens(token)
    except InvalidInputError as error:
        raise InvalidInputError(f"the token {error}") from None
    if len(found) > 1:
        raise InvalidInputError(f"the token contains {len(found)} grants; give one.")
    if found[0].values is None:
        raise InvalidInputError(f"the token {found[0].problem}")
    account = fields.find_account(found[0].values) if address else None
    if account and not is_same_mailbox(account, address):
        raise InvalidInputError(f"the token is a grant of {account}, not of {address}; correct one of them.")
    return fields.read_grant(found[0].values)
