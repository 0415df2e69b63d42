"""The data of mailboxes as a download: confirmed, JSON for one, a ZIP archive for several."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from typing import IO, Any

import httpx
import pytest
import sqlalchemy as sa

from gmail_warmup.mailboxes.lookup import MailboxAddress
from gmail_warmup.web.api.lifecycle import documents
from web.kit import API, Site

ADA, BOB = "ada@example.com", "bob@example.com"


def test_the_data_of_one_mailbox_is_json_and_that_of_several_an_archive(site: Site, op: httpx.Client):
    site.add(ADA)
    site.add(BOB)
    path = f"{API}/mailboxes/export-data"
    assert op.post(path, json={"addresses": [ADA], "confirmation": BOB}).status_code == 422
    one = op.post(path, json={"addresses": [ADA], "confirmation": ADA})
    assert one.headers["content-disposition"] == f'attachment; filename="{ADA}.json"'
    assert one.json()["tables"]["mailbox"][0]["address"] == ADA
    both = op.post(path, json={"addresses": [ADA, BOB], "confirmation": "2"})
    with zipfile.ZipFile(io.BytesIO(both.content)) as archive:
        assert archive.namelist() == [f"{ADA}.json", f"{BOB}.json"]
        assert json.loads(archive.read(f"{BOB}.json"))["address"] == BOB


def test_a_download_has_a_limit_and_names_the_command_without_one(site: Site, op: httpx.Client):
    site.sql(
        "INSERT INTO gmail_warmup.mailbox (address, kind, created_by)"
        " SELECT 'box' || n || '@example.com', 'pool', 't' FROM generate_series(1, 1001) n"
    )
    body = {"filter": {}, "at_most": 2000, "confirmation": "1001"}
    refused = op.post(f"{API}/mailboxes/export-data", json=body)
    assert refused.status_code == 422
    assert "1,001 mailboxes are selected, and a download has at most 1,000" in refused.json()["detail"]
    assert "gmail-warmup mailboxes export-data FOLDER" in refused.json()["detail"]
    assert site.sql("SELECT 1 FROM gmail_warmup.change_log WHERE action = 'mailbox_export'") == []


@pytest.mark.parametrize("count", [1, 2])
def test_the_temporary_file_is_closed_if_a_document_cannot_be_read(count: int, monkeypatch: pytest.MonkeyPatch):
    opened: list[IO[bytes]] = []
    make_file = tempfile.SpooledTemporaryFile

    def keep(**options: Any) -> Any:
        opened.append(make_file(**options))
        return opened[-1]

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", keep)
    engine = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    mailboxes = [MailboxAddress(id=number, address=f"box{number}@example.com") for number in range(count)]
    with pytest.raises(sa.exc.OperationalError):
        documents._write_file(engine, mailboxes)
    assert [file.closed for file in opened] == [True]
