"""What runs inside a worker: fetching sources, building images, following logs."""
