"""The page at `/`: what this is, and the first three things to do with it."""

import base64
import hashlib

from flask import Blueprint, Response, render_template_string

from registry.services import Services

_STYLE = """
body { max-width: 44rem; margin: 4rem auto; padding: 0 1.5rem; font: 1rem/1.6 system-ui, sans-serif; color: #1b2733; }
h1 { margin-bottom: 0; font-weight: 600; }
h2 { margin-top: 2.5rem; font-size: 1.1rem; }
p.what { margin-top: .25rem; color: #5b6b7a; }
pre { padding: .9rem 1.1rem; overflow-x: auto; background: #f2f5f8; border-radius: .4rem; font-size: .9rem; }
a { color: #0b62a8; }
@media (prefers-color-scheme: dark) {
  body { background: #12181f; color: #dde5ec; }
  p.what { color: #93a3b1; }
  pre { background: #1d2630; }
  a { color: #6cb4ee; }
}
"""
_PAGE = (
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>"""
    + _STYLE
    + """</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="what">A container registry that also builds images.</p>
<h2>Log in</h2>
<pre>docker login {{ host }}</pre>
<h2>Push an image, pull it anywhere</h2>
<pre>docker tag my-image {{ host }}/NAME/my-image
docker push {{ host }}/NAME/my-image
docker pull {{ host }}/NAME/my-image</pre>
<p>NAME is your user name, or an organization of yours.</p>
<h2>Everything else</h2>
<p>Organizations, teams, robot accounts and builds are managed through the
<a href="/api/v1/">REST API</a>, which this page documents and lets you try.</p>
</body>
</html>
"""
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def blueprint(services: Services) -> Blueprint:
    """The pages for people."""
    settings = services.settings
    pages = Blueprint("pages", __name__)

    @pages.get("/")
    def front() -> Response:
        html = render_template_string(_PAGE, title=settings.REGISTRY_TITLE, host=settings.SERVER_HOSTNAME)
        return Response(html, headers=_HEADERS, mimetype="text/html")

    return pages
