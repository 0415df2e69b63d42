"""Mailboxes of a Google Workspace: the service account, signing without its key, and the directory."""
