"""How fast images go in and out, beside Debian's docker-registry on the same machine: figures, no pass or fail."""
