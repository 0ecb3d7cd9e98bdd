"""The console: a page for people in the browser, made of nothing but the service's own JSON.

Plain HTML, CSS and JavaScript modules beside this file: no build, nothing from another host, and no
script in the page itself, so that a text that a consumer wrote can never become one. What the page
asks for is in `overview`, `trying` and `reviewing`, with the roles that hold for every client.
"""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ml_assets.errors import RequestRefused

INDEX = "index.html"
MEDIA_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
"""No-cache asks again each time, and is answered with 304 while the file is the same."""


class File(NamedTuple):
    """One file of the console."""

    content: bytes
    media_type: str
    etag: str


class Console:
    """The endpoint of the console's files."""

    def __init__(self) -> None:
        self._files = _files()

    async def file(self, request: Request) -> Response:
        """Return a file; the page where none is named."""
        name = request.path_params.get("file") or INDEX
        found = self._files.get(name)
        if found is None:
            raise RequestRefused(404, f"The console has no file {name!r}.")
        headers = {**HEADERS, "ETag": found.etag}
        if request.headers.get("if-none-match") == found.etag:
            return Response(status_code=304, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=headers)

    async def enter(self, request: Request) -> Response:  # noqa: ARG002 - as every endpoint
        """Lead to the page's own folder, beside which it finds its files."""
        return RedirectResponse("console/")


def wants_page(request: Request) -> bool:
    """Whether a browser asks, for a person to look at."""
    return "text/html" in request.headers.get("accept", "")


def _files() -> Mapping[str, File]:
    found = {}
    for path in files(__name__).iterdir():
        suffix = path.name[path.name.rfind(".") :]
        if suffix in MEDIA_TYPES:
            content = path.read_bytes()
            etag = f'"{hashlib.blake2b(content, digest_size=8).hexdigest()}"'
            found[path.name] = File(content, MEDIA_TYPES[suffix], etag)
    return found
