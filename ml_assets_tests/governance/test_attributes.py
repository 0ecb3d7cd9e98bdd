import pytest
from loans import LOANS, with_config

from ml_assets.governance.attributes import kind_named_by, protected_columns, protected_names


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("gender", "gender"),
        ("applicantSex", "gender"),
        ("ethnic_group", "ethnicity"),
        ("customer_race", "ethnicity"),
        ("dateOfBirth", "age"),
        ("AGE", "age"),
        ("age_years", "age"),
        ("health_conditions", "health"),
        ("Religion", "religion"),
        ("beliefs", None),
        ("message", None),
        ("mortgage", None),
        ("trace_id", None),
        ("Essex", None),
    ],
)
def test_knows_what_a_name_speaks_of(name, kind):
    assert kind_named_by(name) == kind


def test_lists_the_columns_of_the_contract_with_the_reason():
    assert protected_columns(LOANS) == {"gender": "its name speaks of gender"}


def test_takes_the_problems_own_as_well():
    problem = with_config(LOANS, fairness={})
    problem = problem.__class__(
        **{
            **vars(problem),
            "config": problem.config.model_copy(update={"protected": ["purpose"]}),
        }
    )

    assert protected_columns(problem)["purpose"] == "config.yaml lists it under protected"


def test_leaves_out_what_only_sounds_so():
    problem = with_config(LOANS, fairness={"not_protected": {"age": "of the house, in years"}})

    assert protected_names(problem, ["age", "sex"]) == {"sex": "its name speaks of gender"}
