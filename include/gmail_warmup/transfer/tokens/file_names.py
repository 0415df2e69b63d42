"""The address that the name of a file states.

A prefix such as ``token_`` may belong to the address: ``token_ada@example.com`` can be a mailbox of its own. So a name
has one or more readings, and only a name with one reading states an address.
"""

from __future__ import annotations

import re

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes.addresses import normalize_address

_NET_PREFIX = "Google.Apis.Auth.OAuth2.Responses.TokenResponse-"
"""How the FileDataStore of the .NET library names a file: this, and the key of the user."""
_EXTENSIONS = re.compile(r"(?:\.(?:json|txt|tok|token|cfg|conf|bak|old|pickle|pkl))+$", re.IGNORECASE)
_WORD = (
    "tokens?|credentials?|creds?|oauth2?|oauth2?token|auth|authorized[_-]?user|adc|grants?|google|gmail|account|"
    "user|refresh|refresh[_-]?token|copy of|copy"
)
_BEFORE = re.compile(rf"(?:{_WORD})[ ._-]+(?=.)", re.IGNORECASE)
_AFTER = re.compile(rf"(?<=.)(?:[ ._-]+(?:{_WORD})| ?\(\d+\))$", re.IGNORECASE)
_PLACEHOLDER = "{address}"


def read_file_name(name: str) -> tuple[str, ...]:
    """Return the addresses that the name of a file can state, each in its stored form; the literal one first."""
    bare = name.removeprefix(_NET_PREFIX)
    texts = [bare if bare != name else _EXTENSIONS.sub("", name)]
    for text in texts:  # grows while it is read
        shorter = (_strip_before(text), _AFTER.sub("", text)) if bare == name else ()
        texts += [found for found in shorter if "@" in found and found not in texts]
    return tuple(dict.fromkeys(address for text in texts if (address := _to_address(text))))


def _strip_before(text: str) -> str:
    found = _BEFORE.match(text)
    return text[found.end() :] if found else text


def _to_address(text: str) -> str | None:
    try:
        return normalize_address(text.strip("\"'()[]"))
    except InvalidInputError:
        return None


def compile_name_pattern(pattern: str) -> re.Pattern[str]:
    """Return the expression of ``--name-pattern``, such as ``token_{address}.json``.

    Raises:
        InvalidInputError: if it does not contain ``{address}`` once.
    """
    before, placeholder, after = pattern.partition(_PLACEHOLDER)
    if not placeholder or _PLACEHOLDER in after:
        raise InvalidInputError("--name-pattern must contain {address} once, for example 'token_{address}.json'.")
    return re.compile(f"{re.escape(before)}(?P<address>.+){re.escape(after)}")


def match_file_name(pattern: re.Pattern[str], name: str) -> tuple[str, ...]:
    """Return the address that a name states according to a pattern, if it matches."""
    found = pattern.fullmatch(name)
    address = _to_address(found["address"]) if found else None
    return (address,) if address else ()
