"""Read the directory of a Google Workspace: its users, and the members of a group (Directory API).

The service account acts for an administrator, because only users with an admin role may read the directory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from gmail_warmup.core.enums import ResponseCategory
from gmail_warmup.core.errors import GmailWarmupError
from gmail_warmup.core.http_utils import parse_json
from gmail_warmup.core.network.client import open_client
from gmail_warmup.core.network.transport_errors import classify_transport_error
from gmail_warmup.oauth.answers import Answer, Party, find_reason, read_api_answer
from gmail_warmup.oauth.reasons import REASONS, Reason
from gmail_warmup.oauth.token_endpoint import TokenResult

DIRECTORY_ENDPOINT = "https://admin.googleapis.com"
USER_SCOPE = "https://www.googleapis.com/auth/admin.directory.user.readonly"
MEMBER_SCOPE = "https://www.googleapis.com/auth/admin.directory.group.member.readonly"

_MAX_WAIT_SECONDS = 60
_USER_FIELDS = (
    "kind,nextPageToken,users(id,primaryEmail,aliases,suspended,archived,orgUnitPath,isMailboxSetup,name/fullName)"
)
_MAX_PAGE_BYTES = 20_000_000


class DirectoryError(GmailWarmupError):
    """The directory of the Workspace could not be read; nothing was changed."""

    def __init__(self, subject: str, reason: Reason, detail: str = "") -> None:
        self.reason = reason
        more = f" ({detail})" if detail else ""
        # A task repeats what needs no action; a synchronisation is repeated by a person.
        remedy = "Try again in some minutes." if reason.remedy.startswith("No action needed") else reason.remedy
        super().__init__(f"{subject}: {reason.message}{more} [{reason.code}] {remedy} Nothing was changed.")


class DirectoryUnavailableError(DirectoryError):
    """The directory cannot be read at present, because of Google, the network or a rate limit; later it may be."""


class DirectoryTimeoutError(GmailWarmupError):
    """The directory could not be read within the time that the caller allows; nothing was changed."""

    def __init__(self, subject: str, seconds: float) -> None:
        super().__init__(
            f"{subject}: not read completely within {seconds:.0f} seconds. Use the command gmail-warmup mailboxes "
            "sync, which has no limit. Nothing was changed."
        )


_PASSING = frozenset((ResponseCategory.THROTTLED, ResponseCategory.TRANSIENT))


def build_error(subject: str, reason: Reason, detail: str = "") -> DirectoryError:
    """Return the error for an answer that is not the directory."""
    kind = DirectoryUnavailableError if reason.category in _PASSING else DirectoryError
    return kind(subject, reason, detail)


@dataclass(frozen=True, kw_only=True)
class DirectoryUser:
    """A user of a Workspace. Addresses are as Google returns them.

    Attributes:
        address: the primary address; empty if the answer has none.
        has_gmail: whether the user has a Gmail mailbox.
    """

    id: str
    address: str
    aliases: tuple[str, ...] = ()
    name: str = ""
    org_unit: str = "/"
    is_suspended: bool = False
    is_archived: bool = False
    has_gmail: bool = True


@dataclass(frozen=True, kw_only=True)
class GroupMember:
    """A member of a group: a user of the Workspace or an external address, or all users of the Workspace."""

    id: str
    address: str
    is_everyone: bool = False


class Directory:
    """The directory of the Workspace that an administrator belongs to.

    Args:
        admin: address of the administrator.
        request_token: requests an access token for a user, with the scopes of the directory.
        endpoint: root URL of the API.
        tries: maximum number of attempts, if there is no response, a server error or too many requests.
        time_limit: seconds after which no further request is sent; None: no limit.
        sleep: waits for a number of seconds.
    """

    def __init__(
        self,
        admin: str,
        request_token: Callable[[str], TokenResult],
        *,
        endpoint: str = DIRECTORY_ENDPOINT,
        connect_timeout: float = 5,
        read_timeout: float = 20,
        tries: int = 4,
        time_limit: float | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._admin, self._request_token, self._endpoint = admin, request_token, endpoint
        self._tries, self._sleep = tries, sleep
        self._time_limit = inf if time_limit is None else time_limit
        self._ends_at = time.monotonic() + self._time_limit
        self._http = open_client(
            endpoint, connect_timeout=connect_timeout, read_timeout=read_timeout, max_bytes=_MAX_PAGE_BYTES
        )
        self._token = ""

    def __enter__(self) -> Self:
        """Return this object."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections to Google."""
        self._http.close()

    def list_users(self) -> list[DirectoryUser]:
        """Return all users of the Workspace, each once.

        Raises:
            DirectoryError: if the directory cannot be read completely.
            DirectoryTimeoutError: if it cannot be read within the time limit.
        """
        parameters = {"customer": "my_customer", "maxResults": "500", "orderBy": "email", "fields": _USER_FIELDS}
        rows = self._list_rows("users", parameters, key="users", subject="The users of the Workspace")
        users = [_to_user(row) for row in rows]
        return list({user.id or user.address: user for user in users}.values())

    def list_members(self, group: str) -> list[GroupMember]:
        """Return the members of a group, with those of the groups in it.

        Raises:
            DirectoryError: if the group does not exist, or cannot be read completely.
            DirectoryTimeoutError: if it cannot be read within the time limit.
        """
        path = f"groups/{quote(group, safe='@')}/members"
        parameters = {"maxResults": "200", "includeDerivedMembership": "true"}
        rows = self._list_rows(path, parameters, key="members", subject=f"The members of the group {group}")
        return [member for row in rows if (member := _to_member(row))]

    def _list_rows(
        self, path: str, parameters: dict[str, str], *, key: str, subject: str
    ) -> Iterator[Mapping[str, Any]]:
        seen: set[str] = set()
        while True:
            body = self._get(path, parameters, subject=subject)
            rows = body.get(key, [])
            following = body.get("nextPageToken") or ""
            if not isinstance(rows, list) or not isinstance(following, str) or following in seen:
                raise build_error(subject, REASONS["unusable_answer"])
            yield from (row if isinstance(row, Mapping) else {} for row in rows)
            if not following:
                return
            seen.add(following)
            parameters = parameters | {"pageToken": following}

    def _get(self, path: str, parameters: dict[str, str], *, subject: str) -> Mapping[str, Any]:
        for attempt in range(self._tries):
            if time.monotonic() > self._ends_at:
                raise DirectoryTimeoutError(subject, self._time_limit)
            answer = self._request(path, parameters, subject=subject)
            if not isinstance(answer, Answer):
                return answer
            reason, detail = find_reason(answer), f"HTTP {answer.status}" if answer.status else ""
            wait = min(2**attempt if answer.retry_after is None else answer.retry_after, _MAX_WAIT_SECONDS)
            is_last = attempt == self._tries - 1 or time.monotonic() + wait > self._ends_at
            if reason.category not in _PASSING or is_last:
                break
            self._sleep(wait)
        raise build_error(subject, reason, detail)

    def _request(self, path: str, parameters: dict[str, str], *, subject: str) -> Mapping[str, Any] | Answer:
        """Send one request; return the body of a successful one, otherwise what the answer is."""
        headers = {"Authorization": f"Bearer {self._get_token(subject)}", "Accept": "application/json"}
        url = f"{self._endpoint}/admin/directory/v1/{path}"
        try:
            response = self._http.get(url, params=parameters, headers=headers)
        except httpx.HTTPError as error:
            return Answer(party=Party.DIRECTORY, status=None, transport=classify_transport_error(error))
        body = parse_json(response.content) if response.status_code == httpx.codes.OK else None
        if isinstance(body, Mapping) and str(body.get("kind", "")).startswith("admin#directory#"):
            return body
        return read_api_answer(response.status_code, response.headers, response.content, party=Party.DIRECTORY)

    def _get_token(self, subject: str) -> str:
        if not self._token:
            result = self._request_token(self._admin)
            if result.reason.category is not ResponseCategory.OK:
                raise build_error(f"{subject}, as {self._admin}", result.reason, result.detail)
            self._token = result.access_token
        return self._token


def _to_user(row: Mapping[str, Any]) -> DirectoryUser:
    """Return the user of a row of the API. A field of an unexpected type counts as missing."""
    name, aliases = row.get("name"), row.get("aliases")
    return DirectoryUser(
        id=_to_text(row.get("id")),
        address=_to_text(row.get("primaryEmail")),
        aliases=tuple(alias for alias in aliases if isinstance(alias, str)) if isinstance(aliases, list) else (),
        name=_to_text(name.get("fullName")) if isinstance(name, Mapping) else "",
        org_unit=_to_text(row.get("orgUnitPath")) or "/",
        is_suspended=row.get("suspended") is True,
        is_archived=row.get("archived") is True,
        has_gmail=row.get("isMailboxSetup") is not False,
    )


def _to_member(row: Mapping[str, Any]) -> GroupMember | None:
    """Return the member of a row of the API, or None for a group, whose members are listed as well."""
    if row.get("type") == "GROUP":
        return None
    return GroupMember(
        id=_to_text(row.get("id")), address=_to_text(row.get("email")), is_everyone=row.get("type") == "CUSTOMER"
    )


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else ""
