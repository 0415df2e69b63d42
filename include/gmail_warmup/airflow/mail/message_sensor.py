"""GmailMessageSensor: wait for a mail in a DAG of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from gmail_warmup.airflow.mail.values import require_text
from gmail_warmup.airflow.retry_policy import RETRY_BY_CAUSE

if TYPE_CHECKING:
    from airflow.sdk import Context


class GmailMessageSensor(BaseSensorOperator):
    """Wait until messages that match a Gmail query are in a mailbox; return their ids, newest first.

    It changes nothing in the mailbox, so a message that it found is found again: restrict the query, for example with
    `after:` and the beginning of the data interval, or `is:unread`. Each poke costs 5 quota units. Gmail's search finds
    a new message within seconds, sometimes minutes.

    Args:
        mailbox: the address of the mailbox.
        query: as in Gmail's search field, such as `from:ada@example.com subject:report has:attachment`.
        min_messages: so many messages have to match.
        limit: return so many ids at most.
    """

    template_fields = ("mailbox", "query")

    def __init__(
        self,
        *,
        mailbox: str,
        query: str,
        min_messages: int = 1,
        limit: int = 100,
        mode: str = "reschedule",
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, **{"retry_policy": RETRY_BY_CAUSE} | kwargs)
        if not 1 <= min_messages <= limit <= 500:
            raise ValueError("GmailMessageSensor: use 1 <= min_messages <= limit <= 500")
        self.mailbox, self.query = mailbox, query
        self.min_messages, self.limit = min_messages, limit

    def poke(self, context: Context) -> PokeReturnValue:
        """Search once."""
        from gmail_warmup.airflow.gmail_hook import GmailHook

        hook = GmailHook(require_text("mailbox", self.mailbox))
        found = hook.search_messages(require_text("query", self.query), limit=self.limit)
        self.log.info("%s: %d messages match", self.mailbox, len(found))
        return PokeReturnValue(is_done=len(found) >= self.min_messages, xcom_value=found)
