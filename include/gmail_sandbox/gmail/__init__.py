"""The part of Gmail API v1 that the warmup uses."""
