import pytest

from ml_assets.registry.manifest import Data
from ml_assets.registry.numbering import next_number


def _with(manifest, section, **values):
    part = getattr(manifest, section)
    return manifest.model_copy(update={section: part.model_copy(update=values)})


def _data(rows):
    return Data(training_set="t", features_version=1, partitions={}, excluded={}, rows=rows)


def test_begins_with_one(manifest):
    number = next_number(None, None, manifest)

    assert number.number == "1.0.0"
    assert number.explanation == "first: the problem's first model"


def test_raises_the_patch_for_the_same_design_on_other_rows(manifest):
    number = next_number(manifest, "2.3.4", manifest)

    assert number.number == "2.3.5"
    assert number.explanation == "patch: the same design, fitted again"


@pytest.mark.parametrize(
    ("section", "values", "reason"),
    [
        ("signature", {"features": {"product": "text"}}, "features gone: days, narrative"),
        (
            "signature",
            {"features": {"product": "number", "days": "number", "narrative": "text"}},
            "features retyped: product",
        ),
        ("signature", {"target": "timely"}, "target was consumer_disputed, is timely"),
        ("signature", {"kind": "regression"}, "kind was binary, is regression"),
    ],
)
def test_raises_the_major_when_input_or_output_changes(section, values, reason, manifest):
    number = next_number(manifest, "1.2.3", _with(manifest, section, **values))

    assert number.number == "2.0.0"
    assert reason in number.reasons


@pytest.mark.parametrize(
    ("section", "values", "reason"),
    [
        ("algorithm", {"estimator": "sgd"}, "algorithm was logistic, is sgd"),
        ("algorithm", {"hyperparameters_hash": "h2"}, "hyperparameters changed"),
        ("code", {"features": "other"}, "code of features changed"),
        ("data", {"rows": {"train": 1300}}, "training rows grew by 30%"),
    ],
)
def test_raises_the_minor_when_the_design_changes(section, values, reason, manifest):
    number = next_number(manifest, "1.2.3", _with(manifest, section, **values))

    assert number.number == "1.3.0"
    assert reason in number.reasons


def test_raises_the_minor_when_the_kpi_jumps(manifest):
    better = manifest.model_copy(update={"metrics": {"validation": {"roc_auc": 0.75}}})

    number = next_number(manifest, "1.0.0", better)

    assert number.explanation == "minor: the KPI moved by +7%"


def test_raises_the_major_when_much_more_data_brings_a_leap(manifest):
    leap = manifest.model_copy(
        update={"data": _data({"train": 2000}), "metrics": {"validation": {"roc_auc": 0.8}}}
    )

    number = next_number(manifest, "1.0.0", leap)

    assert number.explanation == ("major: training rows grew by 100% and the KPI gained 14%")


def test_needs_both_for_that(manifest):
    more = manifest.model_copy(update={"data": _data({"train": 2000})})

    assert next_number(manifest, "1.0.0", more).number == "1.1.0"
