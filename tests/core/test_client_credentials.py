"""The OAuth client in variables of the environment."""

from __future__ import annotations

import pytest

from gmail_warmup.core.client_credentials import read_client_variables
from gmail_warmup.core.errors import ConfigurationError

GOOD = {"GOOGLE_CLIENT_ID": "123-abc.apps.googleusercontent.com", "GOOGLE_CLIENT_SECRET": "GOCSPX-x"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        (GOOD | {"GOOGLE_CLIENT_SECRET": ""}, "GOOGLE_CLIENT_SECRET is empty"),
        (GOOD | {"GOOGLE_CLIENT_ID": "abc def"}, "GOOGLE_CLIENT_ID is malformed"),
        (
            GOOD | {"GOOGLE_CLIENT_SECRET": "a b"},
            "GOOGLE_CLIENT_SECRET is malformed: it must be printable",
        ),
        (GOOD | {"GOOGLE_TOKEN_URI": "localhost"}, "GOOGLE_TOKEN_URI must be an http"),
    ],
)
def test_a_wrong_client_is_named(variables: dict[str, str], said: str):
    with pytest.raises(ConfigurationError, match=said):
        read_client_variables(variables)


def test_no_client_at_all_is_not_an_error():
    assert read_client_variables({}) is None
