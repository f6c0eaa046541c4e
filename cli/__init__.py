"""The drydock command: the composition root of every process."""
