"""What is refused, as RFC 9457 has it: application/problem+json, and never a stack trace."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
import sqlalchemy as sa
from starlette.responses import Response

from ml_assets.errors import (
    ArtifactError,
    FeedbackError,
    InferenceError,
    InvalidRows,
    RequestRefused,
    StoreOverloaded,
    VersionNotFound,
)

MEDIA_TYPE = "application/problem+json"
STORE_FAILED = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError)

STATUSES: tuple[tuple[tuple[type[Exception], ...], int], ...] = (
    ((FeedbackError, InferenceError), 422),
    ((VersionNotFound,), 404),
    ((StoreOverloaded, ArtifactError, *STORE_FAILED), 503),
)

HEADERS = {
    401: {"WWW-Authenticate": "Bearer"},
    413: {"Connection": "close"},  # the rest of the body is not waited for
    503: {"Retry-After": "1"},
}

TITLES = {
    400: "The request cannot be read",
    401: "A key is needed",
    403: "The key does not allow this",
    404: "There is no such thing here",
    405: "This cannot be done here",
    413: "The request is too large",
    415: "The request is not JSON",
    422: "The request breaks the contract",
    500: "The service failed",
    503: "The service cannot answer now",
}


def problem_json(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> Response:
    """Say what was refused, and why."""
    body = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": detail}
    return Response(
        orjson.dumps({**body, **more}, default=str),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


class Refused(NamedTuple):
    """What an error means to whoever asked."""

    status: int
    detail: str


def refused(error: BaseException) -> Refused:
    """Say what an error of the platform, or of its store, means, in whatever form it is told."""
    if isinstance(error, STORE_FAILED):
        return Refused(
            503, "The store does not answer, so nothing could be recorded. Ask again."
        )
    return Refused(_status(error), str(error))


def refusal(error: BaseException) -> Response:
    """Turn an error into an answer."""
    status, detail = refused(error)
    if isinstance(error, InvalidRows):
        return problem_json(status, detail, errors=[each._asdict() for each in error.broken])
    return problem_json(status, detail, headers=HEADERS.get(status))


def _status(error: BaseException) -> int:
    if isinstance(error, RequestRefused):
        return error.status
    return next((status for kinds, status in STATUSES if isinstance(error, kinds)), 500)
