"""An OpenID Connect provider as a program: `oidc_server.py PORT CLIENT_ID CLIENT_SECRET`.

Whoever types a name into its form is signed in as that name. What follows in the name after a `!` makes it misbehave:
`ann!nonce` gets a token with another nonce. `POST /keys` with an `algorithm` replaces its key, and the
former one is published no longer.
"""

import base64
import hashlib
import html
import json
import secrets
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

Form = dict[str, str]
MISDEEDS: dict[str, dict[str, Any]] = {
    "nonce": {"nonce": "another"},
    "audience": {"aud": "another"},
    "party": {"aud": ["drydock", "another"], "azp": "another"},
    "issuer": {"iss": "http://another.example"},
    "expired": {"exp": 1_000_000_000},
    "future": {"iat": 4_000_000_000, "exp": 4_000_000_060},
    "subject": {"sub": 5},
    "unverified": {"email_verified": False},
    "noaddress": {"email": None},
    "taken": {"email": "taken@example.com"},
    "root": {"preferred_username": "root"},
    "odd": {"preferred_username": "Ännchen von Tharau!"},
    "nul": {"preferred_username": "a\0b", "email": "a\0b@example.com"},
}


class Provider:
    """What the server knows. Subjects are derived from names, so that the same name is the same person."""

    def __init__(self, port: int, client_id: str, client_secret: str) -> None:
        self.issuer = f"http://127.0.0.1:{port}/realm"
        self.client = (client_id, client_secret)
        self.codes: dict[str, Form] = {}
        self.people: dict[str, dict[str, Any]] = {}
        self.asked: dict[str, int] = {}
        self.new_key()

    def new_key(self, algorithm: str = "RS256") -> None:
        self.algorithm = algorithm
        self.key = _key(algorithm, secrets.token_hex(4))

    def metadata(self) -> dict[str, Any]:
        below = {
            name: f"{self.issuer}/{path}"
            for name, path in (
                ("jwks_uri", "jwks"),
                ("authorization_endpoint", "authorize?tenant=1"),
                ("token_endpoint", "token"),
                ("userinfo_endpoint", "userinfo"),
            )
        }
        return {"issuer": self.issuer, "authorization_response_iss_parameter_supported": True, **below}

    def claims(self, name: str, nonce: str) -> dict[str, Any]:
        who, _, misdeed = name.partition("!")
        present = int(time.time())
        about = {"preferred_username": who, "email": f"{who}@example.com", "email_verified": True}
        required = {
            "iss": self.issuer,
            "aud": self.client[0],
            "sub": f"subject-of-{who}",
            "iat": present,
            "exp": present + 60,
            "nonce": nonce,
        }
        if misdeed == "userinfo":
            return required
        return {**required, **about, **MISDEEDS.get(misdeed, {})}

    def token(self, claims: dict[str, Any], name: str) -> str:
        key, header = self.key, {"alg": self.algorithm, "kid": self.key.kid}
        if name.endswith("!forged"):
            key = _key(self.algorithm, str(self.key.kid))
        if name.endswith("!none"):
            parts = ({"alg": "none"}, claims)
            return (
                ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
                + "."
            )
        return jwt.encode(header, claims, key)


class Handler(BaseHTTPRequestHandler):
    provider: Provider

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 # the base class calls it so
        sys.stdout.write(f"{format % args}\n")

    def do_GET(self) -> None:  # http.server's names
        url, provider = urlsplit(self.path), self.provider
        provider.asked[url.path] = provider.asked.get(url.path, 0) + 1
        if url.path == "/realm/.well-known/openid-configuration":
            self.answer(provider.metadata())
        elif url.path == "/realm/jwks":
            self.answer({"keys": [{"kty": "??"}, provider.key.as_dict(private=False)]})
        elif url.path == "/realm/authorize":
            self.show_form(url.query)
        elif url.path == "/realm/userinfo":
            told = provider.people.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            self.answer(told or {"error": "invalid_token"}, 200 if told else 401)
        elif url.path == "/asked":
            self.answer(provider.asked)
        elif url.path == "/favicon.ico":  # which browsers ask for by themselves
            self.answer(b"", 204, "image/x-icon")
        else:
            self.answer({"error": "not_found"}, 404)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
        if self.path.startswith("/realm/authorize"):
            self.sign_in(form)
        elif self.path == "/realm/token":
            self.redeem(form)
        elif self.path == "/keys":
            self.provider.new_key(form["algorithm"])
            self.answer({})

    def show_form(self, query: str) -> None:
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        fields = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in asked.items()
        )
        page = f'<form method="post">{fields}<input name="name"><button>Continue</button></form>'
        self.answer(page.encode(), kind="text/html")

    def sign_in(self, form: Form) -> None:
        name = form["name"]
        given = {"state": form["state"], "iss": self.provider.issuer}
        if name.endswith("!denied"):
            given |= {"error": "access_denied", "error_description": "You pressed Cancel"}
        else:
            given["code"] = secrets.token_hex(8)
            self.provider.codes[given["code"]] = form
        if name.endswith("!mixup"):
            given["iss"] = "http://another.example"
        if name.endswith("!noiss"):
            del given["iss"]
        self.send_response(303)
        self.send_header("Location", f"{form['redirect_uri']}?{urlencode(given)}")
        self.end_headers()

    def redeem(self, form: Form) -> None:
        asked = self.provider.codes.pop(form.get("code", ""), None)
        if not self.is_client(form):
            self.answer({"error": "invalid_client"}, 401)
        elif asked is None or asked["redirect_uri"] != form["redirect_uri"] or not _proves(asked, form):
            self.answer({"error": "invalid_grant"}, 400)
        else:
            name, access = asked["name"], secrets.token_hex(8)
            who = name.partition("!")[0]
            claims = self.provider.claims(name, asked["nonce"])
            subject = "somebody-else" if name.endswith("!otheruserinfo") else claims["sub"]
            self.provider.people[access] = {"sub": subject, "preferred_username": who, "email": f"{who}@example.com"}
            if name.endswith("!otheruserinfo"):
                del claims["email"]
            tokens = {"access_token": access, "id_token": self.provider.token(claims, name), "token_type": "Bearer"}
            self.answer(tokens)

    def is_client(self, form: Form) -> bool:
        given = base64.b64decode(self.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        return given == ":".join(self.provider.client)

    def answer(self, content: Any, status: int = 200, kind: str = "application/json") -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _key(algorithm: str, kid: str) -> RSAKey | ECKey:
    if algorithm == "ES256":
        return ECKey.generate_key("P-256", parameters={"kid": kid})
    return RSAKey.generate_key(2048, parameters={"kid": kid, "use": "sig"})


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def _proves(asked: Form, form: Form) -> bool:
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return asked.get("code_challenge_method") == "S256" and asked.get("code_challenge") == challenge


if __name__ == "__main__":
    port = int(sys.argv[1])
    Handler.provider = Provider(port, *sys.argv[2:])
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
