"""What the tests here share beside fixtures."""

from __future__ import annotations

import base64
import json
from email.message import EmailMessage
from typing import Any

from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build
from googleapiclient.errors import HttpError
from googleapiclient.http import HttpRequest

from sandbox import discovery

CLIENT = "client-1.apps.example"
SECRET = "secret-1"
REDIRECT = "http://localhost:8080/callback"


class CheckedRequest(HttpRequest):
    """A request of googleapiclient whose answer must fit the discovery document."""

    def execute(self, http: Any = None, num_retries: int = 0) -> Any:
        answer = super().execute(http=http, num_retries=num_retries)
        discovery.check(self.methodId, answer)
        return answer


class Gmail:
    """googleapiclient's service of one mailbox, with the few calls that tests make all the time."""

    def __init__(self, base_url: str, token: str) -> None:
        credentials = Credentials(token)
        service = build(
            "gmail",
            "v1",
            credentials=credentials,
            static_discovery=True,
            client_options={"api_endpoint": base_url},
            requestBuilder=CheckedRequest,
        )
        self.users = service.users()
        self.messages, self.drafts, self.labels = self.users.messages(), self.users.drafts(), self.users.labels()
        self.threads, self.history = self.users.threads(), self.users.history()

    def send(self, to: str, subject: str = "Hello", text: str = "How are you?", **more: Any) -> dict[str, Any]:
        thread_id = more.pop("threadId", None)
        body = {"raw": raw(to, subject, text, **more)} | ({"threadId": thread_id} if thread_id else {})
        return self.messages.send(userId="me", body=body).execute()

    def draft(self, to: str, subject: str = "Hello", text: str = "How are you?", **more: Any) -> dict[str, Any]:
        thread_id = more.pop("threadId", None)
        message = {"raw": raw(to, subject, text, **more)} | ({"threadId": thread_id} if thread_id else {})
        return self.drafts.create(userId="me", body={"message": message}).execute()

    def find(self, q: str = "", **more: Any) -> list[str]:
        answer = self.messages.list(userId="me", q=q, **more).execute()
        return [row["id"] for row in answer.get("messages", [])]

    def get(self, message_id: str, **more: Any) -> dict[str, Any]:
        return self.messages.get(userId="me", id=message_id, **more).execute()

    def headers(self, message_id: str) -> dict[str, str]:
        return {row["name"].lower(): row["value"] for row in self.get(message_id)["payload"]["headers"]}


def reason(error: HttpError) -> tuple[int, str]:
    """Return the status of a Gmail error and its reason."""
    # Not `error_details`: googleapiclient fills that from `details` when there are any.
    return error.status_code, json.loads(error.content)["error"]["errors"][0]["reason"]


def raw(to: str, subject: str = "Hello", text: str = "How are you?", **headers: str) -> str:
    """Return a mail as `raw`; `in_reply_to="<x>"` becomes the header In-Reply-To."""
    mail = EmailMessage()
    mail["To"], mail["Subject"] = to, subject
    for name, value in headers.items():
        mail[name.replace("_", "-").title()] = value
    mail.set_content(text)
    return base64.urlsafe_b64encode(mail.as_bytes()).decode()
