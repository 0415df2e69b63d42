"""One stored form for each address, and one identity for each Google mailbox."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gmail_warmup.core.enums import CONSUMER_DOMAINS
from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.mailboxes import repository
from gmail_warmup.mailboxes.addresses import (
    get_identity,
    is_same_mailbox,
    normalize_address,
    normalize_domain,
    to_stored_address,
)
from gmail_warmup.mailboxes.lookup import SecondSpellingError
from gmail_warmup.mailboxes.records import MailboxSettings

GMAIL, GOOGLEMAIL = CONSUMER_DOMAINS

STORED = {
    "Ada@Example.COM": "ada@example.com",
    "\t ada@example.com\r\n": "ada@example.com",
    "o'neil_x-y.z@example.com": "o'neil_x-y.z@example.com",
    "name+tag@example.com": "name+tag@example.com",
    "ada@MÜNCHEN.example": "ada@xn--mnchen-3ya.example",
    "ada@mu\u0308nchen.example": "ada@xn--mnchen-3ya.example",
    "ada@XN--MNCHEN-3YA.example": "ada@xn--mnchen-3ya.example",
    "ada@münchen\u3002example": "ada@xn--mnchen-3ya.example",
    "ada@\uff45\uff58\uff41\uff4d\uff50\uff4c\uff45.com": "ada@example.com",
    "ada@правда.example": "ada@xn--80aafi6cg.example",
    "ada@r3---sn.example.com": "ada@r3---sn.example.com",
}
REFUSED = {
    "": "Write it as name@domain",
    "@": "Write it as name@domain",
    "ada": "Write it as name@domain",
    "ada@localhost": "Write it as name@domain",
    "ada@192.0.2.1": "Write it as name@domain",
    "ada@[192.0.2.1]": "Write it as name@domain",
    "a@b@example.com": "Write it as name@domain",
    "a" * 65 + "@example.com": "Write it as name@domain",
    "ada@" + "a" * 64 + ".example": "Write it as name@domain",
    "ada@-x.example": "Write it as name@domain",
    "ada@" + "a." * 130 + "example": "more than 254 characters",
    "ada@example.com.": "Remove the dot at the end: ada@example.com",
    ".ada@example.com": "A dot must not be first or last",
    "ada.@example.com": "A dot must not be first or last",
    "a..b@example.com": "follow another one",
    "=?utf-8?q?ada?=@example.com": r"without =\?",
    "=?utf-8?q?=0d=0abcc=3aeve=40example=2ecom?=@example.com": r"without =\?",
    "ada@example" + "." * 2 + "com": "follow another one",
    '"ada l"@example.com': "no quotation marks",
    "Ada L <ada@example.com>": "Write only the address: ada@example.com",
    "<ada@example.com>": "Write only the address: ada@example.com",
    "mailto:ada@example.com": "Write only the address: ada@example.com",
    "ada@example.com, eve@example.com": "one address, not a list",
    "ada@example.com;eve@example.com": "one address, not a list",
    "ada@☃.example": "is not a domain",
    "ada@xn--zzzz9999.example": "is not a domain",
    "adä@example.com": r"U\+00E4 \(LATIN SMALL LETTER A WITH DIAERESIS\)",
    "\u212aada@example.com": r"U\+212A \(KELVIN SIGN\)",
    "ada\uff20example.com": r"U\+FF20 \(FULLWIDTH COMMERCIAL AT\)",
    "ada l@example.com": r"U\+0020 \(SPACE\)",
    f"name+tag@{GMAIL}": f"Use name@{GMAIL}",
    f"n.ame+a+b@{GOOGLEMAIL.replace('m', 'M')}": f"Use n.ame@{GOOGLEMAIL}",
}
INVISIBLE = [
    chr(point)
    for point in (
        0x00, 0x07, 0x7F, 0x85, 0xA0, 0xAD, 0x34F, 0x61C, 0x115F, 0x180E, 0x2000, 0x2007, 0x200B, 0x200C, 0x200D,
        0x200E, 0x2028, 0x2029, 0x202E, 0x202F, 0x205F, 0x2060, 0x2064, 0x2066, 0x3000, 0x3164, 0xFE0F, 0xFEFF, 0xFFA0,
        0xFFF9, 0xD800, 0xE000, 0xE0001, 0xE0100,
    )
]  # fmt: skip
ONE_MAILBOX = [
    f"ada.l@{GMAIL}", f"adal@{GMAIL}", f"a.d.a.l@{GMAIL}", f"ADAL@{GMAIL.capitalize()}", f"adal@{GOOGLEMAIL}",
    f"ada.l@{GOOGLEMAIL.upper()}", f"adal+shop@{GMAIL}", f"ad.al+@{GOOGLEMAIL}",
]  # fmt: skip


@pytest.mark.parametrize(("given", "stored"), STORED.items())
def test_an_address_has_one_stored_form(given: str, stored: str):
    assert normalize_address(given) == stored
    assert normalize_address(stored) == stored
    assert to_stored_address(given) == stored


@pytest.mark.parametrize(("given", "said"), REFUSED.items(), ids=map(ascii, REFUSED))
def test_what_is_no_address_is_refused_with_the_remedy(given: str, said: str):
    with pytest.raises(InvalidInputError, match=said):
        normalize_address(given)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("example.com.", "example.com"), (" @Example.COM ", "example.com"), ("a b", "a b"), ("", ""),
        ("bücher.example.", "xn--bcher-kva.example"), ("EXAMPLE\u3002com\u3002", "example.com"),
    ],
)  # fmt: skip
def test_a_domain_has_one_stored_form(given: str, stored: str):
    assert normalize_domain(given) == stored
    assert normalize_domain(stored) == stored


@pytest.mark.parametrize("place", ["{}ada@example.com", "a{}da@example.com", "ada@exam{}ple.com", "ada@example.com{}"])
@pytest.mark.parametrize("char", INVISIBLE, ids=ascii)
def test_an_invisible_character_is_named_by_its_code_point(char: str, place: str):
    with pytest.raises(InvalidInputError) as refused:
        normalize_address(place.format(char))
    said = str(refused.value)
    assert f"U+{ord(char):04X}" in said
    assert said.isprintable(), "nothing invisible in the message"


@pytest.mark.parametrize("address", ONE_MAILBOX)
def test_the_spellings_of_a_consumer_mailbox_are_one(address: str):
    assert get_identity(to_stored_address(address)) == f"adal@{GMAIL}"
    assert is_same_mailbox(address, ONE_MAILBOX[0])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada.l@example.com", "adal@example.com"),
        ("ada@example.com", "ada+x@example.com"),
        (f"ada@{GMAIL}", "ada@example.com"),
        (f"ada@{GMAIL}", f"ida@{GMAIL}"),
        (f"ada@{GMAIL}", f"ada@mail.{GMAIL}"),
    ],
)
def test_a_workspace_keeps_dots_and_tags(one: str, other: str):
    assert not is_same_mailbox(one, other)


@pytest.mark.parametrize("address", [*ONE_MAILBOX, *STORED.values(), "x", "", "@", f"a@b@{GMAIL}", f"+@{GMAIL}"])
def test_the_database_computes_the_same_identity(database: sa.Engine, address: str):
    stored = to_stored_address(address)
    with database.begin() as connection:
        insert = sa.text("INSERT INTO gmail_warmup.mailbox (address, kind, created_by) VALUES (:a, 'pool', 'x')")
        connection.execute(insert, {"a": stored})
        assert connection.scalar(sa.text("SELECT identity FROM gmail_warmup.mailbox")) == get_identity(stored)


def add(connection: sa.Connection, address: str) -> int:
    return repository.add_or_update(connection, address, MailboxSettings(kind="pool"), actor="test")


@pytest.mark.parametrize("address", [item for item in ONE_MAILBOX if "+" not in item][1:])
def test_a_second_spelling_is_refused_and_names_the_first(database: sa.Engine, address: str):
    with database.begin() as connection:
        add(connection, ONE_MAILBOX[0])
    if normalize_address(address) == ONE_MAILBOX[0]:
        return
    with database.begin() as connection, pytest.raises(SecondSpellingError, match=r"Use ada\.l@gmail\.com"):
        add(connection, address)
    with database.begin() as connection:
        assert [mailbox.address for mailbox in repository.list_mailboxes(connection)] == [ONE_MAILBOX[0]]


@pytest.mark.parametrize("address", ONE_MAILBOX)
def test_a_mailbox_is_found_by_each_spelling(database: sa.Engine, address: str):
    with database.begin() as connection:
        mailbox_id = add(connection, ONE_MAILBOX[0])
        add(connection, "ada.l@example.com")
        assert repository.get_mailbox(connection, address).id == mailbox_id
        assert [found.id for found in repository.get_mailboxes(connection, [address, *ONE_MAILBOX])] == [mailbox_id]


@pytest.mark.parametrize("address", ["", "x", "\x00", "\ud800", f"ada\x00@{GMAIL}", f"ö@{GMAIL}", "a" * 10_000])
def test_a_text_that_is_no_address_finds_nothing(database: sa.Engine, address: str):
    with database.begin() as connection:
        add(connection, ONE_MAILBOX[0])
        assert repository.find_mailbox(connection, address) is None
