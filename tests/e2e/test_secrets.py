"""A whole story on real processes, and then a search for its secrets in everything that was written or shown."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import sqlalchemy as sa
from cryptography.fernet import Fernet, MultiFernet

from gmail_embedded import demo_scene as scene
from gmail_embedded.installation import SANDBOX_CLIENT_SECRET
from gmail_embedded.processes import find_processes
from gmail_warmup.crypto.cipher import Cipher, build_secret_owner
from support.e2e_kit import CHECKOUT, MOUNT
from support.secret_hunt import Found, Hunt, files, processes, tables
from web.kit import at_google, changed, path_of

pytestmark = [pytest.mark.e2e, pytest.mark.chaos]

OF_AIRFLOW = (
    "/connections", "/variables", "/config", "/eventLogs", "/plugins", "/providers", "/dags/gmail_warmup/details",
    "/dags/~/dagRuns", "/dags/~/dagRuns/~/taskInstances?limit=1000", "/dags/gmail_token_health/dagRuns/~/taskInstances",
)  # fmt: skip
HOLDS_SECRETS = ("secrets.json", "passwords.json", "accounts.json", "environment.sh", "postgres")
"""In the folder of the run: what was made to hold them, and the files of the database, of which every table is read."""
OF_AIRFLOWS_OWN = ("the Fernet key", "the JWT secret", "the API secret", "the password of the database")
"""What Airflow's processes have in their environment, because there is no other way to give it to them."""


@pytest.fixture(scope="module")
def secrets(installation) -> dict[str, str]:
    """Play the story; return every secret that took part in it, by name."""
    stack, sandbox = installation.stack, installation.sandbox
    installation.run("gmail_token_health", {"force": True})
    installation.run("gmail_warmup")
    found = {f"token {number} of the import": token for number, token in enumerate(installation.tokens)}
    found |= consent(installation, scene.REVOKED_POOL[2])
    found |= invited(installation, scene.REVOKED_POOL[3])
    sandbox.add_fault("token", name="token.200_truncated", times=2)
    sandbox.revoke_grants(scene.WARMUP[1], cause="revoked")
    installation.run("gmail_token_health", {"force": True})
    sandbox.clear_faults()
    found |= stored(installation)
    return found | {
        "the client secret": SANDBOX_CLIENT_SECRET,
        "the Fernet key": stack.folder.secrets.fernet_key,
        "the JWT secret": stack.folder.secrets.jwt_secret,
        "the API secret": stack.folder.secrets.api_secret,
        "the password of the database": stack.folder.secrets.database_password,
    }


def consent(installation, address: str) -> dict[str, str]:
    """Sign in with a mailbox as an operator; once with a code that Google refuses, once as it should be."""
    with operator(installation) as browser:
        found = {}
        for code in ("4/0A-refused-" + "recognisable" * 5, None):
            body = {"address": address, "purpose": "reauth"}
            url = browser.post(f"{MOUNT}/api/v1/consents", json=body).json()["url"]
            back = at_google(url, address)
            answer = browser.get(changed(back, code=code) if code else back)
            assert answer.status_code == (410 if code else 303), answer.text
            query = parse_qs(urlsplit(str(answer.request.url)).query)
            number = len(found) // 2
            found |= {f"code {number}": query["code"][0], f"state {number}": query["state"][0]}
        return found


def invited(installation, address: str) -> dict[str, str]:
    """Sign in with a mailbox by an invite; a second invite stays open."""
    with operator(installation) as browser:
        tokens = []
        for _ in range(2):
            answer = browser.post(f"{MOUNT}/api/v1/invites", json={"addresses": [address]}).json()
            tokens.append(answer["invites"][0]["url"].partition("#")[2])
    origin = installation.stack.base_url
    with httpx.Client(base_url=origin, headers={"Origin": origin}, timeout=60) as owner:
        url = owner.post(f"{MOUNT}/invite/start", json={"token": tokens[1]}).json()["url"]
        back = at_google(url, address)
        assert owner.get(back).status_code == 303
    query = parse_qs(urlsplit(back).query)
    return {
        "the used invite": tokens[1],
        "the open invite": tokens[0],
        "the code of the invite": query["code"][0],
        "the state of the invite": query["state"][0],
    }


def stored(installation) -> dict[str, str]:
    """Return every token that is stored, and the verifier of every consent."""
    cipher = Cipher(MultiFernet([Fernet(installation.stack.folder.secrets.fernet_key)]))
    found = {}
    query = "SELECT mailbox_id, refresh_token, access_token FROM gmail_warmup.oauth_grant"
    for mailbox_id, *tokens in installation.rows(query):
        for kind, token in zip(("refresh token", "access token"), tokens, strict=True):
            if token:
                found[f"the {kind} of {mailbox_id}"] = cipher.decrypt(build_secret_owner(mailbox_id), token)
    for state_hash, verifier in installation.rows("SELECT state_hash, code_verifier FROM gmail_warmup.consent"):
        found[f"the verifier of {state_hash[:8]}"] = cipher.decrypt(f"consent:{state_hash}", verifier)
    return found


