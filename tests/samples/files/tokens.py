"""Token files as client libraries and tools write them, in our own words: the content, and what it means."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

ADA, BEN, CLEO, DAN = (f"{name}@warm.example" for name in ("ada", "ben", "cleo", "dan"))
MODIFY = "https://www.googleapis.com/auth/gmail.modify"
READONLY = "https://www.googleapis.com/auth/gmail.readonly"
OPENID = "openid"
CLIENT = "client.apps.example.com"
_JSON = ".json"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
MILLISECONDS = int(NOON.timestamp()) * 1000


def make_id_token(email: str) -> str:
    """Return an ID token with an address, without a signature that anybody could check."""
    parts = ({"alg": "RS256"}, {"email": email, "email_verified": True})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join([*encoded, "signature"])


@dataclass(frozen=True, kw_only=True)
class TokenSample:
    """A file with one grant: its name and content, and what has to be read from them."""

    name: str
    file: str
    content: Any
    """JSON, or the bytes of the file."""
    address: str | None = ADA
    refresh_token: str = "1//refresh"
    client_id: str | None = CLIENT
    scopes: tuple[str, ...] = (MODIFY,)
    expires_at: datetime | None = NOON

    @property
    def raw(self) -> bytes:
        """Return the bytes of the file."""
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content, indent=2).encode()


_CLIENT = {"client_id": CLIENT, "client_secret": "GOCSPX-theirs"}
_URI = {"token_uri": "https://oauth2.googleapis.com/token"}
_GRANT = {"access_token": "ya29.access", "refresh_token": "1//refresh"}
_RESPONSE = _GRANT | {"token_type": "Bearer", "expires_in": 3599, "scope": MODIFY}
_OAUTH2CLIENT = _GRANT | _CLIENT | _URI | {
    "token_expiry": "2026-01-31T12:00:00Z", "user_agent": None, "invalid": False, "revoke_uri": None,
    "token_response": _RESPONSE, "scopes": [], "_module": "oauth2client.client", "_class": "OAuth2Credentials",
}  # fmt: skip
_NODE = _GRANT | {"scope": f"{MODIFY} {OPENID}", "token_type": "Bearer", "expiry_date": MILLISECONDS}
_GO = _GRANT | {"token_type": "Bearer", "expiry": "2026-01-31T13:00:00.123456789+01:00"}
_PHP = _RESPONSE | {"created": int(NOON.timestamp()) - 3599}
_NET = _RESPONSE | {"Issued": "2026-01-31T12:00:01.0000000+01:00", "IssuedUtc": "2026-01-31T11:00:01Z"}
_PYTHON = _CLIENT | _URI | {
    "token": "ya29.access", "refresh_token": "1//refresh", "scopes": [MODIFY], "universe_domain": "googleapis.com",
    "account": "", "expiry": "2026-01-31T12:00:00Z",
}  # fmt: skip
_GAM = _CLIENT | _URI | {
    "decoded_id_token": {"email": ADA, "hd": "warm.example"}, "id_token": make_id_token(ADA),
    "refresh_token": "1//refresh", "scopes": [MODIFY], "token": "ya29.access", "token_expiry": "2026-01-31T12:00:00Z",
}  # fmt: skip
_RCLONE = (
    f"# rclone\r\n[mail]\r\ntype = drive\r\nclient_id = {CLIENT}\r\nclient_secret = GOCSPX-theirs\r\n"
    f"scope = {MODIFY}\r\ntoken = {json.dumps(_GO)}\r\n"
).encode()
_NANOSECONDS = NOON.replace(microsecond=123456)

TOKEN_SHAPES = (
    TokenSample(name="google-auth", file=f"{ADA}.json", content=_PYTHON),
    TokenSample(name="google-auth with an account", file="token.json", content=_PYTHON | {"account": ADA.upper()}),
    TokenSample(name="google-auth, granted scopes", file=f"{ADA}.json",
                content=_PYTHON | {"scopes": [MODIFY, OPENID], "granted_scopes": [READONLY]}, scopes=(READONLY,)),
    TokenSample(name="authorized_user of gcloud", file=f"{ADA}.json", scopes=(), expires_at=None,
                content=_CLIENT | {"type": "authorized_user", "refresh_token": "1//refresh", "account": "",
                                   "quota_project_id": "project", "universe_domain": "googleapis.com"}),
    TokenSample(name="oauth2client", file=f"{ADA}.json", content=_OAUTH2CLIENT),
    TokenSample(name="oauth2client with an ID token", file="credentials.json",
                content=_OAUTH2CLIENT | {"id_token": {"email": ADA}, "id_token_jwt": make_id_token(ADA)}),
    TokenSample(name="oauth2client, requested scopes", file=f"{ADA}.json", scopes=(READONLY,),
                content=_OAUTH2CLIENT | {"scopes": [MODIFY], "token_response": _RESPONSE | {"scope": READONLY}}),
    TokenSample(name="oauth2client, multistore_file", file="multistore.json", content={
        "file_version": 1,
        "data": [{"key": {"account": ADA, "clientId": CLIENT, "scope": MODIFY}, "credential": _OAUTH2CLIENT}],
    }),
    TokenSample(name="Node", file=f"{ADA}.json", content=_NODE, client_id=None, scopes=(MODIFY, OPENID)),
    TokenSample(name="Node, wrapped", file="store.json", client_id=None, scopes=(MODIFY, OPENID),
                content={"email": ADA, "tokens": _NODE}),
    TokenSample(name="Node with an ID token", file="token.json", client_id=None, scopes=(MODIFY, OPENID),
                content=_NODE | {"id_token": make_id_token(ADA)}),
    TokenSample(name="Node, read only", file=f"{ADA}.json", content=_NODE | {"scope": READONLY}, client_id=None,
                scopes=(READONLY,)),
    TokenSample(name="Node, names in camel case", file=f"{ADA}.json", client_id=None,
                content={"accessToken": "ya29.access", "refreshToken": "1//refresh", "grantedScopes": MODIFY,
                         "expiresAt": "2026-01-31T12:00:00Z"}),
    TokenSample(name="Go", file=f"{ADA}.json", content=_GO, client_id=None, scopes=(), expires_at=_NANOSECONDS),
    TokenSample(name="Go, zero time", file=f"{ADA}.json", client_id=None, scopes=(), expires_at=None,
                content=_GO | {"expiry": "0001-01-01T00:00:00Z"}),
    TokenSample(name="PHP", file=f"{ADA}.json", content=_PHP, client_id=None),
    TokenSample(name="PHP, scopes with commas", file=f"{ADA}.json", client_id=None, scopes=(MODIFY, OPENID),
                content=_PHP | {"scope": f"{MODIFY},{OPENID}"}),
    TokenSample(name=".NET", file=f"Google.Apis.Auth.OAuth2.Responses.TokenResponse-{ADA}", content=_NET,
                client_id=None, expires_at=NOON),
    TokenSample(name=".NET, user that is no address", file="Google.Apis.Auth.OAuth2.Responses.TokenResponse-user",
                content=_NET, client_id=None, address=None),
    TokenSample(name="Java, StoredCredential as JSON", file="stored.json", client_id=None, scopes=(), content={
        ADA: {"accessToken": "ya29.access", "refreshToken": "1//refresh", "expirationTimeMilliseconds": MILLISECONDS},
    }),
    TokenSample(name="Java, FileCredentialStore", file="credentials.json", client_id=None, scopes=(), content={
        "credentials": {ADA: _GRANT | {"expiration_time_millis": MILLISECONDS}},
    }),
    TokenSample(name="GAM", file="oauth2.txt", content=_GAM),
    TokenSample(name="rclone", file="rclone.conf", content=_RCLONE, address=None, expires_at=_NANOSECONDS),
    TokenSample(name="rclone, remote that is an address", file="rclone.conf", expires_at=_NANOSECONDS,
                content=_RCLONE.replace(b"[mail]", f"[{ADA}]".encode())),
    TokenSample(name="object by address", file="accounts.json", content={ADA: _PYTHON}),
    TokenSample(name="list of accounts", file="accounts.json", content=[_PYTHON | {"email": ADA}]),
    TokenSample(name="byte order mark and CRLF", file=f"{ADA}.json",
                content=b"\xef\xbb\xbf" + json.dumps(_PYTHON, indent=1).replace("\n", "\r\n").encode()),
    TokenSample(name="UTF-16", file=f"{ADA}.json", content=json.dumps(_PYTHON).encode("utf-16")),
)  # fmt: skip
"""One file of each kind, with the mailbox, client, scopes and end of the access token that it states."""

REFUSED_FILES: tuple[tuple[str, str, Any, str], ...] = (
    ("OAuth client, installed", "client_secret.json", {"installed": _CLIENT}, "is an OAuth client"),
    ("OAuth client, web", "credentials.json", {"web": _CLIENT}, "is an OAuth client"),
    ("service account", "key.json", {"type": "service_account", "private_key": "1//key"}, "docs/delegation.md"),
    ("workload identity", "wif.json", {"type": "external_account", "audience": "x"}, "credentials of Google Cloud"),
    ("pickle", f"{ADA}.pickle", b"\x80\x04\x95ya29.pickled", "is a Python pickle"),
    ("Java object", "StoredCredential", b"\xac\xed\x00\x05ya29.java", "is a serialized Java object"),
    ("SQLite", "credentials.db", b"SQLite format 3\x00ya29.gcloud", "is an SQLite database"),
    ("ZIP", "tokens.zip", b"PK\x03\x04ya29.zip", "is a ZIP archive"),
    ("encrypted rclone", "rclone.conf", b"# Encrypted rclone\n\nRCLONE_ENCRYPT_V0:\nabc", "is an encrypted"),
    ("trailing comma", f"{ADA}.json", b'{"refresh_token": "1//refresh",}', "is not JSON: "),
    ("text behind the JSON", f"{ADA}.json", b'{"refresh_token": "1//refresh"} 1//more', "is not JSON: Extra data"),
    ("half a file", f"{ADA}.json", b'{"refresh_token": "1//ref', "is not JSON: "),
    ("other bytes", f"{ADA}.json", b"\xff\xfa\xff1//", "is not text in UTF-8"),
    ("empty", f"{ADA}.json", b"\r\n", "is empty"),
    ("no grant", "settings.json", {"colour": "1//blue"}, "contains no authorized_user object"),
    ("scalar", "notes.txt", 5, "is not JSON"),
    ("two mailboxes in one grant", "token.json", _GAM | {"account": BEN}, f"names two mailboxes, {BEN} and {ADA}"),
    ("key and grant disagree", "accounts.json", {BEN: _GAM}, f"its key is {BEN}, but it contains the grant of {ADA}"),
    ("name and grant disagree", f"{BEN}.json", _GAM, f"contains the grant of {ADA}, but its name says {BEN}"),
)  # fmt: skip
"""Files without a usable grant, and a part of the reason."""

FILE_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (f"{ADA}.json", (ADA,)),
    ("Ada@Warm.Example.JSON", (ADA,)),
    (ADA, (ADA,)),
    (f"{ADA}.token.json", (ADA,)),
    (f"{ADA} (1).json", (ADA,)),
    (f"[{ADA}].json", (ADA,)),
    (f"copy of {ADA}.json", (ADA,)),
    (f"token {ADA}.json", (ADA,)),
    (f"{ADA}_token.json", (ADA,)),
    ("ada_smith@warm.example" + _JSON, ("ada_smith@warm.example",)),
    ("ada-smith@warm.example" + _JSON, ("ada-smith@warm.example",)),
    ("ada.smith@warm.example" + _JSON, ("ada.smith@warm.example",)),
    ("a_b_c@warm.example" + _JSON, ("a_b_c@warm.example",)),
    ("_ada@warm.example" + _JSON, ("_ada@warm.example",)),
    ("backup_of_ada@warm.example" + _JSON, ("backup_of_ada@warm.example",)),
    ("ada+tag@warm.example" + _JSON, ("ada+tag@warm.example",)),
    (f"Google.Apis.Auth.OAuth2.Responses.TokenResponse-{ADA}", (ADA,)),
    (f"Google.Apis.Auth.OAuth2.Responses.TokenResponse-token_{ADA}", (f"token_{ADA}",)),
    (f"token_{ADA}.json", (f"token_{ADA}", ADA)),
    (f"token-{ADA}.json", (f"token-{ADA}", ADA)),
    (f"token.{ADA}.json", (f"token.{ADA}", ADA)),
    (f"credentials_{ADA}.json", (f"credentials_{ADA}", ADA)),
    (f"gmail_token_{ADA}.json", (f"gmail_token_{ADA}", f"token_{ADA}", ADA)),
    (f"{ADA}-token.json", (f"{ADA}-token", ADA)),
    ("ada smith@warm.example" + _JSON, ()),
    (f"{ADA},{BEN}.json", ()),
    (f"{ADA} {BEN}.json", ()),
    ("token.json", ()),
    ("ada.json", ()),
    ("ada_at_warm.example.json", ()),
    ("@warm.example" + _JSON, ()),
)
"""Names of files, and the addresses that each can state."""
