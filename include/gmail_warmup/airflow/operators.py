"""The operators of both DAGs: one action in one mailbox, the audit's second pass, a mailbox that needs a person."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey


class ReauthenticateLink(BaseOperatorLink):
    """Link from a task instance to its mailbox on the page "Gmail accounts"; opening it starts nothing."""

    name = "Re-authenticate"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address in Airflow's shell; made in the worker when the task has run, kept in XCom."""
        from gmail_warmup.core import urls

        return urls.task_view_url(getattr(operator, "mailbox", ""))


class MailboxOperator(BaseOperator):
    """Do all that is due for one action in one mailbox.

    Its address is the label of the task, and its log says what was done. So neither is handed to Airflow once more, as
    a rendered field and as an XCom: each is a request and a row for every task of every run.

    Args:
        action: which one.
        mailbox: its address.
    """

    operator_extra_links: Collection[BaseOperatorLink] = (ReauthenticateLink(),)

    def __init__(self, *, action: str, mailbox: str, do_xcom_push: bool = False, **kwargs: Any) -> None:
        super().__init__(do_xcom_push=do_xcom_push, **kwargs)
        self.action = action
        self.mailbox = mailbox

    def execute(self, context: Context) -> dict[str, int]:
        """Act; a mailbox that was flagged since the plan is skipped, and carries the link to repair it."""
        from gmail_warmup.airflow import tasks

        # Airflow writes the links of a task into XCom whatever became of it: a request and a row for nothing.
        links, self.operator_extra_links = self.operator_extra_links, ()
        try:
            return tasks.run_mailbox_action(self.action, self.mailbox)
        except tasks.FlaggedSkipException:
            self.operator_extra_links = links
            raise


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
        from gmail_warmup.airflow.tasks import report_flagged

        return report_flagged(self.mailbox)


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
        from gmail_warmup.airflow.tasks import run_second_pass

        both = run_second_pass(self.found)
        return PokeReturnValue(is_done=both is not None, xcom_value=both)
