"""A process that finishes the consent of an invite.

Reads one JSON line: key, database, sandbox, redirect URI, state, code and the browser's cookie. Says ``ready``, waits
for a line, finishes, and says as JSON how that ended.
"""

from __future__ import annotations

import json
import sys

import sqlalchemy as sa
from cryptography.fernet import Fernet, MultiFernet

from gmail_sandbox.client import SandboxClient
from gmail_warmup.crypto.cipher import Cipher
from gmail_warmup.oauth.consent.errors import ConsentRefusedError
from gmail_warmup.oauth.consent.flow import ConsentFlow
from gmail_warmup.oauth.consent.states import BrowserSession
from gmail_warmup.oauth.grant_store import GrantStore
from gmail_warmup.oauth.token_endpoint import OAuthClient, TokenEndpoint
from support.world import CLIENT_ID, CLIENT_SECRET

order = json.loads(sys.stdin.readline())
sandbox = SandboxClient(order["sandbox"])
store = GrantStore(
    sa.create_engine(order["database"], poolclass=sa.pool.NullPool), Cipher(MultiFernet([Fernet(order["key"])]))
)
client = OAuthClient(
    client_id=CLIENT_ID, secrets=(CLIENT_SECRET,), token_uri=sandbox.token_uri, api_endpoint=sandbox.base_url
)
flow = ConsentFlow(store, lambda _: TokenEndpoint(client), redirect_uri=order["redirect_uri"])
print("ready", flush=True)
sys.stdin.readline()
try:
    flow.finish(
        state=order["state"], code=order["code"], error="", session=BrowserSession(user=None, browser=order["browser"])
    )
    outcome = "granted"
except ConsentRefusedError as refused:
    outcome = refused.refusal.value
json.dump(outcome, sys.stdout)
