"""The generated parts of the documentation are up to date and complete."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import docs_parts  # noqa: E402

from gmail_warmup.core import enums  # noqa: E402
from gmail_warmup.core.enums import REPAIRED_BY, RETRIED, ResponseCategory  # noqa: E402
from gmail_warmup.core.settings import Settings  # noqa: E402
from gmail_warmup.oauth.reasons import REASONS  # noqa: E402


def test_no_page_is_out_of_date():
    command = [sys.executable, ROOT / "scripts" / "generate_docs.py", "--check"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr[-2000:]


def test_an_unknown_part_is_named():
    with pytest.raises(SystemExit, match="generated: weather -->: known parts are settings"):
        docs_parts.part("weather")


def test_every_option_state_and_code_is_in_its_table():
    assert [name for name in Settings.model_fields if f"| `{name}` |" not in docs_parts.settings()] == []
    states = docs_parts.grant_states()
    assert [state for state in enums.GrantState if f"| `{state}` |" not in states] == []
    reasons = docs_parts.grant_reasons()
    assert [code for code in REASONS if code != "ok" and f"| `{code}` |" not in reasons] == []


def test_every_kind_of_answer_has_a_meaning_and_somebody_who_repairs_it():
    described = {kind for kind, _ in docs_parts.meanings(ResponseCategory)}
    assert described == set(ResponseCategory) == set(REPAIRED_BY) == set(RETRIED)
