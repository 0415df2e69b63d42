"""The control API, with which tests and demos configure and inspect the sandbox."""
