"""The section `duplicates` of a config.yaml says what it means, or is refused."""

import pytest
from loans import CONFIG

from ml_assets.errors import ProblemError
from ml_assets.problem import Config

SECTION = {
    "source": "purpose",
    "blocking": [["story"]],
    "comparisons": {"story": {"kind": "text"}},
}


def config(**changed):
    return Config.from_values(CONFIG | {"duplicates": SECTION | changed}, where="the test")


def test_is_absent_unless_declared():
    assert Config.from_values(CONFIG, where="the test").duplicates is None


def test_comes_with_levels_for_every_kind():
    section = config(
        comparisons={"story": {"kind": "street"}, "where": {"kind": "place"}}
    ).duplicates

    assert section.compared("where") == ["latitude", "longitude"]
    assert section.comparisons["where"].widest == 150


def test_leaves_out_what_counts_elsewhere_only():
    later = {"kind": "number", "columns": ["amount_usd"], "only": "link"}
    section = config(
        blocking=[["story"], ["later"]],
        comparisons=SECTION["comparisons"] | {"later": later},
    ).duplicates

    assert set(section.used_to("merge").comparisons) == {"story"}
    assert section.used_to("merge").blocking == [["story"]]
    assert section.used_to("link") == section


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"blockin": []}, "duplicates.blockin: unknown key; did you mean 'blocking'"),
        ({"blocking": [["street"]]}, "street is no comparison; known are story"),
        (
            {"comparisons": {"story": {"kind": "text", "columns": ["a", "b"]}}},
            "comparisons.story: text reads 1 columns",
        ),
        (
            {
                "comparisons": {
                    "story": {"kind": "text", "levels": [{"within": 0, "m": 0.9, "u": 1.5}]}
                }
            },
            "less than 1",
        ),
        (
            {
                "comparisons": {
                    "story": {
                        "kind": "text",
                        "levels": [
                            {"within": 0.1, "m": 0.5, "u": 0.1},
                            {"within": 0.1, "m": 0.3, "u": 0.1},
                        ],
                    }
                }
            },
            "each must reach further than the one before",
        ),
        (
            {
                "comparisons": {
                    "story": {
                        "kind": "text",
                        "levels": [
                            {"within": 0, "m": 0.7, "u": 0.1},
                            {"within": 0.1, "m": 0.3, "u": 0.1},
                        ],
                    }
                }
            },
            "m must leave something",
        ),
        (
            {"comparisons": {"story": {"kind": "text", "only": "link"}}},
            "no line is left to merge by",
        ),
    ],
)
def test_refuses_what_cannot_be_meant(changed, message):
    with pytest.raises(ProblemError, match=message):
        config(**changed)