def operator(installation) -> httpx.Client:
    """Return a browser that is signed in to Airflow."""
    stack = installation.stack
    browser = httpx.Client(base_url=stack.base_url, headers={"Origin": stack.base_url}, timeout=60)
    browser.cookies.set("_token", stack.api.token)
    return browser


def own_paths() -> list[str]:
    """Return every address of ours that answers to GET, with a value for each parameter."""
    from fastapi.routing import APIRoute

    from gmail_warmup.web.app import create_app

    routes = [route for route in create_app().routes if isinstance(route, APIRoute) and "GET" in route.methods]
    return [path_of({"path": route.path}).replace("a@example.com", scene.REVOKED_POOL[2]) for route in routes]


def test_the_story_has_secrets_of_every_kind(secrets):
    names = " ".join(secrets)
    for kind in ("import", "code", "state", "used invite", "open invite", "refresh token", "access token", "verifier"):
        assert kind in names
    assert len(secrets) > 40


def test_no_file_of_the_run_holds_a_secret(installation, secrets, record_property):
    hunt = Hunt(secrets)
    for name, content in files(installation.stack.folder.root, but=HOLDS_SECRETS):
        hunt.look("file", name, content)
    assert hunt.looked_at["file"] > 100_000
    record_property("secrets_found", len(hunt.found))
    assert hunt.found == []


def test_no_table_holds_a_secret_in_the_clear(installation, secrets, record_property):
    hunt = Hunt(secrets)
    engine = sa.create_engine(installation.stack.database_url, poolclass=sa.pool.NullPool)
    for name, content in tables(engine, "public", "gmail_warmup"):
        hunt.look("table", name, content)
    assert hunt.looked_at["table"] > 100_000
    record_property("secrets_found", len(hunt.found))
    assert hunt.found == []


def test_no_page_and_no_answer_shows_a_secret(installation, secrets, record_property):
    hunt = Hunt(secrets)
    with operator(installation) as browser:
        for path in own_paths():
            answer = browser.get(path)
            assert answer.status_code < 500, answer.text
            hunt.look("page", path, answer.content)
        for path in OF_AIRFLOW:
            hunt.look("answer", path, browser.get(f"/api/v2{path}").content)
    record_property("secrets_found", len(hunt.found))
    assert hunt.found == []
    assert hunt.looked_at["page"] > 50_000


def test_no_process_has_a_secret_that_it_does_not_need(installation, secrets):
    hunt = Hunt(secrets)
    for number, line in processes("cmdline"):
        hunt.look("command", f"{number} {line[:100]!r}", line)
    ours = set(find_processes(installation.stack.folder.root))
    for number, environment in processes("environ"):
        if number in ours:
            hunt.look("environment", f"{number} {name_of(number)}", environment)
    allowed = [found for found in hunt.found if found.secret in OF_AIRFLOWS_OWN and "airflow" in found.place]
    assert allowed, "the environment of Airflow's processes was not read"
    assert [found for found in hunt.found if found not in allowed] == []


def name_of(number: int) -> str:
    """Return what a process is called, in one line."""
    lines = [line for process, line in processes("cmdline") if process == number]
    return " ".join(line.replace(b"\0", b" ").decode(errors="replace")[-200:] for line in lines)


def test_a_leak_would_be_found_everywhere(installation, secrets):
    """Leak one secret in each place, and take it away again."""
    token = secrets["token 0 of the import"]
    hunt = Hunt({"it": token})
    leaked = installation.stack.folder.logs / "leak.log"
    leaked.write_text(f"refreshing with {token}")
    installation.rows("INSERT INTO public.log (event, extra, dttm) VALUES ('leak', :token, now())", token=token)
    child = subprocess.Popen([sys.executable, "-c", "input()", token], stdin=subprocess.PIPE, cwd=CHECKOUT)
    try:
        for name, content in files(installation.stack.folder.root, but=HOLDS_SECRETS):
            hunt.look("file", name, content)
        engine = sa.create_engine(installation.stack.database_url, poolclass=sa.pool.NullPool)
        for name, content in tables(engine, "public"):
            hunt.look("table", name, content)
        with operator(installation) as browser:
            hunt.look("answer", "/eventLogs", browser.get("/api/v2/eventLogs?order_by=-id").content)
        for number, line in processes("cmdline"):
            hunt.look("command", str(number), line)
    finally:
        leaked.unlink()
        installation.rows("DELETE FROM public.log WHERE event = 'leak'")
        child.kill()
        child.wait()
    for place in ("file: logs/leak.log", "table: public.log.extra", "answer: /eventLogs", f"command: {child.pid}"):
        assert Found("it", place) in hunt.found
