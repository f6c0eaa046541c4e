"""Where bytes are kept: one driver protocol and its implementations."""
