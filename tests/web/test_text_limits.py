"""A page accepts a text up to the length that the API accepts, and no longer one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from gmail_warmup import web
from gmail_warmup.db.models.schedules import SCHEDULE_LIMITS
from gmail_warmup.mailboxes.schedules.values import SCHEDULE_NAMES
from web.kit import API, MOUNT, Site

ADA = "ada@warm.example"
PAGES = (
    "", "mailboxes", f"mailboxes/{ADA}", "schedules", "schedules/sales", "invites", "import", "webhooks", "changes",
    "report", "clients", "directory",
)  # fmt: skip
TEMPLATES = sorted((Path(web.__file__).parent / "templates").glob("*.html"))


class Fields(HTMLParser):
    """Collects the inputs with a maximum length: name, length, and whether it is a number."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[tuple[str, int, bool]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("input", "textarea") and (length := values.get("maxlength")):
            self.found.add((str(values["name"]), int(length), values.get("inputmode") == "numeric"))


def make_text(name: str, length: int) -> str:
    """Return a value of a length that breaks no other rule, if there can be one."""
    if name in ("owner", "owner_email", "new_address"):
        domain = ".".join(["d" * 60] * 3)
        return f"{'a' * (length - len(domain) - 9)}@{domain}.example"
    return "x" * length


def send(browser: httpx.Client, page: str, name: str, text: str) -> httpx.Response:
    """Send a value to the route of the API that the input belongs to."""
    change = {"addresses": [ADA]}
    match name:
        case "display_name" | "signature" | "owner_email":
            return browser.post(f"{API}/mailboxes/change", json=change | {"changes": {name: text}})
        case "new_address":
            return browser.post(f"{API}/mailboxes/rename", json={"address": ADA, name: text})
        case "reason":
            return browser.post(f"{API}/mailboxes/pause", json=change | {"reason": text})
        case "conn_id":
            return browser.post(f"{API}/clients", json={"conn_id": text})
        case "confirmation":
            return browser.post(f"{API}/mailboxes/remove", json=change | {"confirmation": text})
    lists = {"invites": "invites", "webhooks": "webhooks/deliveries", "changes": "changes", "report": "report"}
    path = lists.get(page, "mailboxes" if name != "domain" or page else "overview")
    return browser.get(f"{API}/{path}", params={name: text})


def find_limit(browser: httpx.Client, name: str) -> int:
    """Return the maximum length of a value of a schedule, from the description of the API."""
    schemas = browser.get(f"{API}/openapi.json").json()["components"]["schemas"]
    fields = (schema["properties"][name] for schema in schemas.values() if name in schema.get("properties", {}))
    lengths = {part["maxLength"] for field in fields for part in field.get("anyOf", []) if "maxLength" in part}
    assert len(lengths) == 1, name
    return int(lengths.pop())


def is_too_long(answer: httpx.Response) -> bool:
    return answer.status_code == 422 and "characters" in answer.text


def limited_fields(browser: httpx.Client, page: str) -> Iterator[tuple[str, int, bool]]:
    """Yield the fields of a page that exists."""
    answer = browser.get(f"{MOUNT}/{page}")
    assert answer.status_code == 200, page
    yield from sorted(Fields(answer.text).found)


@pytest.mark.parametrize("page", PAGES)
def test_each_input_accepts_what_the_api_accepts(site: Site, op: httpx.Client, page: str):
    site.add(ADA, "warmup", tags=["sales"])
    for name, length, is_number in limited_fields(op, page):
        if name in SCHEDULE_NAMES:
            assert length == (len(str(SCHEDULE_LIMITS[name][1])) if is_number else find_limit(op, name)), name
            continue
        assert not is_too_long(send(op, page, name, make_text(name, length))), (name, length)
        assert is_too_long(send(op, page, name, make_text(name, length + 1))), (name, length)


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_no_template_has_a_length_of_its_own(template: Path):
    assert re.findall(r'maxlength="\d+"', template.read_text()) == []
