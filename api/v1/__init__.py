"""The Quay-compatible REST API, mounted at /api/v1."""
