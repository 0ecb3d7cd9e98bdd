"""From the bytes of a request to JSON values, within limits."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from starlette.requests import ClientDisconnect, Request

from ml_assets.errors import RequestRefused

JSON = "application/json"

Headers = Sequence[tuple[bytes, bytes]]
"""Of a request; names in lower case."""


class Limits(NamedTuple):
    """How much one request may ask for."""

    body_bytes: int = 10 << 20
    rows: int = 10_000
    seconds: float = 30.0


async def json_of(request: Request, limits: Limits) -> Any:
    """Return the body of a request.

    Raises:
        RequestRefused: If it is too large, or not JSON.
    """
    if (declared := declared_type(request.scope["headers"])) != JSON:
        raise RequestRefused(415, f"The body is {declared}; send {JSON}.")
    try:
        return orjson.loads(await body_of(request, limits))
    except orjson.JSONDecodeError as error:
        raise RequestRefused(400, f"The body is not JSON: {error}.") from None


async def body_of(request: Request, limits: Limits) -> bytes:
    """Read a body, but no more of it than is allowed.

    Raises:
        RequestRefused: If it is too large.
    """
    most = limits.body_bytes
    declared = header(request.scope["headers"], b"content-length") or ""
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    parts: list[bytes] = []
    size, is_more = 0, True
    while is_more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
        is_more = message.get("more_body", False)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def declared_type(headers: Headers) -> str:
    """What a body says it is; one that says nothing is JSON, unless a browser sent it.

    A page of a stranger may send what it likes to this machine as long as it does not say JSON:
    for that a browser asks the service first, which allows it to nobody.
    """
    given = header(headers, b"content-type")
    if given is None:
        return JSON if header(headers, b"sec-fetch-site") is None else "of no type"
    return given.partition(";")[0].strip().lower()


def header(headers: Headers, name: bytes) -> str | None:
    """A header of a request, its name in lower case; None where it was not sent.

    Looks it up where Starlette would first make a mapping of them all.
    """
    for each, value in headers:
        if each == name:
            return str(value, "latin-1")
    return None


def rows_of(body: Any, limits: Limits, *, what: str) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a body that is one object or an array of them.

    Raises:
        RequestRefused: If it is neither, or has too many.
    """
    rows = body if isinstance(body, list) else [body]
    if len(rows) > limits.rows:
        raise too_many(len(rows), limits, what=what)
    for place, row in enumerate(rows):
        if not isinstance(row, dict):
            raise RequestRefused(
                422, f"Send one object, or an array of objects; number {place} is {_kind(row)}."
            )
    return rows


def is_told(request: Request, name: str) -> bool:
    """Whether the query asks for an option: `?trial`, `?trial=true`.

    Raises:
        RequestRefused: If it says neither yes nor no.
    """
    given = request.query_params.get(name, "false")
    if given not in ("", "true", "false"):
        raise RequestRefused(422, f"{name}: {given!r} is neither true nor false.")
    return given != "false"


def too_many(rows: int, limits: Limits, *, what: str) -> RequestRefused:
    """Refuse more rows than one request may have."""
    return RequestRefused(
        413,
        f"{rows:,} {what} in one request, at most {limits.rows:,} are taken. Send them in parts.",
    )


def whole_number(request: Request, name: str, *, default: int, most: int) -> int:
    """Return a number of the query.

    Raises:
        RequestRefused: If it is none, or out of range.
    """
    given = request.query_params.get(name, str(default))
    if not given.isdecimal() or int(given) > most:
        raise RequestRefused(
            422, f"{name}: {given!r} is no whole number between 0 and {most:,}."
        )
    return int(given)


def _too_large(most: int) -> RequestRefused:
    return RequestRefused(413, f"The body has more than {most:,} bytes. Send it in parts.")


def _kind(value: object) -> str:
    names = {list: "an array", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
