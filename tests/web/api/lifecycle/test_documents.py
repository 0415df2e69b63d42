"""The data of mailboxes as a download: confirmed, JSON for one, a ZIP archive for several."""

from __future__ import annotations

import io
import json
import zipfile

import httpx

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
