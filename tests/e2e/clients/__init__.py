"""What the end-to-end tests talk to the product with: raw HTTP, its REST API, container tools, a browser."""
