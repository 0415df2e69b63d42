"""Operations on one Gmail mailbox over googleapiclient: plain records out, the package's own errors out."""

from __future__ import annotations

import functools
import json
from typing import Any

import httpx
from google.auth.exceptions import GoogleAuthError
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError

from gmail_warmup.gmail import errors
from gmail_warmup.gmail.records import Draft, Message, Profile
from gmail_warmup.gmail.transport import Transport

_HEADERS = ("Message-ID", "From", "To", "Subject", "In-Reply-To", "References")


class GmailOperations:
    """What the actions need of one mailbox.

    Nothing is retried here: a task is retried by its cause, and a send is looked up before it is repeated.

    Raises:
        GmailError: from every method, by cause.
        GrantError: from every method, when no access token can be had.
    """

    address: str
    token_header: str

    def _credentials(self) -> Any:
        """Return google-auth credentials for this mailbox."""
        raise NotImplementedError

    def _transport(self) -> Transport:
        """Return the HTTP transport."""
        raise NotImplementedError

    def _endpoint(self) -> str | None:
        """Return the root of the Gmail API, or None for Google's own."""
        raise NotImplementedError

    @functools.cached_property
    def _users(self) -> Any:
        from google_auth_httplib2 import AuthorizedHttp

        endpoint = self._endpoint()
        service = build(
            "gmail",
            "v1",
            http=AuthorizedHttp(self._credentials(), http=self._transport(), max_refresh_attempts=1),
            static_discovery=True,
            cache_discovery=False,
            client_options={"api_endpoint": endpoint} if endpoint else None,
        )
        return service.users()

    def profile(self) -> Profile:
        """Return whose mailbox this is."""
        found = self._run(self._users.getProfile(userId="me"))
        return Profile(address=str(found["emailAddress"]).lower(), history_id=str(found["historyId"]))

    def create_draft(self, raw: str, *, thread_id: str | None = None) -> Draft:
        """Store a draft; ``raw`` is the RFC 5322 message in base64url."""
        message = {"raw": raw} | ({"threadId": thread_id} if thread_id else {})
        return _draft(self._run(self._users.drafts().create(userId="me", body={"message": message})))

    def draft_exists(self, draft_id: str) -> bool:
        """Tell whether a draft is still there; one that was sent is not."""
        try:
            self._run(self._users.drafts().get(userId="me", id=draft_id, format="minimal"))
        except errors.NotFoundError:
            return False
        return True

    def find_draft(self, rfc_message_id: str) -> Draft | None:
        """Return the draft with this Message-ID, or None."""
        query = f"rfc822msgid:{rfc_message_id.strip('<>')}"
        found = self._run(self._users.drafts().list(userId="me", q=query, maxResults=1)).get("drafts", [])
        return _draft(found[0]) if found else None

    def send_draft(self, draft_id: str) -> str:
        """Send a draft and return the id of the message.

        Raises:
            NotFoundError: the draft was sent before.
            GmailUnavailableError: the outcome is unknown.
        """
        return str(self._run(self._users.drafts().send(userId="me", body={"id": draft_id}))["id"])

    def message(self, message_id: str) -> Message:
        """Return a message's labels and headers."""
        names = [*_HEADERS, self.token_header]
        found = self._run(
            self._users.messages().get(userId="me", id=message_id, format="metadata", metadataHeaders=names)
        )
        headers = {item["name"].lower(): item["value"] for item in found.get("payload", {}).get("headers", [])}
        return Message(
            id=found["id"], thread_id=found["threadId"], labels=frozenset(found.get("labelIds", ())), headers=headers
        )

    def find(self, rfc_message_id: str) -> Message | None:
        """Return the message with this Message-ID wherever it lies, spam and trash included, or None."""
        for message_id in self.search(f"rfc822msgid:{rfc_message_id.strip('<>')} in:anywhere", limit=1):
            return self.message(message_id)
        return None

    def find_sent(self, recipient: str, token: str) -> Message | None:
        """Return the sent message that carries a warmup token, or None.

        Gmail cannot search for a header of ours, so the newest mails to the recipient are looked at.
        """
        for message_id in self.search(f"in:sent to:{recipient} newer_than:7d", limit=50):
            message = self.message(message_id)
            if message.headers.get(self.token_header.lower()) == token:
                return message
        return None

    def search(self, query: str, *, limit: int) -> list[str]:
        """Return ids of messages that match a query, the newest first."""
        found = self._run(self._users.messages().list(userId="me", q=query, maxResults=limit))
        return [item["id"] for item in found.get("messages", [])]

    def modify(self, message_id: str, *, add: tuple[str, ...] = (), remove: tuple[str, ...] = ()) -> None:
        """Add labels to a message and remove others."""
        body = {"addLabelIds": list(add), "removeLabelIds": list(remove)}
        self._run(self._users.messages().modify(userId="me", id=message_id, body=body))

    def ensure_label(self, name: str) -> str:
        """Return the id of a label, which is made if it is missing."""
        for label in self._run(self._users.labels().list(userId="me")).get("labels", []):
            if label["name"].lower() == name.lower():
                return str(label["id"])
        body = {"name": name, "labelListVisibility": "labelHide", "messageListVisibility": "hide"}
        return str(self._run(self._users.labels().create(userId="me", body=body))["id"])

    def _run(self, request: Any) -> Any:
        """Execute a request once and translate what went wrong."""
        try:
            answer = request.execute(num_retries=0)
        except HttpError as error:
            raise _translate(self.address, error) from None
        except httpx.HTTPError as error:
            raise errors.GmailUnavailableError(self.address, reason=type(error).__name__) from None
        except GoogleAuthError as error:
            raise errors.GmailUnavailableError(self.address, reason=type(error).__name__) from None
        if not isinstance(answer, dict):
            # googleapiclient hands a 200 that is not JSON on as text; whatever was asked for may have been done.
            raise errors.GmailUnavailableError(self.address, status=200, reason="not_json")
        return answer


def _draft(found: dict[str, Any]) -> Draft:
    return Draft(id=found["id"], thread_id=found["message"]["threadId"])


def _translate(address: str, error: HttpError) -> errors.GmailError:
    try:
        body = json.loads(error.content)["error"]
        listed = body.get("errors") or [{}]
        reason = str(listed[0].get("reason") or "")
        message = str(body.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        reason, message = "", ""
    wait = error.resp.get("retry-after", "")
    return errors.error_for(
        address,
        status=int(error.resp.status),
        reason=reason if reason.isidentifier() else "",
        message=message,
        retry_after=float(wait) if wait.isdigit() else None,
    )
