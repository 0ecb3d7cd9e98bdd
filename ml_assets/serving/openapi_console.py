"""OpenAPI of what the console asks for: models at a glance, rows to try, labels to give."""

from collections.abc import Iterator

from ml_assets.problem import Problem
from ml_assets.serving.operations import (
    Schema,
    done,
    one_or_many,
    parameter,
    posting,
    reading,
)
from ml_assets.serving.reading import Limits
from ml_assets.serving.schemas import event_schema, receipt_schema

PAGE: Schema = {"type": "integer", "minimum": 0, "maximum": 200}
PLACE: Schema = {"type": "integer", "minimum": 0, "maximum": 2**62}
SEED: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31}

TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 2_000, "pattern": r"\S"}
APPROVAL: Schema = {
    "type": "object",
    "required": ["approved", "why"],
    "additionalProperties": False,
    "properties": {
        "approved": {"type": "boolean"},
        "why": {**TEXT, "description": "Kept with the decision."},
        "who": {**TEXT, "description": "Needed where no key tells."},
    },
}
DECIDED: Schema = {
    "type": "object",
    "required": ["version", "approved", "who", "considered", "outcome", "message"],
    "properties": {
        "version": {"type": "string"},
        "approved": {"type": "boolean"},
        "who": {"type": "string"},
        "considered": {
            "type": "boolean",
            "description": "False where the release is still being considered.",
        },
        "outcome": {"type": ["string", "null"], "description": "Null after a no."},
        "message": {"type": ["string", "null"]},
    },
}

REVIEWER: Schema = {"description": "Who says so, where no key tells: a text."}


def console_paths(problem: Problem, limits: Limits) -> Iterator[tuple[str, Schema]]:
    """Every path of one problem that the console asks."""
    name, tag = f"/{problem.name}", f"{problem.name}: console"

    def get(summary: str, *parameters: Schema, named: bool = False) -> Schema:
        described = reading(summary, tag=tag, named=named, asks=bool(parameters))
        return {**described, "parameters": list(parameters)} if parameters else described

    yield f"{name}/overview", {"get": get("Every version, how good it is, and every release")}
    yield f"{name}/form", {"get": get("Fields of a row, and what each may be")}
    seed = parameter("number", "query", SEED, "Each number gives another row.")
    yield f"{name}/rows/example", {"get": get("A plausible row", seed)}
    yield f"{name}/rows/newest", {"get": get("The row of the newest request", named=True)}
    limit = parameter("limit", "query", PAGE, "Entries on one page.")
    after = parameter("after", "query", {"type": "string"}, "What the page before ended with.")
    label = posting(
        "Say what is true of answers, as a reviewer",
        one_or_many({"$ref": "#/components/schemas/ReviewedEvent"}, limits.rows),
        receipt_schema(),
        tag=tag,
    )
    queue = get("Answers that wait for a label, least certain first", limit, after)
    yield f"{name}/review", {"get": queue, "post": label}
    approval = posting(
        "Say yes or no to exactly this bundle; after a yes its release is considered",
        APPROVAL,
        DECIDED,
        tag=tag,
        example={"approved": False, "why": "It is unfair to New York.", "who": "Grace"},
    )
    version = parameter("version", "path", {"type": "string"}, "Its id or number.")
    yield (
        f"{name}/versions/{{version}}/approval",
        {"post": {**approval, "parameters": [version]}},
    )
    report = get("Everything that was measured about a version, as a page", version, named=True)
    report["responses"]["200"] = done({"type": "string"}, "text/html")
    yield f"{name}/versions/{{version}}/report", {"get": report}
    before = parameter("before", "query", PLACE, "What the page before ended with; 0 for none.")
    yield f"{name}/feedback", {"get": get("The newest feedback", limit, before)}
    yield f"{name}/flywheel", {"get": get("Feedback by week, and what models gained")}


def reviewed_event_schema() -> Schema:
    """An event, and who says so."""
    event = event_schema()
    return {**event, "properties": {**event["properties"], "reviewer": REVIEWER}}
