"""The plugin, for an Airflow that does not load it through the entry point of the installed package.

Airflow loads a plugin once by its name, so this file may be present in addition; it then logs that it skips the second.
"""

from gmail_warmup.web.plugin import GmailWarmupPlugin

__all__ = ["GmailWarmupPlugin"]
