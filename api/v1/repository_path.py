"""The URL part that names a repository."""

from werkzeug.routing import BaseConverter


class RepositoryPath(BaseConverter):
    """`namespace/name`, where the name may have slashes itself: `<repopath:repository>` in a URL rule."""

    part_isolating = False
    regex = r"[^/]+(?:/[^/]+)+"
