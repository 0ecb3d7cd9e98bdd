"""The mappings that problems of this package bring can be used as they are."""

import datetime as dt
from pathlib import Path

import pytest

import ml_assets
from ml_assets.ingestion.mapping import Mapping, Rates, mappings_of, rules_of

FOLDERS = sorted((Path(ml_assets.__file__).parent / "problems").glob("*/sources"))
FILES = [path for folder in FOLDERS for path in sorted(folder.glob("*.yaml"))]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_mapping_loads_and_says_what_it_does(path):
    mapping = Mapping.from_file(path)

    assert mapping.source == path.stem
    assert mapping.origin
    assert mapping.terms
    assert {rule.column for rule in rules_of(mapping)} == set(mapping.columns)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_path_is_both_mapped_and_not(path):
    mapping = Mapping.from_file(path)

    mapped = {p for rules in mapping.columns.values() for rule in rules for p in rule.paths}
    assert mapped.isdisjoint(mapping.unmapped)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_there_is_a_rate_for_every_day_that_a_mapping_names(folder):
    rates = Rates.from_file(folder / "rates.csv")

    for mapping in mappings_of(folder).values():
        for rule in (rule for rules in mapping.columns.values() for rule in rules):
            for day in mapping.columns.get(rule.dated_by or "", []):
                if day.constant:
                    on = dt.date.fromisoformat(day.constant)
                    assert rates.rate(str(rule.currency), str(rule.to), on) is not None
