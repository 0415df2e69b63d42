from __future__ import annotations

from pathlib import Path

import pytest

from gmail_embedded import dotenv
from gmail_embedded.errors import EmbeddedError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# a comment\n\n", {}),
        ("A=1\nB=two", {"A": "1", "B": "two"}),
        ("A=", {"A": ""}),
        ("A=  # nothing", {"A": ""}),
        ("A=x # why", {"A": "x"}),
        ("A=x#y", {"A": "x#y"}),
        ("A='x # y $z'", {"A": "x # y $z"}),
        ('A="x y"  # why', {"A": "x y"}),
        ("A=''", {"A": ""}),
        ("A=b=c==", {"A": "b=c=="}),
        ("  A=1  ", {"A": "1"}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
    ],
)
def test_what_it_accepts(text: str, expected: dict[str, str]) -> None:
    assert dotenv.parse_variables(text) == expected


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ("A", 1, "must read NAME=value"),
        ("A=1\n\nexport B=2", 3, "without 'export'"),
        ("A = 1", 1, "without spaces"),
        ("1A=1", 1, "must read NAME=value"),
        ("A=x y", 1, "put it in single quotes"),
        ("A=$HOME", 1, "put it in single quotes"),
        ("A='x", 1, "must end with the quote"),
        ('A="x"y', 1, "must end with the quote"),
        ('A="$x"', 1, "must end with the quote"),
        ("A=1\nA=2", 2, "set a second time"),
    ],
)
def test_what_it_refuses_and_why(text: str, line: int, rule: str) -> None:
    with pytest.raises(EmbeddedError) as caught:
        dotenv.parse_variables(text, "my.env")
    message = str(caught.value)
    assert message.startswith(f"my.env, line {line}: ")
    assert rule in message
    assert "\n" not in message


def test_the_error_does_not_show_the_value() -> None:
    with pytest.raises(EmbeddedError) as caught:
        dotenv.parse_variables("GOOGLE_CLIENT_SECRET=GOCSPX abc")
    assert "GOCSPX" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"\.env is missing\. Create it with: make env"):
        dotenv.read_variables(tmp_path / ".env")


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff\xfe")
    with pytest.raises(EmbeddedError, match="not UTF-8"):
        dotenv.read_variables(tmp_path / ".env")
