"""The search for secrets finds one in every form that a program may give it."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from support.secret_hunt import Found, Hunt

TOKEN = "1//0abcDEFghiJKLmnoPQRstuVWXyz-0123456789_abcdefghij"
FORMS = {
    "plain": TOKEN,
    "in a URL": quote(TOKEN, safe=""),
    "in a form": quote_plus(TOKEN),
    "in JSON": json.dumps({"token": TOKEN}).replace("/", "\\/"),
    "repr": repr(TOKEN.encode()),
    "hexadecimal": TOKEN.encode().hex(),
    "cut short": TOKEN[:45] + "...",
    **{f"base64 behind {n}": base64.b64encode(b"x" * n + TOKEN.encode()).decode() for n in range(3)},
    "base64url": base64.urlsafe_b64encode(f'{{"t": "{TOKEN}"}}'.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_every_form(form: str):
    hunt = Hunt({"the token": TOKEN})
    hunt.look("file", "a.log", f"before {FORMS[form]} behind".encode())
    assert Found("the token", "file: a.log") in hunt.found


def test_a_token_that_nobody_knows_is_known_by_its_look():
    hunt = Hunt({})
    for text in (TOKEN, quote(TOKEN, safe=""), "Bearer ya29.a0" + "x" * 120, "code=4%2F0A" + "y" * 64):
        hunt.look("answer", "/", text.encode())
    assert [found.secret for found in hunt.found] == [
        "a refresh token", "a refresh token", "an access token", "an authorization code"
    ]  # fmt: skip


def test_what_is_no_secret_is_not_found():
    hunt = Hunt({"the token": TOKEN})
    hunt.look("file", "a.log", TOKEN[:20].encode() + b" gAAAAABm 4/0A and 1//0, ya29.a0...")
    assert hunt.found == []
