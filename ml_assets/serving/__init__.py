"""The prediction service: HTTP around the one path from rows to predictions.

`deployments` holds the versions that answer, `following` swaps them when the registry's champion
moves. `reading` turns a body into rows within limits, `refusals` turns what is refused into
problem+json, `keys` says who may ask. `predicting`, `giving_feedback` and `explaining` are the
endpoints; `inference_protocol` is the same for clients of KServe and Triton (`inference_rest`,
`inference_grpc` and its `inference_messages`, `tensors`). `openapi` describes the endpoints from the
contracts (`schemas`, `operations`), to people through `docs.html`. The `console` is a page for people,
`overview`, `trying` and `reviewing` are what it asks for. `telemetry` counts, `watching` what is odd about rows, and `shared_counts` adds
up what several processes counted. `app` puts them together, `server` runs it over
each `connection`, `supervising` several of it.
"""
