"""Who may ask: only this machine's own pages, and over a network only who holds the link's cookie."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import Scope

COOKIE = "zatlas-{port}"  # cookies do not know ports: without it, two servers share one
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
NOTEBOOKS = (
    "http://127.0.0.1:*",
    "http://localhost:*",
    "https://127.0.0.1:*",
    "https://localhost:*",
)  # where one that shows the page in a frame is served from


@dataclass
class AccessPolicy:
    """The names that this server goes by, and the secret of a server that others can reach."""

    hosts: frozenset[str]  # as the header has them, with the port
    frames: tuple[str, ...] = ()  # origins that may show the page in a frame
    link: str | None = None  # secret of the link, until it is used
    cookie: str | None = None  # secret that using it gives
    name: str = COOKIE  # of the cookie

    # As strict as the page can live with: the decoder is WebAssembly, pictures are made in the page,
    # and styles are set by script, never by an attribute or an element of the text.
    policy: str = field(init=False)

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
        self.policy = "; ".join(f"{name} {value}" for name, value in rules.items())

    def refusal(self, scope: Scope) -> str | None:
        """Why this is not answered, if it is not."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:
            return "This server does not go by that name."
        own, origins = f"http://{hosts[0].lower()}", headers.getlist("origin")
        if origins and origins != [own]:
            return "Pages of other origins are not answered."
        if scope["type"] == "websocket" and not origins:
            return "A socket says its origin."
        site, mode = headers.get("sec-fetch-site"), headers.get("sec-fetch-mode")
        if site not in (None, "same-origin", "none") and mode != "navigate":
            return "Pages of other origins are not answered."
        return None

    def knows(self, scope: Scope) -> bool:
        """Whether this browser has the cookie, where one is needed."""
        if self.cookie is None:
            return True
        result: SimpleCookie = SimpleCookie()
        try:
            result.load("; ".join(Headers(scope=scope).getlist("cookie")))
        except CookieError:
            return False
        given = result[self.name].value if self.name in result else ""
        return secrets.compare_digest(given.encode(), self.cookie.encode())

    def enters(self, scope: Scope) -> bool:
        """Whether this is the link, used for the first time; then it is used up."""
        if self.link is None or scope["method"] != "GET" or scope["path"] != "/":
            return False
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not secrets.compare_digest(given.encode(), self.link.encode()):
            return False
        self.link = None
        return True

    def set_cookie(self) -> str:
        """The header's value that gives the cookie."""
        return f"{self.name}={self.cookie}; HttpOnly; SameSite=Strict; Path=/"

    def headers(self) -> dict[str, str]:
        """What every answer carries."""
        return {
            "content-security-policy": self.policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
        }


def access_policy(
    names: Iterable[str], port: int, *, open_to: str, framed: bool, token: bool = False
) -> AccessPolicy:
    """A guard for these names, with a secret if others can reach the server or `token` asks for one."""
    with_port = {f"{name.lower()}:{port}" for name in names}
    bare = {name.lower() for name in names} if port == 80 else set()
    frames = NOTEBOOKS if framed else ()
    if is_loopback(open_to) and not token:
        return AccessPolicy(frozenset(with_port | bare), frames)
    secret, link = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    return AccessPolicy(frozenset(with_port | bare), frames, link, secret, COOKIE.format(port=port))


def is_loopback(host: str) -> bool:
    """Whether nobody else can reach a server at this address."""
    return host in ("localhost", "::1") or host.startswith("127.")
