"""Real servers for tests: each is started on a free loopback port and ended, with all it started, by its own warden."""
