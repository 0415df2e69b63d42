"""Google's OAuth endpoints: consent page, token endpoint and revocation."""
