"""A process that keeps writing grants: refreshes some mailboxes, re-authenticates others, or both.

Reads one JSON line: what to do, with which keys, where. Says ``ready``, waits for a line, writes, and says as JSON what
it wrote last (an access token for each refreshed mailbox, a refresh token for each re-authenticated one), and how often
it met an older token in place of a newer one.
"""

from __future__ import annotations

import json
import sys

import sqlalchemy as sa
from cryptography.fernet import Fernet, MultiFernet

from gmail_sandbox.client import SandboxClient
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.oauth.grant import Actor
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.reasons import REASONS
from gmail_warmup.oauth.token_endpoint import SCOPE, OAuthClient, TokenResult
from support.world import CLIENT_ID, CLIENT_SECRET, World

order = json.loads(sys.stdin.readline())
sandbox = SandboxClient(order["sandbox"])
cipher = Cipher(MultiFernet([Fernet(key) for key in order["keys"]]))
store = GrantStore(sa.create_engine(order["database"], poolclass=sa.pool.NullPool), cipher)
client = OAuthClient(client_id=CLIENT_ID, secrets=(CLIENT_SECRET,), token_uri=sandbox.token_uri)
world = World(store=store, sandbox=sandbox, client=client, actor=Actor(name="writer"))
last: dict[str, str] = {}
seen: set[str] = set()
lost = 0


def refresh(address: str) -> None:
    """Refresh, whether it is due or not: the token handed out last counts as rejected."""
    global lost
    last[address] = world.tokens().get_token(address, rejected=last.get(address)).token
    lost += last[address] in seen
    seen.add(last[address])


def sign_in(address: str) -> None:
    """Do what a finished consent does."""
    global lost
    stored = store.read_grant(address)
    lost += address in last and cipher.decrypt(stored.secret_owner, stored.refresh_token or "") != last[address]
    grant = sandbox.grant(address, CLIENT_ID, scopes=[SCOPE])
    verdict = TokenResult(
        reason=REASONS["ok"], access_token=grant.access_token, expires_in=3599, refresh_token=grant.refresh_token,
        scopes=(SCOPE,),
    )  # fmt: skip
    with store.engine.begin() as connection:
        store.store_consent(connection, stored.mailbox_id, verdict, client_id=CLIENT_ID, elapsed=0, actor=world.actor)
    last[address] = grant.refresh_token


print("ready", flush=True)
sys.stdin.readline()
for _ in range(order["rounds"]):
    for name in order["addresses"]:
        refresh(name) if order["do"] == "refresh" else sign_in(name)
json.dump({"last": last, "lost": lost}, sys.stdout)
