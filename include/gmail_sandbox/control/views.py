"""Convert records to the response models of the control API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from gmail_sandbox.control.fault_models import FaultOut
from gmail_sandbox.control.models import ClientOut, MailboxOut
from gmail_sandbox.control.report_models import (
    CopyOut,
    EventOut,
    GmailCallOut,
    MailboxStatsOut,
    MailOut,
    TokenRequestOut,
)
from gmail_sandbox.control.service_account_models import ServiceAccountOut
from gmail_sandbox.faults import Fault
from gmail_sandbox.mailbox import Mailbox
from gmail_sandbox.records import Client, GmailCall, MailCopy, MailRecord, ServiceAccount, TokenRequest
from gmail_sandbox.stats import MailboxStats


def moment(seconds: float) -> datetime:
    """Convert seconds since the epoch to an aware UTC time."""
    return datetime.fromtimestamp(seconds, UTC)


def client_out(client: Client) -> ClientOut:
    """Convert a client, without its secrets."""
    return ClientOut(
        client_id=client.client_id,
        secrets=len(client.client_secrets),
        redirect_uris=client.redirect_uris,
        publishing=client.publishing,
        require_pkce=client.require_pkce,
        test_users=client.test_users,
        user_limit=client.user_limit,
        org_domain=client.org_domain,
        refuse_with=client.refuse_with,
    )


def service_account_out(account: ServiceAccount) -> ServiceAccountOut:
    """Convert a service account."""
    return ServiceAccountOut(
        email=account.email,
        client_id=account.client_id,
        public_key=account.public_key,
        delegated={domain: sorted(scopes) for domain, scopes in account.delegated.items()},
        disabled=account.disabled,
        machine_may_sign=account.machine_may_sign,
    )


def mailbox_out(box: Mailbox) -> MailboxOut:
    """Convert a mailbox, with its message counts."""
    return MailboxOut(
        address=box.address,
        display_name=box.display_name,
        spam_chance=box.spam_chance,
        sending_limit=box.sending_limit,
        messages=len(box.messages),
        drafts=len(box.drafts),
        history_id=str(box.history_id),
        labels=box.counts(),
        label_names={label.id: label.name for label in box.labels.values()},
    )


def fault_out(fault: Fault) -> FaultOut:
    """Convert a fault."""
    return FaultOut(
        id=fault.id,
        where=fault.where,
        address=fault.address,
        domain=fault.domain,
        client_id=fault.client_id,
        name=fault.name,
        status=fault.answer.status if fault.answer is not None else None,
        times=fault.times,
        chance=fault.chance,
        delay_ms=fault.delay_ms,
        hold=fault.hold,
        when=fault.when,
        close=fault.close,
        cut_after_bytes=fault.cut_after_bytes,
        content_length=fault.content_length,
        hang_seconds=fault.hang_seconds,
        hits=fault.hits,
    )


def stats_out(stats: MailboxStats) -> MailboxStatsOut:
    """Convert the counters of a mailbox."""
    return MailboxStatsOut(
        calls=dict(stats.calls),
        answers=dict(stats.answers),
        units=stats.units,
        token_requests=stats.token_requests,
        sent=stats.sent,
        delivered_inbox=stats.delivered_inbox,
        delivered_spam=stats.delivered_spam,
        bounced=stats.bounced,
        in_flight=stats.in_flight,
        max_in_flight=stats.max_in_flight,
    )


def totals(rows: Iterable[MailboxStats]) -> MailboxStatsOut:
    """Sum the counters of all mailboxes; `max_in_flight` is the maximum over the mailboxes."""
    total = MailboxStats(calls=Counter(), answers=Counter())
    for row in rows:
        total.calls.update(row.calls)
        total.answers.update(row.answers)
        total.units += row.units
        total.token_requests += row.token_requests
        total.sent += row.sent
        total.delivered_inbox += row.delivered_inbox
        total.delivered_spam += row.delivered_spam
        total.bounced += row.bounced
        total.in_flight += row.in_flight
        total.max_in_flight = max(total.max_in_flight, row.max_in_flight)
    return stats_out(total)


def _copy_out(copy: MailCopy) -> CopyOut:
    message = copy.message
    return CopyOut(
        mailbox=copy.mailbox,
        message_id=message.id,
        thread_id=message.thread_id,
        placement=copy.placement,
        labels=sorted(message.labels),
        deleted=message.deleted,
        events=[EventOut(at=moment(event.at), added=event.added, removed=event.removed) for event in message.events],
    )


def mail_out(record: MailRecord) -> MailOut:
    """Convert a sent mail, with all its copies."""
    content = record.sent.content
    headers: dict[str, str] = {}
    for name, value in content.headers:
        headers.setdefault(name.lower(), value)
    return MailOut.model_validate(
        {
            "id": record.id,
            "from": record.sender,
            "to": record.recipients,
            "subject": content.header("subject"),
            "rfc_message_id": content.rfc_id,
            "message_id": record.sent.id,
            "thread_id": record.sent.thread_id,
            "sent_at": moment(record.sent_at),
            "method": record.method,
            "headers": headers,
            "copies": [_copy_out(copy) for copy in record.copies],
            "bounced": record.bounced,
        }
    )


def token_request_out(row: TokenRequest) -> TokenRequestOut:
    """Convert a token request."""
    return TokenRequestOut(
        id=row.id,
        at=moment(row.at),
        grant_type=row.grant_type,
        address=row.address,
        client_id=row.client_id,
        status=row.status,
        error=row.error,
        live=row.live,
    )


def gmail_call_out(row: GmailCall) -> GmailCallOut:
    """Convert a Gmail call."""
    return GmailCallOut(at=moment(row.at), address=row.address, method=row.method, target=row.target)
