"""The queues there are, and how each is worked on. Nothing else, so that whoever starts workers can read it at once."""

FORKED = ("builds",)
"""One job at a time, each in a process of its own (`buildworker.worker`): what takes long, or runs what users wrote."""
SHORT = ("deliveries", "reports")
"""Many at a time, in threads of one process (`buildworker.errands`): what is over soon, and must not wait for those."""
EVERY = (*SHORT, *FORKED)
