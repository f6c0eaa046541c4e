"""Settings: what may be set, where it is read from, what it defaults to."""
