"""Which paths a driver takes: they are made by our own code, so a bad one is a bug to show, not an answer to give."""

UPLOADS = "uploads"
"""The folder, at the root of every store, where drivers keep what is not published yet; no object's path begins so."""


def checked(path: str) -> str:
    """`path` itself; ValueError if it is absolute, has an empty, `.` or `..` segment, or lies in `uploads/`."""
    segments = path.split("/")
    if {"", ".", ".."} & set(segments) or "\0" in path or segments[0] == UPLOADS:
        raise ValueError(f"not the path of an object in a store: {path!r}")
    return path


def checked_folder(prefix: str) -> str:
    """The same for a folder to list; the empty string is the root."""
    return prefix and checked(prefix)
