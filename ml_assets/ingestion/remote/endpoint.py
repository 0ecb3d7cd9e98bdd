"""Pages of a REST endpoint, one after the other."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from ml_assets.errors import SourceError
from ml_assets.ingestion.json_rows import DECODER, cell_text
from ml_assets.ingestion.mapping.names import keys_of
from ml_assets.ingestion.mapping.origins import Rest
from ml_assets.ingestion.mapping.paths import value_at

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 30
TRIES = 4
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
BUSY = (408, 425, 429, 500, 502, 503, 504)
"""Answers after which asking again may help."""

Page = list[dict[str, object]]


def pages(rest: Rest, *, since: str | None, environment: Mapping[str, str]) -> Iterator[Page]:
    """The rows of an endpoint, a page at a time.

    Args:
        rest: The endpoint.
        since: Cursor from which on rows are wanted; None for all.
        environment: Has the secrets that headers need.

    Raises:
        SourceError: If it does not answer, or answers with something else than pages of rows.
    """
    import httpx

    asked = dict(rest.parameters)
    if rest.since and since is not None:
        asked[rest.since] = since
    headers = {name: _secret(var, environment) for name, var in rest.secret_headers.items()}
    with httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS) as client:
        address: str | None = rest.url
        seen: set[str] = set()
        number = 1
        while address is not None:
            counted = {rest.page: str(number)} if rest.page else {}
            answer = _answer(client, address, {**asked, **counted})
            rows = _rows(answer, rest)
            yield rows
            seen.add(address)
            address = _next(answer, rest, address, seen) if rows or not rest.page else None
            asked = asked if rest.page else {}
            number += 1


def _next(answer: object, rest: Rest, address: str, seen: set[str]) -> str | None:
    """The address of the next page."""
    if rest.page:
        return address
    found = value_at(answer, keys_of(rest.next)) if rest.next else None
    if not found:
        return None
    following = urljoin(address, str(found))
    if urlsplit(following)[:2] != urlsplit(rest.url)[:2]:
        raise SourceError(
            f"{rest.url} names a next page at another place, {following}. Secrets are not sent "
            "there; ask the publisher, or name the right place in the mapping."
        )
    if following in seen:
        raise SourceError(f"{rest.url} names {following} as the next page twice.")
    return following


def _rows(answer: object, rest: Rest) -> Page:
    found = value_at(answer, keys_of(rest.records)) if rest.records else answer
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        where = f"at {rest.records!r}" if rest.records else "as its answer"
        raise SourceError(
            f"{rest.url} has no list of rows {where}. Say where it is: rest.records in the mapping."
        )
    return found


def _answer(client: "httpx.Client", address: str, asked: dict[str, str]) -> object:
    """What an address answers, tried again while it is busy."""
    import httpx

    pause = FIRST_PAUSE_SECONDS
    for left in reversed(range(TRIES)):
        wait: Any = pause
        try:
            response = client.get(address, params=asked or None)
        except httpx.TransportError as error:
            said = f"does not answer: {error}"
        else:
            if response.is_success:
                return _value(response)
            said = f"answers {response.status_code} {response.reason_phrase}"
            if response.status_code not in BUSY:
                break
            wait = response.headers.get("retry-after", pause)
        if left:
            time.sleep(
                min(float(wait) if str(wait).isdigit() else pause, LONGEST_PAUSE_SECONDS)
            )
            pause *= 2
    raise SourceError(f"{address} {said}. Nothing of this page was kept; fetch again later.")


def _value(response: "httpx.Response") -> object:
    try:
        return DECODER.decode(response.text.strip())
    except json.JSONDecodeError as error:
        raise SourceError(
            f"{response.url} does not answer with JSON: {error.msg} in line {error.lineno}, "
            f"column {error.colno}."
        ) from None


def _secret(variable: str, environment: Mapping[str, str]) -> str:
    if variable not in environment:
        raise SourceError(
            f"The environment variable {variable}, which has a secret, is not set."
        )
    return environment[variable]


def cursor_of(row: dict[str, object], rest: Rest) -> str | None:
    """How new a row is."""
    return cell_text(value_at(row, keys_of(rest.cursor))) if rest.cursor else None
