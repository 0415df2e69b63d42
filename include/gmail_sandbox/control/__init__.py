"""The control surface: what a test or a demo tells the sandbox, and what it asks it."""
