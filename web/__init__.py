"""What people and probes see beside the APIs: pages, health, metrics."""
