"""Requests to addresses that a user typed: they reach the public internet and what an administrator allowed.

The address that was checked is the one that is connected to: no second name look-up comes between. Proxies and .netrc
of the environment play no part.
"""

import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from functools import cache
from urllib.parse import SplitResult, quote, urljoin, urlsplit

import requests.certs

from buildworker.exchange import PORTS, Question, Response, Target, Terms
from models.addresses import Allowed, refusal
from models.errors import Invalid, Upstream

MAX_REDIRECTS = 5
MAX_URL = 8192
_REDIRECTS = {301, 302, 303, 307, 308}
# Headers that speak for somebody, and must not follow a redirect to another host.
_CREDENTIALS = {"authorization", "cookie", "proxy-authorization", "private-token"}
_NAME = re.compile(r"[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?", re.ASCII)
_IPV6 = re.compile(r"[0-9a-f:.]+", re.ASCII)  # without a zone, which only this machine's own addresses have
# No control character, space or backslash: programs differ in how they read them.
_URL = re.compile(r"[^\x00-\x20\x7f\\]+")


class Outbound:
    """The way out. `allowed_private`: names, addresses and networks that may be reached although they are not public.

    `tls` takes the place of the system's certificates. ValueError for an entry that is none of the three.
    """

    def __init__(self, allowed_private: Sequence[str], *, tls: ssl.SSLContext | None = None) -> None:
        self._allowed = Allowed(allowed_private)
        self._tls = tls or _system_tls()

    def resolve(self, url: str, *, subject: str = "url") -> Target:
        """Look the URL's host up and check every address it has; `Invalid` when one may not be reached.

        `subject` begins each message: the field that the URL came in.
        """
        parts = _parsed(url, subject)
        host, port = _host(parts.hostname or "", subject), parts.port or PORTS[parts.scheme]
        addresses = self._checked(host, port, subject)
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        query = "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?") if parts.query else ""
        return Target(parts.scheme, host, port, path + query, addresses)

    def look_up(self, host: str, port: int, *, subject: str) -> tuple[str, tuple[str, ...]]:
        """The name to ask another program for, and its addresses, every one checked; Invalid, Upstream.

        No other form of the name is to be used: programs differ in how they read what is not plain ASCII, and would
        then look for the addresses of another host, by themselves.
        """
        name = _host(host, subject).rstrip(".")
        return name, self._checked(name, port, subject)

    def _checked(self, host: str, port: int, subject: str) -> tuple[str, ...]:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Upstream(f"{subject}: no address is known for the host {host}") from error
        addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            kind = refusal(address)
            if kind and not self._allowed.admits(host, port, address):
                allow = "an administrator can allow it with OUTBOUND_ALLOWED_PRIVATE_HOSTS"
                raise Invalid(f"{subject}: {host} is {kind}; {allow}")
        return addresses

    def get(
        self,
        url: str,
        *,
        max_bytes: int,
        timeout_s: float,
        deadline: float,
        subject: str = "url",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """GET the URL, following redirects that pass the same check. The status is the caller's to judge.

        `timeout_s` is the longest silence; `deadline` (a `time.monotonic()` value) ends everything, a slow drip of
        bytes too. `headers` that carry credentials stay behind when a redirect leads elsewhere.
        """
        sent = dict(headers or {})
        terms = Terms(subject, timeout_s, deadline, max_bytes, self._tls)
        target = self.resolve(url, subject=subject)
        for _ in range(MAX_REDIRECTS + 1):
            response = Response(target, terms, sent)
            location = response.headers.get("Location")
            if response.status not in _REDIRECTS or not location:
                return response
            response.close()
            following = self._follow(target, location, subject)
            if following.origin != target.origin:
                sent = {name: value for name, value in sent.items() if name.lower() not in _CREDENTIALS}
            target = following
        raise Upstream(f"{subject}: {target.netloc} redirects more than {MAX_REDIRECTS} times")

    def send(
        self,
        method: str,
        url: str,
        body: bytes | None,
        *,
        max_bytes: int,
        timeout_s: float,
        deadline: float,
        subject: str = "url",
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request of another method, without following redirects: what is sent may be secret. Else as `get`."""
        terms = Terms(subject, timeout_s, deadline, max_bytes, self._tls)
        return Response(self.resolve(url, subject=subject), terms, dict(headers or {}), Question(method, body))

    def _follow(self, target: Target, location: str, subject: str) -> Target:
        # http.client reads headers as Latin-1, and servers send UTF-8.
        raw = location.encode("latin-1", "replace").decode("utf-8", "replace")
        try:
            url = urljoin(target.url, raw)
        except ValueError as error:
            raise Upstream(f"{subject}: {target.netloc} redirects to what is not an address") from error
        return self.resolve(url, subject=f"{subject}: redirected by {target.netloc}")


def _parsed(url: str, subject: str) -> SplitResult:
    expected = Invalid(f"{subject}: expected an address that begins with http:// or https://")
    if len(url) > MAX_URL or not _URL.fullmatch(url):
        raise Invalid(f"{subject}: expected an address of at most {MAX_URL} characters, without spaces and backslashes")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise expected from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise expected
    if port == 0:
        raise Invalid(f"{subject}: expected a port from 1 to 65535")
    if "@" in parts.netloc:
        # It would be kept with the build and shown to everybody who sees the build.
        raise Invalid(f"{subject}: expected an address without a user name or password")
    return parts


def _host(host: str, subject: str) -> str:
    try:
        host = host.encode("idna").decode("ascii") if not host.isascii() else host
        return str(ipaddress.IPv6Address(_named(host, _IPV6))) if ":" in host else _named(host, _NAME)
    except ValueError as error:
        raise Invalid(f"{subject}: the host is not a valid name or address") from error


def _named(host: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(host):
        raise ValueError("not a host")
    return host


@cache  # reading the certificates takes longer than a small download
def _system_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    paths = ssl.get_default_verify_paths()
    if paths.cafile is None and paths.capath is None:
        context.load_verify_locations(requests.certs.where())
    return context
