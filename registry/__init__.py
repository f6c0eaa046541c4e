"""Content rules of the registry: names, blobs, uploads, manifests, tags, and the OCI protocol over them."""
