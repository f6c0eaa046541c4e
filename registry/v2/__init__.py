"""The OCI distribution protocol over HTTP, at /v2."""
