"""The database's history: one revision for each change of the tables, applied by `models.migrate`."""
