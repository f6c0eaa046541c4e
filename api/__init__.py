"""REST surfaces: how operations are declared, authorized, validated and described."""
