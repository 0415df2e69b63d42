"""The package's errors: one root, one class per cause. The docstring of a class is its default message."""

from __future__ import annotations


class GmailWarmupError(Exception):
    """gmail-warmup failed."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


def describe_safely(error: Exception) -> str:
    """Return the text of an error of this package; of another one its type, because its text may contain a secret."""
    return str(error) if isinstance(error, GmailWarmupError) else type(error).__name__


class TooManyConsentsError(GmailWarmupError):
    """This link was followed too often lately. Wait an hour, then open it again."""


class ConfigurationError(GmailWarmupError):
    """The configuration is wrong; nothing was changed."""


class EncryptionKeyError(ConfigurationError):
    """No usable Fernet key.

    Airflow stores plain text when its key is empty; this package refuses to start instead.
    """


class CiphertextError(GmailWarmupError):
    """A stored secret cannot be decrypted, or belongs to another mailbox."""


class UnknownKeyError(CiphertextError):
    """No Fernet key decrypts a stored secret."""


class DatabaseNotReadyError(ConfigurationError):
    """The schema gmail_warmup is missing or not at its newest revision. Run: airflow db migrate"""


class InvalidInputError(GmailWarmupError, ValueError):
    """An input breaks a rule; the message names the thing, the rule and the remedy."""


class UnknownMailboxError(InvalidInputError):
    """No mailbox has this address."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        named = ", ".join(addresses[:5]) + (f" and {len(addresses) - 5} more" if len(addresses) > 5 else "")
        super().__init__(
            f"Unknown mailbox: {named}. Add it on the page 'Gmail accounts' or with 'gmail-warmup mailboxes add' first."
        )


class UnknownDeliveryError(InvalidInputError):
    """No delivery of a webhook has this number."""

    def __init__(self, delivery_id: int) -> None:
        self.delivery_id = delivery_id
        super().__init__(
            f"There is no delivery {delivery_id}. 'gmail-warmup webhooks list' shows those that there are; old ones "
            "are deleted after webhook_log_days."
        )


class UnknownReportLinkError(InvalidInputError):
    """No link to a report has this number."""

    def __init__(self, link_id: int) -> None:
        super().__init__(f"Report link {link_id} does not exist. List the links to find its number.")


class UnknownInviteError(InvalidInputError):
    """No invite has this number."""

    def __init__(self, invite_id: int) -> None:
        self.invite_id = invite_id
        super().__init__(f"There is no invite {invite_id}. 'gmail-warmup invites list' shows those that there are.")


class MailboxBusyError(GmailWarmupError):
    """Another task is working in this mailbox; try again shortly."""


class VolumeReachedError(GmailWarmupError):
    """The day's volume is used up; the database rejects another mail."""


class StoppedError(GmailWarmupError):
    """Everything is stopped by an operator. Start it again with: gmail-warmup start"""


class MailboxBlockedError(GmailWarmupError):
    """No task may use this mailbox now; the message says why and what to do.

    Attributes:
        reason: the reason code.
    """

    def __init__(self, message: str | None = None, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class MayNotSendError(GmailWarmupError):
    """This mailbox may not send now; the message says why and what to do."""


class IncompleteActionError(GmailWarmupError):
    """A member of ``Action`` lacks one of the parts that every action needs."""

    def __init__(self, action: str, *, missing: str, table: str) -> None:
        super().__init__(f"The action '{action}' is incomplete: {missing} is missing. Add it to {table}.")
