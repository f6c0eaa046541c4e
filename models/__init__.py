"""The domain: tables, access rules and the functions that change them."""
