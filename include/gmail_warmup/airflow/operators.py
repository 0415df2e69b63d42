"""Operators of the DAGs: one action in one mailbox, the audit's second pass, a flagged mailbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue

if TYPE_CHECKING:
    from airflow.sdk import Context
    from airflow.sdk.types import TaskInstanceKey


class ReauthenticateLink(BaseOperatorLink):
    """Link a task instance to its mailbox on the page "Gmail accounts"; opening the link changes nothing."""

    name = "Re-authenticate"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the page's address in Airflow's shell.

        Airflow calls this in the worker when the task has run, and stores the result as an XCom.
        """
        from gmail_warmup.airflow.configuration import get_task_view_url

        return get_task_view_url(getattr(operator, "mailbox", ""))


class MailboxOperator(BaseOperator):
    """Run everything that is due for one action in one mailbox.

    The address is the map index label of the task instance, and the log contains the result and the link to a mailbox
    that needs a person. So none of them is stored again, as a rendered field, an XCom or an operator link: each costs a
    request and a row for every task instance.

    Args:
        action: the action.
        mailbox: the address of the mailbox.
    """

    def __init__(self, *, action: str, mailbox: str, do_xcom_push: bool = False, **kwargs: Any) -> None:
        super().__init__(do_xcom_push=do_xcom_push, **kwargs)
        self.action = action
        self.mailbox = mailbox

    def execute(self, context: Context) -> dict[str, int]:
        """Run the action. A mailbox that was flagged after planning is skipped."""
        from gmail_warmup.airflow.tasks.warmup import run_mailbox_action

        return run_mailbox_action(self.action, self.mailbox)


class NeedsPersonOperator(BaseOperator):
    """Log how to repair one flagged mailbox, and show the link to it.

    Args:
        mailbox: the address of the mailbox.
    """

    template_fields = ("mailbox",)
    operator_extra_links = (ReauthenticateLink(),)
    ui_color = "#fde2e1"

    def __init__(self, *, mailbox: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mailbox = mailbox

    def execute(self, context: Context) -> dict[str, str]:
        """Log the reason and the remedy."""
        from gmail_warmup.airflow.tasks.audit import report_flagged

        return report_flagged(self.mailbox)


class SecondPassSensor(BaseSensorOperator):
    """Wait, without occupying a worker, until suspect grants may be probed a second time; then probe them.

    Args:
        found: the result of the first pass.
    """

    template_fields = ("found",)

    def __init__(self, *, found: Any, **kwargs: Any) -> None:
        super().__init__(mode="reschedule", **kwargs)
        self.found = found

    def poke(self, context: Context) -> PokeReturnValue:
        """Return the merged result of both passes once the second is done."""
        from gmail_warmup.airflow.tasks.audit import run_second_pass

        both = run_second_pass(self.found)
        return PokeReturnValue(is_done=both is not None, xcom_value=both)
