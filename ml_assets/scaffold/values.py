"""`config.yaml` of a drafted problem, as text: every value that was guessed, with why."""

import json
import textwrap
from collections.abc import Iterable

import yaml

from ml_assets.ingestion.reading import snake_case
from ml_assets.scaffold.draft import Draft
from ml_assets.scaffold.recipes import Feature

FEW_NAMES = 12
MOST_SLICES = 3
ENOUGH_TO_CALIBRATE = 1_000
ROWS_TO_FIT = 200
LARGE = 2_000
"""Rows, from which on a slice of 100 is a small part."""


def config_text(draft: Draft, features: tuple[Feature, ...]) -> str:
    """Write `config.yaml`; sections that are left out have their defaults."""
    return "\n".join(
        [
            f"# Every value of the problem {draft.asked.name}, guessed from {draft.asked.file.name}. Unknown keys are",
            "# refused, with the nearest known name; sections that are not here have their defaults.",
            f"objective: {_q(_objective(draft))}   # say what for: who does what with an answer?",
            'owner: "?"',
            f"kind: {draft.kind}",
            "",
            "# When facts become known, in order. A feature may read nothing later than the prediction.",
            "moments: [asked, known]",
            "moment_of_prediction: asked",
            "",
            *_source(draft),
            "",
            *_partitions(draft),
            "",
            *_label(draft),
            "",
            *_kpi(draft),
            "",
            *_people(draft),
            *_gate(),
            "",
            *_slices(draft),
            "",
            *_split(draft),
            "",
            *_training(draft, features),
            "",
        ]
    )


def _objective(draft: Draft) -> str:
    target = draft.target.name
    if draft.kind == "regression":
        return f"Say {target} before it is known."
    return f"Say how probable it is that {target} is {draft.positive}, before it is known."


def _source(draft: Draft) -> list[str]:
    spelling, marks = draft.spelling, draft.spelling.marks
    aliases = [
        f"    {_key(each.name)}: {_list([snake_case(each.column.heading)])}"
        for each in draft.columns
        if each.column and snake_case(each.column.heading) != each.name
    ]
    optional = [
        each.name
        for each in draft.columns
        if each.role == "target"
        or (each.column is None and each.role == "id")
        or (each.column is not None and each.column.missing)
    ]
    made_time = draft.event_time.column is None
    lines = [
        "source:",
        f"  origin: {_q(f'{draft.asked.file.name}: say who publishes it, and where.')}",
        '  terms: "?"                  # under which terms it was collected and may be used',
        *(
            ["  aliases:                    # other names, in snake case", *aliases]
            if aliases
            else []
        ),
        f"  optional: {_list(optional)}   # a source may lack these altogether",
        f"  missing: {_list(spelling.missing or ('',))}   # texts that mean no value",
        f'  "true": {_list(draft.yes or ("Yes", "true"))}',
        f'  "false": {_list(draft.no or ("No", "false"))}',
        f"  date_formats: {_list(spelling.date_formats or ('%Y-%m-%d',))}   # beside ISO 8601",
    ]
    if made_time:
        lines.append(
            f"  undated: {draft.cutting.start}          # no column says when: all rows are of this day"
        )
    if marks.decimal != "." or marks.thousands or marks.around:
        lines += [
            f"  decimal: {_q(marks.decimal)}",
            f"  thousands: {_q(marks.thousands)}",
            f"  around_numbers: {_list(marks.around)}   # stand at numbers, and are left out",
        ]
    return lines


def _partitions(draft: Draft) -> list[str]:
    return [
        f"# {_capital(draft.cutting.why)}.",
        "partitions:",
        f"  grain: {draft.cutting.grain}",
        f"  start: {draft.cutting.start}",
    ]


def _label(draft: Draft) -> list[str]:
    says = (
        f"{draft.target.name} is {draft.positive}."
        if draft.kind == "binary"
        else f"{draft.target.name}, as the source says it."
    )
    return [
        "label:",
        f"  positive: {_q(says)}",
        "  delay_days: 0               # days until a label can be trusted: nobody can guess it from a file",
    ]


