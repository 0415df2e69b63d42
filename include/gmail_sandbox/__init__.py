"""A stand-in for Google's consent page, token endpoint and Gmail v1, for demos, tests and benchmarks."""
