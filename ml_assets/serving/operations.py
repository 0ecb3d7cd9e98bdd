"""Parts that OpenAPI operations are made of, for every module that describes its own paths."""

from typing import Any

from ml_assets.serving.reading import JSON
from ml_assets.serving.refusals import MEDIA_TYPE, TITLES

Schema = dict[str, Any]

ANY_JSON: Schema = {"type": "object", "additionalProperties": True}

EVERY = (405, 503)
"""Refusals that any path may answer with."""

GUARDED = (401, 403)
NAMED = (404,)
QUERY = (422,)
BODY = (400, 413, 415, 422)


def reading(
    summary: str,
    answer: Schema | None = None,
    *,
    tag: str = "Service",
    guarded: bool = True,
    named: bool = False,
    asks: bool = False,
) -> Schema:
    """Describe a GET.

    Args:
        summary: What it answers, in a few words.
        answer: Schema of it; any object by default.
        tag: Under which heading it stands: a problem's name, or Service.
        guarded: Whether it may need a key.
        named: Whether its path names something that may not be there.
        asks: Whether its query can be wrong.
    """
    refused = [
        *EVERY,
        *(GUARDED if guarded else ()),
        *(NAMED if named else ()),
        *(QUERY if asks else ()),
    ]
    return {
        "tags": [tag],
        "summary": summary,
        **({} if guarded else {"security": []}),
        "responses": {"200": done(answer or ANY_JSON), **refusals(*refused)},
    }


def posting(
    summary: str, body: Schema, answer: Schema, *, tag: str, example: Any = None
) -> Schema:
    """Describe a POST of JSON.

    Args:
        summary: What it does, in a few words.
        body: Schema of what is sent.
        answer: Schema of what comes back.
        tag: Under which heading it stands.
        example: Of what is sent.
    """
    shown = {} if example is None else {"example": example}
    return {
        "tags": [tag],
        "summary": summary,
        "requestBody": {"required": True, "content": {JSON: {"schema": body, **shown}}},
        "responses": {
            "200": done(answer),
            **refusals(*EVERY, *GUARDED, *NAMED, *BODY),
        },
    }


def done(answer: Schema, media_type: str = JSON) -> Schema:
    """What comes back when it worked."""
    return {"description": "Done", "content": {media_type: {"schema": answer}}}


def refusals(*statuses: int) -> Schema:
    """Answers of what is refused, as RFC 9457 has it."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        str(status): {
            "description": TITLES[status],
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in sorted(statuses)
    }


def one_or_many(one: Schema, most: int) -> Schema:
    """Return the schema of a body that is one object, or an array of at most so many."""
    return {"oneOf": [one, {"type": "array", "items": one, "maxItems": most}]}


def parameter(name: str, place: str, schema: Schema, description: str) -> Schema:
    """Describe a parameter; one in the path is needed."""
    needed = {"required": True} if place == "path" else {}
    return {
        "name": name,
        "in": place,
        **needed,
        "description": description,
        "schema": schema,
    }
