"""What each git forge says when somebody pushes, read into one form.

A module per forge: how its deliveries are signed and named, and how its payload for a push is built. All of it is pure:
nothing here talks to a forge. Field names are those of the forges' own documentation.
"""
