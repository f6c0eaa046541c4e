"""Every test of Drydock, and the harness that starts the real servers they talk to."""
