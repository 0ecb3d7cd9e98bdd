"""The README of a drafted problem: what was guessed and why, and what a person has to say."""

from ml_assets.scaffold.draft import Draft
from ml_assets.scaffold.recipes import Feature


def readme_text(draft: Draft, features: tuple[Feature, ...]) -> str:
    """Write `README.md`."""
    name, file = draft.asked.name, draft.asked.file.name
    return f"""\
# {name}: {draft.target.name} of {file}

**Goal.** Fill in: who does what with an answer, and what is a wrong one worth? ({_predicted(draft)})

**Moment of prediction.** Fill in: when is an answer asked for, and which columns are known by then? Each column of
`contract.py` says `known_at`; what is known later reaches no feature.

**Source and terms.** {file}, {draft.rows:,} rows. Fill in: who publishes it, where, under which terms.

**Labels.** Fill in: how long after the event can a label be trusted (`label.delay_days`, now 0)?

## What was guessed, and why

- Metric: `{draft.kpi.metric}`. {_capital(draft.kpi.why)}.
- Partitions: {draft.cutting.why}.
{_bullets(draft.notes)}
| column | role | type | why |
| --- | --- | --- | --- |
{_rows(draft)}

Features: {", ".join(f"`{each.name}`" for each in features)}.

## What to do next

1. `ml-assets run {name} --source {file}`: from the file to a measured, perhaps promoted model.
2. Read the table above as somebody who knows the data; correct `contract.py`, `features.py` and `config.yaml`. A
   column comes back into the features by `"role": "input"` in the contract, a line in `features.py` and one
   under `training.encoders`.
3. `pytest` on this folder: what should hold, holds.
4. `ml-assets analyse {name}`: how good it is, where, and for whom. `ml-assets serve {name}`: it answers by HTTP.
"""


def _predicted(draft: Draft) -> str:
    if draft.kind == "regression":
        return f"predicted is a number, {draft.target.name}, in the unit of the file"
    return (
        f"predicted is the probability that {draft.target.name} is {draft.positive}; it is in "
        f"{draft.mean_label:.1%} of {draft.labelled:,} labelled rows"
    )


def _bullets(notes: tuple[str, ...]) -> str:
    return "".join(f"- {note}\n" for note in notes)


def _rows(draft: Draft) -> str:
    return "\n".join(
        f"| `{each.name}` | {each.role} | {each.kind} | {_cell(each.why)} |"
        for each in draft.columns
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
