"""Access control: only pages of this server, and over a network only browsers with the link's cookie."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Scope

COOKIE = "zatlas-{port}"  # cookies ignore the port, so two servers need two names
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
NOTEBOOKS = (
    "http://127.0.0.1:*",
    "http://localhost:*",
    "https://127.0.0.1:*",
    "https://localhost:*",
)  # origins of notebooks that show the page in a frame


@dataclass
class AccessPolicy:
    """The host names of this server, and the secrets of a server that others can reach."""

    hosts: frozenset[str]  # as in the Host header, with the port
    frames: tuple[str, ...] = ()  # origins that may show the page in a frame
    link_token: str | None = None  # secret of the link, until it is used
    cookie: str | None = None  # secret that the browser gets for the link
    cookie_name: str = COOKIE

    # As strict as possible: the decoder is WebAssembly, the page creates images, and scripts set styles.
    content_policy: str = field(init=False)

    def __post_init__(self) -> None:
        rules = {
            "default-src": "'none'",
            "script-src": "'self' 'wasm-unsafe-eval'",
            "worker-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' blob: data:",
            "media-src": "blob:",
            "font-src": "'self'",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'none'",
            "frame-ancestors": " ".join(self.frames) or "'none'",
        }
        self.content_policy = "; ".join(f"{name} {value}" for name, value in rules.items())

    def refusal(self, scope: Scope) -> str | None:
        """The reason to refuse a request; None if it is allowed."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return "This server has another name."
        own, origins = f"http://{hosts[0].lower()}", headers.getlist("origin")
        if origins and origins != [own]:
            return "Pages of other origins have no access."
        if scope["type"] == "websocket" and not origins:
            return "A WebSocket must send its origin."
        site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
        if site not in (None, "same-origin", "none") and mode != "navigate":
            return "Pages of other origins have no access."
        return None

    def has_cookie(self, scope: Scope) -> bool:
        """Whether the browser has the cookie; True if none is needed."""
        if self.cookie is None:
            return True
        cookies: SimpleCookie = SimpleCookie()
        try:
            cookies.load("; ".join(Headers(scope=scope).getlist("cookie")))
        except CookieError:
            return False
        value = cookies[self.cookie_name].value if self.cookie_name in cookies else ""
        return secrets.compare_digest(value.encode(), self.cookie.encode())

    def redeem_link(self, scope: Scope) -> bool:
        """Whether this is the first use of the link, which expires with it."""
        if self.link_token is None or scope["method"] != "GET" or scope["path"] != "/":
            return False
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not secrets.compare_digest(token.encode(), self.link_token.encode()):
            return False
        self.link_token = None
        return True

    def set_cookie(self) -> str:
        """The Set-Cookie header."""
        return f"{self.cookie_name}={self.cookie}; HttpOnly; SameSite=Strict; Path=/"

    def headers(self) -> dict[str, str]:
        """The headers of every response."""
        return {
            "content-security-policy": self.content_policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-embedder-policy": "require-corp",  # lets the page decode on several threads
        }


def access_policy(
    names: Iterable[str], port: int, *, host: str, framed: bool, token: bool = False
) -> AccessPolicy:
    """The policy for these host names, with secrets if others can reach `host` or if `token` is set."""
    with_port = {f"{name.lower()}:{port}" for name in names}
    bare = {name.lower() for name in names} if port == 80 else set()
    frames = NOTEBOOKS if framed else ()
    if is_loopback(host) and not token:
        return AccessPolicy(frozenset(with_port | bare), frames)
    link, cookie = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    return AccessPolicy(frozenset(with_port | bare), frames, link, cookie, COOKIE.format(port=port))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at this address."""
    return host in ("localhost", "::1") or host.startswith("127.")
