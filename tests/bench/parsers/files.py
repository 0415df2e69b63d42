"""Token files and tables: how many shapes are read as their programs mean them, and no grant under a wrong mailbox."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.ground import Ground
from bench.report import Figure, Say, at_most, exactly
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.transfer import parser
from gmail_warmup.transfer.authorized_user import parse_authorized_user
from gmail_warmup.transfer.migration_plan import Candidate
from gmail_warmup.transfer.token_files import read_token_files
from samples.files.tables import CSV_SHAPES, EXPECTED
from samples.files.tokens import ADA, FILE_NAMES, TOKEN_SHAPES, TokenSample


def measure_files(ground: Ground, say: Say) -> list[Figure]:
    """Read every sample."""
    tokens = [sample for sample in TOKEN_SHAPES if _is_right(sample)]
    tables = [name for name, raw in CSV_SHAPES if _reads(raw)]
    wrong = [name for name, addresses in FILE_NAMES if _is_wrong_mailbox(name, addresses)]
    wrong += [sample.name for sample in TOKEN_SHAPES if any(offer.address != ADA for offer in _read(sample))]
    for name in {sample.name for sample in TOKEN_SHAPES} - {sample.name for sample in tokens}:
        say(f"not read right: {name}")
    for name in wrong:
        say(f"wrong mailbox: {name}")
    return [
        Figure(label="shapes of token files read right", value=len(tokens), unit=f"of {len(TOKEN_SHAPES)}",
               target=exactly(len(TOKEN_SHAPES)), key="token_shapes"),
        Figure(label="shapes of tables read right", value=len(tables), unit=f"of {len(CSV_SHAPES)}",
               target=exactly(len(CSV_SHAPES)), key="csv_shapes"),
        Figure(label="grants under a wrong mailbox", value=len(wrong), unit=f"of {len(FILE_NAMES) + len(TOKEN_SHAPES)}",
               target=at_most(0), key="wrong_mailbox"),
    ]  # fmt: skip


def _read_bytes(name: str, raw: bytes, address: str = "") -> Sequence[Candidate]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        return read_token_files(path, kind="pool", address=address)[0]


def _read(sample: TokenSample) -> Sequence[Candidate]:
    return _read_bytes(sample.file, sample.raw)


def _is_right(sample: TokenSample) -> bool:
    try:
        (offer,) = _read_bytes(sample.file, sample.raw, "" if sample.address else ADA)
        grant = parse_authorized_user(offer.token)
    except (InvalidInputError, ValueError):
        return False
    expected = (ADA, sample.refresh_token, sample.client_id, sample.scopes, sample.expires_at)
    return (offer.address, grant.refresh_token, grant.client_id, grant.scopes, grant.expires_at) == expected


def _is_wrong_mailbox(name: str, addresses: Sequence[str]) -> bool:
    found = [offer.address for offer in _read_bytes(name, b'{"refresh_token": "1//x"}')]
    return found != (list(addresses) if len(addresses) == 1 else [])


def _reads(raw: bytes) -> bool:
    try:
        found = parser.parse_file(raw).require_valid()
    except InvalidInputError:
        return False
    values = [
        (item.address, item.settings.kind.value, item.settings.daily_target, item.settings.open_rate,
         item.settings.timezone, item.settings.display_name, item.settings.signature)
        for item in found
    ]  # fmt: skip
    return values == EXPECTED
