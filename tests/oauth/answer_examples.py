"""An HTTP response for each row of the table of answers, made from the row's own conditions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gmail_sandbox.gmail.errors import error_body
from gmail_sandbox.responses import HTML_TYPE, JSON_TYPE
from gmail_warmup.oauth.answers import API_PARTIES, NO_REASON, ROWS, Body, Party, Row, find_reason, read_api_answer
from gmail_warmup.oauth.token_endpoint import SCOPE, classify_response, parse_response

PAGE = "<!DOCTYPE html><title>Sign in to the network</title>"
_TOKENS = {"access_token": "ya29.example", "expires_in": 3599, "scope": SCOPE, "refresh_token": "1//example"}
_BODIES: dict[Body, Any] = {
    Body.FOREIGN: PAGE,
    Body.TOKENS: _TOKENS,
    Body.NO_ACCESS_TOKEN: {"expires_in": 3599},
    Body.UNUSABLE: _TOKENS | {"access_token": "ya29.\x00"},
    Body.LACKS_SCOPE: _TOKENS | {"scope": "openid"},
}


@dataclass(frozen=True, kw_only=True)
class Example:
    """One row for one party, and a response that it is made for."""

    number: int
    row: Row
    party: Party
    status: int
    body: Any

    @property
    def name(self) -> str:
        """Return a name for the test's id."""
        return f"{self.number}-{self.row.code}-{self.party.replace(' ', '_')}"

    @property
    def content_type(self) -> str:
        """Return the type of the body."""
        return HTML_TYPE if self.body == PAGE else JSON_TYPE

    @property
    def fault(self) -> dict[str, Any]:
        """Return the response as the stand-in's control API takes it."""
        return {"status": self.status, "body": self.body, "content_type": self.content_type}


def list_examples(*parties: Party) -> list[Example]:
    """Return an example for each row and each of these parties, except for rows without a response."""
    return list(_make_examples(parties))


def _make_examples(parties: tuple[Party, ...]) -> Iterator[Example]:
    for number, row in enumerate(ROWS):
        for party in row.parties:
            is_made_up = row.bodies == (Body.UNUSABLE,) and party in API_PARTIES  # a 200 that lacks a field
            if party in parties and not row.transport and not is_made_up:
                yield _make_example(number, row, party)


def _make_example(number: int, row: Row, party: Party) -> Example:
    body_kind = row.bodies[0] if row.bodies else Body.ERROR
    is_foreign = body_kind is Body.FOREIGN or (bool(row.statuses) and not row.errors and row.statuses[0] in (407, 300))
    status = row.statuses[0] if row.statuses else 200 if body_kind not in (Body.ERROR, Body.FOREIGN) else 400
    if is_foreign:
        body: Any = PAGE
    elif body_kind is not Body.ERROR:
        body = _BODIES[body_kind]
    elif party in API_PARTIES:
        body = error_body(status, f"Text: {row.text}.", row.errors[0] if row.errors else "neverSeenBefore")
        if row.errors == (NO_REASON,):
            body = {"error": {"code": status, "message": "Invalid"}}
    else:
        error = row.errors[0] if row.errors else "never_seen_before"
        body = {"error": error, "error_description": f"Text: {row.text}."}
        body |= {"error_subtype": row.subtypes[0]} if row.subtypes else {}
    return Example(number=number, row=row, party=party, status=status, body=body)


def read(example: Example) -> str:
    """Return the reason code that the product finds in a response."""
    content = example.body.encode() if isinstance(example.body, str) else json.dumps(example.body).encode()
    headers = {"Content-Type": example.content_type, "content-type": example.content_type}
    if example.party in API_PARTIES:
        return find_reason(read_api_answer(example.status, headers, content, example.party)).code
    return classify_response(parse_response(example.status, headers, content), example.party).reason.code
