"""The operators of the audit: its second pass, and one mailbox that needs a person, with its link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey

PAGE = "/plugin/gmail-accounts"


class ReauthenticateLink(BaseOperatorLink):
    """Link from a task instance to its mailbox on the page "Gmail accounts"; opening it starts nothing."""

    name = "Re-authenticate"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address; made in the worker when the task has run, and kept in XCom."""
        from airflow.sdk.configuration import conf

        base = conf.get("api", "base_url", fallback="").rstrip("/")
        address = getattr(operator, "mailbox", "")
        return f"{base}/gmail-warmup/?reauth={quote(address)}" if address else f"{base}{PAGE}"


class NeedsPersonOperator(BaseOperator):
    """Log what one flagged mailbox needs, and carry the link to repair it.

    Args:
        mailbox: its address.
    """

    template_fields = ("mailbox",)
    operator_extra_links = (ReauthenticateLink(),)
    ui_color = "#fde2e1"

    def __init__(self, *, mailbox: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mailbox = mailbox

    def execute(self, context: Context) -> dict[str, str]:
        """Say what the mailbox needs."""
        from gmail_warmup.tasks import needs_person

        return needs_person(self.mailbox)


class SecondPassSensor(BaseSensorOperator):
    """Wait until suspects may be probed once more, without a worker, and probe them.

    Args:
        found: what the first pass found.
    """

    template_fields = ("found",)

    def __init__(self, *, found: Any, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", **kwargs)
        self.found = found

    def poke(self, context: Context) -> PokeReturnValue:
        """Return what both passes found, when the second is done."""
        from gmail_warmup.tasks import second_pass

        both = second_pass(self.found)
        return PokeReturnValue(is_done=both is not None, xcom_value=both)
