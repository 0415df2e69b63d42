"""Token files of client libraries and tools: the mailbox, the scopes and the expiry are those that the file states."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gmail_warmup.core.errors import InvalidInputError
from gmail_warmup.transfer.authorized_user import parse_authorized_user
from gmail_warmup.transfer.parser import parse_with_problems
from gmail_warmup.transfer.token_files import read_token_files
from gmail_warmup.transfer.tokens.file_names import read_file_name
from samples.files.tokens import (
    ADA,
    BEN,
    FILE_NAMES,
    REFUSED_FILES,
    TOKEN_SHAPES,
    TokenSample,
    make_id_token,
)

SECRETS = ("1//", "ya29", "GOCSPX")


def put(folder: Path, name: str, raw: bytes) -> None:
    (folder / name).write_bytes(raw)


@pytest.mark.parametrize("sample", TOKEN_SHAPES, ids=lambda sample: sample.name)
def test_a_file_is_read_as_its_program_means_it(tmp_path: Path, sample: TokenSample):
    put(tmp_path, sample.file, sample.raw)
    given = "" if sample.address else ADA
    (candidate,), left = read_token_files(tmp_path / sample.file, kind="pool", address=given)
    assert (candidate.address, left) == (ADA, [])
    grant = parse_authorized_user(candidate.token)
    assert (grant.refresh_token, grant.access_token) == (sample.refresh_token, "ya29.access" if grant.expires_at else
            grant.access_token)  # fmt: skip
    assert (grant.client_id, grant.scopes, grant.expires_at) == (sample.client_id, sample.scopes, sample.expires_at)


@pytest.mark.parametrize("sample", [sample for sample in TOKEN_SHAPES if not sample.address], ids=lambda s: s.name)
def test_a_file_that_states_no_mailbox_is_left(tmp_path: Path, sample: TokenSample):
    put(tmp_path, sample.file, sample.raw)
    offers, (skipped,) = read_token_files(tmp_path, kind="pool")
    assert offers == []
    assert "contains no address; name it with --address, or rename the file" in skipped.why


@pytest.mark.parametrize(
    ("file", "content", "said"), [case[1:] for case in REFUSED_FILES], ids=[c[0] for c in REFUSED_FILES]
)
def test_a_file_without_a_usable_grant_is_left_with_the_reason(tmp_path: Path, file: str, content: object, said: str):
    put(tmp_path, file, TokenSample(name="", file=file, content=content).raw)
    put(tmp_path, f"good_{ADA}.json", b'{"refresh_token": "1//good"}')
    (good,), (skipped,) = read_token_files(tmp_path, kind="pool")
    assert good.address == f"good_{ADA}"
    assert skipped.source.startswith(file)
    assert said in skipped.why
    assert not [secret for secret in SECRETS if secret in repr(skipped)]


@pytest.mark.parametrize(("name", "addresses"), FILE_NAMES)
def test_a_name_states_an_address_only_if_it_can_mean_no_other(tmp_path: Path, name: str, addresses: tuple[str, ...]):
    assert read_file_name(name) == addresses
    put(tmp_path, name, b'{"refresh_token": "1//x"}')
    offers, left = read_token_files(tmp_path, kind="pool")
    assert [offer.address for offer in offers] == (list(addresses) if len(addresses) == 1 else [])
    if len(addresses) > 1:
        assert left[0].why.startswith(f"its name can mean {' or '.join(addresses)}; add the right mailbox first")


@pytest.mark.parametrize("existing", [ADA, f"token_{ADA}"])
def test_of_two_readings_the_mailbox_that_exists_is_meant(tmp_path: Path, existing: str):
    put(tmp_path, f"token_{ADA}.json", b'{"refresh_token": "1//x"}')
    (offer,), left = read_token_files(tmp_path, kind="pool", find_existing={existing}.intersection)
    assert (offer.address, left) == (existing, [])
    both = {ADA, f"token_{ADA}"}
    offers, left = read_token_files(tmp_path, kind="pool", find_existing=both.intersection)
    assert (offers, len(left)) == ([], 1)


def test_a_pattern_says_where_the_address_is(tmp_path: Path):
    for name in (f"token_{ADA}.json", f"token_x_{BEN}.json", f"{ADA}.json"):
        put(tmp_path, name, b'{"refresh_token": "1//x"}')
    offers, (skipped,) = read_token_files(tmp_path, kind="pool", name_pattern="token_{address}.json")
    assert [offer.address for offer in offers] == [ADA, f"x_{BEN}"]
    assert (skipped.source, skipped.why[:20]) == (f"{ADA}.json", "contains no address;")
    for pattern in ("token_", "{address}{address}"):
        with pytest.raises(InvalidInputError, match="--name-pattern must contain"):
            read_token_files(tmp_path, kind="pool", name_pattern=pattern)


def test_two_files_for_one_mailbox_replace_nothing_in_silence(tmp_path: Path):
    put(tmp_path, f"{ADA}.json", b'{"refresh_token": "1//one"}')
    put(tmp_path, f"{ADA}.txt", b'{"refresh_token": "1//two"}')
    put(tmp_path, f"{BEN}.json", b'{"refresh_token": "1//same"}')
    put(tmp_path, f"{BEN} (1).json", b'{"refresh_token": "1//same"}')
    offers, left = read_token_files(tmp_path, kind="pool")
    assert [offer.address for offer in offers] == [BEN]
    assert {skipped.source: skipped.why.partition(";")[0].partition(",")[0] for skipped in left} == {
        f"{ADA}.json": f"contains another grant for the mailbox of {ADA}.txt",
        f"{ADA}.txt": f"contains another grant for the mailbox of {ADA}.json",
        f"{BEN}.json": f"contains the same grant as {BEN} (1).json",
    }


def test_an_address_that_is_given_does_not_overrule_the_file(tmp_path: Path):
    put(tmp_path, "token.json", f'{{"refresh_token": "1//x", "email": "{BEN}"}}'.encode())
    offers, (skipped,) = read_token_files(tmp_path / "token.json", kind="pool", address=ADA)
    assert offers == []
    assert skipped.why == f"contains the grant of {BEN}, but --address is {ADA}."


def test_one_bad_account_of_a_file_stops_no_other(tmp_path: Path):
    accounts = b'{"%s": {"refresh_token": "1//x"}, "%s": {"colour": "1//blue"}, "1//key": {"refresh_token": "1//y"}}'
    put(tmp_path, "accounts.json", accounts % (ADA.encode(), BEN.encode()))
    (offer,), left = read_token_files(tmp_path, kind="pool")
    assert offer.address == ADA
    assert [skipped.source for skipped in left] == ["accounts.json [entry 2]", "accounts.json [entry 3]"]
    assert "1//" not in repr(left)


@pytest.mark.parametrize(
    "key", ["refresh_token", "access_token", "token", "client_id", "scope", "scopes", "granted_scopes"]
)
@pytest.mark.parametrize("value", ["1//a\u200bb", "1//\u00e4", "1//a\x00b", 5, {"a": "1//"}])
def test_a_value_that_is_not_printable_ascii_names_the_field(key: str, value: object):
    with pytest.raises(InvalidInputError, match=f"the {key}|contains no refresh_token") as caught:
        parse_authorized_user({"refresh_token": "1//x"} | {key: value})
    assert "1//" not in str(caught.value)


def test_an_entry_with_the_grant_of_another_mailbox_is_refused():
    entry = {"address": ADA, "kind": "pool", "oauth_token": {"refresh_token": "1//x", "id_token": make_id_token(BEN)}}
    (problem,) = parse_with_problems(json.dumps([entry])).problems
    assert problem.rule == f"the token is a grant of {BEN}, not of {ADA}; correct one of them."
