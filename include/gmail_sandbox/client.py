"""A typed client of the control API, for tests and demos."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

import httpx

from gmail_sandbox.control import fault_models, models, report_models, service_account_models
from gmail_sandbox.control.models import GMAIL_MODIFY
from gmail_sandbox.responses import Json
from gmail_sandbox.settings import Settings


class SandboxError(RuntimeError):
    """The control API rejected a request; `detail` contains its explanation."""

    def __init__(self, status: int, detail: object) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.detail = status, detail


class SandboxClient:
    """Control a running sandbox."""

    def __init__(self, base_url: str, *, timeout: float = 30.0) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.Client(base_url=f"{self.base_url}/sandbox/v1", timeout=timeout, trust_env=False)

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def auth_uri(self) -> str:
        """Return the consent page's address."""
        return f"{self.base_url}/o/oauth2/v2/auth"

    @property
    def token_uri(self) -> str:
        """Return the token endpoint's address."""
        return f"{self.base_url}/token"

    @property
    def revoke_uri(self) -> str:
        """Return the revocation endpoint's address."""
        return f"{self.base_url}/revoke"

    def health(self) -> models.Health:
        """Return the sandbox's health; raise if it does not respond."""
        return models.Health.model_validate(self._ask("GET", "/health"))

    def reset(self) -> None:
        """Reset the sandbox to its initial state."""
        self._ask("POST", "/reset")

    def settings(self) -> Settings:
        """Return the current settings."""
        return Settings.model_validate(self._ask("GET", "/settings"))

    def set(self, **changes: object) -> Settings:
        """Change settings by name."""
        return Settings.model_validate(self._ask("PUT", "/settings", changes))

    def put_client(
        self, client_id: str, *, client_secrets: Iterable[str] = (), redirect_uris: Iterable[str] = (), **more: object
    ) -> models.ClientOut:
        """Create or replace an OAuth client; `more` as in `ClientIn`."""
        body = {"client_id": client_id, "client_secrets": [*client_secrets], "redirect_uris": [*redirect_uris]} | more
        return models.ClientOut.model_validate(self._ask("POST", "/clients", body))

    def clients(self) -> list[models.ClientOut]:
        """Return all clients."""
        return [models.ClientOut.model_validate(row) for row in self._ask("GET", "/clients")]

    def refuse_client(self, client_id: str, refuse_with: str | None) -> models.ClientOut:
        """Make the token endpoint refuse a client with this error; None ends that."""
        answer = self._ask("POST", f"/clients/{client_id}/state", {"refuse_with": refuse_with})
        return models.ClientOut.model_validate(answer)

    def delete_client(self, client_id: str) -> models.ClientOut:
        """Delete a client: Google then refuses it with deleted_client."""
        return models.ClientOut.model_validate(self._ask("DELETE", f"/clients/{client_id}"))

    def put_mailbox(self, address: str, **fields: object) -> models.MailboxOut:
        """Create or change a mailbox."""
        return models.MailboxOut.model_validate(self._ask("PUT", f"/mailboxes/{address}", fields))

    def put_mailboxes(self, rows: Iterable[Mapping[str, object] | str]) -> int:
        """Create or change many mailboxes, given as addresses or as fields with an address."""
        body = [{"address": row} if isinstance(row, str) else dict(row) for row in rows]
        return int(self._ask("POST", "/mailboxes", body)["count"])

    def mailbox(self, address: str) -> models.MailboxOut:
        """Return a mailbox."""
        return models.MailboxOut.model_validate(self._ask("GET", f"/mailboxes/{address}"))

    def mailboxes(self) -> list[models.MailboxOut]:
        """Return all mailboxes."""
        return [models.MailboxOut.model_validate(row) for row in self._ask("GET", "/mailboxes")]

    def delete_mailbox(self, address: str) -> None:
        """Delete a mailbox with its grants."""
        self._ask("DELETE", f"/mailboxes/{address}")

    def rename_mailbox(self, address: str, new_address: str) -> models.MailboxOut:
        """Change the primary address of an account; the former one becomes an alias."""
        answer = self._ask("POST", f"/mailboxes/{address}/rename", {"new_address": new_address})
        return models.MailboxOut.model_validate(answer)

    def deliver(
        self, address: str, *, sender: str, subject: str = "", text: str = "", **more: object
    ) -> models.Delivered:
        """Deliver a mail from any sender into a mailbox; `more`: labels, headers."""
        body = {"from": sender, "subject": subject, "text": text} | more
        return models.Delivered.model_validate(self._ask("POST", f"/mailboxes/{address}/deliver", body))

    def grant(
        self, address: str, client_id: str, scopes: Iterable[str] = (GMAIL_MODIFY,), **more: object
    ) -> models.GrantOut:
        """Create a grant without the consent page; `more`: access_expired, testing, expires_in_days."""
        body = {"address": address, "client_id": client_id, "scopes": [*scopes]} | more
        return models.GrantOut.model_validate(self._ask("POST", "/grants", body))

    def grants(self, rows: Iterable[Mapping[str, object]]) -> list[models.GrantOut]:
        """Create many grants without the consent page."""
        return models.GrantsOut.model_validate(self._ask("POST", "/grants/bulk", {"grants": [*map(dict, rows)]})).grants

    def revoke_grants(self, *addresses: str, cause: str = "revoked", **more: object) -> int:
        """Revoke the grants of accounts, or with `domain=` of a domain; `more`: client_id, keep_access_tokens."""
        return int(self._ask("POST", "/grants/revoke", self._accounts(addresses) | {"cause": cause} | more)["count"])

    def restore_grants(self, *addresses: str, **more: object) -> int:
        """Restore revoked grants."""
        return int(self._ask("POST", "/grants/restore", self._accounts(addresses) | more)["count"])

    def put_service_account(self, email: str, **fields: object) -> service_account_models.ServiceAccountMade:
        """Create or replace a service account; fields: client_id, public_key (generated by default)."""
        answer = self._ask("POST", "/service-accounts", {"email": email} | fields)
        return service_account_models.ServiceAccountMade.model_validate(answer)

    def disable_service_account(self, email: str, disabled: bool = True) -> None:
        """Disable or enable a service account."""
        self._ask("POST", f"/service-accounts/{email}/state", {"disabled": disabled})

    def let_machine_sign(self, email: str, *, disabled: bool = False) -> None:
        """Give the machine the role Service Account Token Creator on a service account."""
        self._ask("POST", f"/service-accounts/{email}/state", {"disabled": disabled, "machine_may_sign": True})

    def delegate(
        self, email: str, domain: str, scopes: Iterable[str] = (GMAIL_MODIFY,)
    ) -> service_account_models.ServiceAccountOut:
        """Delegate a domain's mailboxes to a service account."""
        answer = self._ask("PUT", f"/service-accounts/{email}/delegations/{domain}", {"scopes": [*scopes]})
        return service_account_models.ServiceAccountOut.model_validate(answer)

    def revoke_delegation(self, email: str, domain: str) -> None:
        """Revoke a domain's delegation and the access tokens issued through it."""
        self._ask("DELETE", f"/service-accounts/{email}/delegations/{domain}")

    def put_directory(
        self, users: Iterable[Mapping[str, object]], groups: Mapping[str, Iterable[str]] | None = None
    ) -> None:
        """Replace users and groups of the directory; fields as in `DirectoryUserIn`."""
        self._ask("PUT", "/directory/users", [*map(dict, users)])
        rows = [{"address": address, "members": [*members]} for address, members in (groups or {}).items()]
        self._ask("PUT", "/directory/groups", rows)

    def add_fault(self, where: str | None = None, **fields: object) -> fault_models.FaultOut:
        """Add a fault; fields as in `FaultIn`."""
        return fault_models.FaultOut.model_validate(self._ask("POST", "/faults", {"where": where} | fields))

    def faults(self) -> list[fault_models.FaultOut]:
        """Return all faults with their hit counts."""
        return [fault_models.FaultOut.model_validate(row) for row in self._ask("GET", "/faults")]

    def catalogue(self) -> list[fault_models.CatalogueRow]:
        """Return the named faults."""
        return [fault_models.CatalogueRow.model_validate(row) for row in self._ask("GET", "/faults/catalogue")]

    def clear_faults(self, fault_id: int | None = None) -> None:
        """Remove one fault, or all."""
        self._ask("DELETE", "/faults" if fault_id is None else f"/faults/{fault_id}")

    def now(self) -> datetime:
        """Return the sandbox's time."""
        return models.ClockOut.model_validate(self._ask("GET", "/clock")).now

    def advance(self, seconds: float) -> datetime:
        """Advance the sandbox's clock and return its time."""
        return models.ClockOut.model_validate(self._ask("POST", "/clock", {"advance_seconds": seconds})).now

    def set_clock(self, now: datetime) -> datetime:
        """Set the sandbox's clock and return its time."""
        return models.ClockOut.model_validate(self._ask("POST", "/clock", {"now": now.isoformat()})).now

    def stats(self) -> report_models.StatsOut:
        """Return all counters."""
        return report_models.StatsOut.model_validate(self._ask("GET", "/stats"))

    def mails(self, after: int = 0, limit: int = 1000) -> list[report_models.MailOut]:
        """Return the mails after an id."""
        answer = self._ask("GET", "/mails", params={"after": after, "limit": limit})
        return report_models.MailsOut.model_validate(answer).mails

    def token_requests(
        self, address: str | None = None, after: int = 0, limit: int = 1000
    ) -> list[report_models.TokenRequestOut]:
        """Return the token requests after an id."""
        params: dict[str, str | int] = {"after": after, "limit": limit}
        if address is not None:
            params["address"] = address
        return report_models.TokenRequestsOut.model_validate(
            self._ask("GET", "/token-requests", params=params)
        ).requests

    def calls(self, address: str) -> list[report_models.GmailCallOut]:
        """Return the most recent Gmail calls on a mailbox, oldest first."""
        return [
            report_models.GmailCallOut.model_validate(row)
            for row in self._ask("GET", "/calls", params={"address": address})
        ]

    def _ask(self, verb: str, path: str, body: object = None, *, params: Mapping[str, str | int] | None = None) -> Json:
        answer = self._http.request(verb, path, json=body, params=dict(params or {}))
        if answer.is_success:
            return answer.json()
        try:
            detail = answer.json().get("detail")
        except ValueError:
            detail = answer.text[:200]
        raise SandboxError(answer.status_code, detail)

    @staticmethod
    def _accounts(addresses: tuple[str, ...]) -> dict[str, object]:
        return {"addresses": list(addresses)} if addresses else {}
