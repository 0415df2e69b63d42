"""Gmail v1, as far as a mailbox warmup uses it."""