def _kpi(draft: Draft) -> list[str]:
    kpi = draft.kpi
    intervals = ("coverage", "relative_width") if _has_intervals(draft) else ()
    return [
        *_comment(f"Why this metric: {kpi.why}."),
        "kpi:",
        f"  metric: {kpi.metric}",
        f"  formula: {_q(kpi.formula)}",
        f"  direction: {kpi.direction}",
        f"  floor: {kpi.floor!r}",
        '  owner: "?"',
        "",
        f"metrics: [{', '.join((kpi.metric, *kpi.others, *intervals))}]",
    ]


def _people(draft: Draft) -> list[str]:
    protected = [each.name for each in draft.columns if each.is_protected]
    proxies = [each.name for each in draft.columns if each.is_proxy]
    if not protected:
        return []
    return [
        "# Kept for the audit, never a feature; and what stands for them.",
        f"protected: {_list(protected)}",
        f"proxies: {_list(proxies)}",
        "fairness:",
        "  proxies: {action: warn}     # first see how well the features predict them; then: refuse",
        "",
    ]


def _gate() -> list[str]:
    return [
        "# The history is taken as it is, with warnings. Once you have looked at it, let an unusual class",
        "# balance be refused: action: refuse.",
        "gate:",
        "  max_quarantine_rate: 0.05",
        "  class_balance: {limit: 0.10, action: warn}",
        "  new_categories: {limit: 0.05, action: warn}",
    ]


def _slices(draft: Draft) -> list[str]:
    few = [
        each
        for each in draft.columns
        if each.column is not None
        and (each.role == "input" or each.is_protected)
        and each.kind in ("text", "boolean")
        and 1 < each.column.distinct <= FEW_NAMES
    ]
    chosen = sorted(few, key=lambda each: not each.is_protected)[:MOST_SLICES]
    return [
        "slices:                       # groups that are measured on their own",
        f"  columns: {_list([each.name for each in chosen])}",
        f"  min_rows: {100 if draft.rows >= LARGE else 30}",
    ]


def _split(draft: Draft) -> list[str]:
    cutting = draft.cutting
    return [
        "split:",
        f"  by: {cutting.split}",
        "  test_share: 0.2",
        "  validation_share: 0.2",
        f"  max_label_difference: {cutting.max_label_difference!r}",
    ]


def _training(draft: Draft, features: tuple[Feature, ...]) -> list[str]:
    encoders = [f"    {_key(each.name)}: {each.encoder}" for each in features]
    estimators = (
        [
            "    logistic: {kind: logistic, hyperparameters: {C: 0.3, max_iter: 2000}}",
            "    boosting: {kind: boosting, hyperparameters: {learning_rate: 0.05, max_iter: 200}}",
        ]
        if draft.kind == "binary"
        else [
            "    ridge: {kind: ridge}",
            "    boosting: {kind: boosting_regression, hyperparameters: {max_iter: 300}}",
        ]
    )
    return [
        "training:",
        f"  min_rows: {min(ROWS_TO_FIT, draft.labelled // 2)}",
        *(["  min_rows_per_class: 10"] if draft.kind == "binary" else []),
        *_values(draft),
        "  estimators:                 # they compete; the KPI on validation rows chooses",
        *estimators,
        "  encoders:                   # how each feature becomes numbers",
        *encoders,
    ]


def _values(draft: Draft) -> list[str]:
    lines = []
    if draft.is_log:
        lines.append(
            "  target: {transform: log}    # labels are skewed and above zero: errors are factors"
        )
    if _has_intervals(draft):
        lines.append(
            "  interval: {coverage: 0.9}   # each answer with the ends between which 9 of 10 labels lie"
        )
    return lines


def _has_intervals(draft: Draft) -> bool:
    return draft.kind == "regression" and draft.labelled >= ENOUGH_TO_CALIBRATE


def _comment(text: str, width: int = 96) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, width)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _list(texts: Iterable[str]) -> str:
    return "[" + ", ".join(map(_q, texts)) + "]"


def _key(name: str) -> str:
    """A name as a key; `yes` and `on` would be truths to YAML."""
    return name if yaml.safe_load(name) == name else _q(name)


def _q(text: str) -> str:
    """JSON, which is YAML too."""
    return json.dumps(text, ensure_ascii=False)
