"""Google's OAuth edge: consent page, token endpoint, revocation."""
