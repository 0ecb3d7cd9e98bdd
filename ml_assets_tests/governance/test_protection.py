from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hiring import GIVEN_AWAY, PROXIES, WITHHELD, draw_people, people
from loans import LOANS, NOW, draw, features, learned_from

from ml_assets.errors import ProtectedFeature
from ml_assets.features import contract_frame
from ml_assets.governance import (
    check_protection,
    inputs_of_features,
    newest_protection,
    require_protection,
)
from ml_assets.registry import ensure_model


def prepared(problem, home, *, rows=1_500):
    drawn = draw_people(rows, np.random.default_rng(0))
    return learned_from(problem, home, drawn)


@pytest.fixture(scope="module")
def rows():
    drawn = pa.Table.from_pandas(draw(200, np.random.default_rng(0)), preserve_index=False)
    return contract_frame(LOANS, drawn)


class TestPlantedProxies:
    def test_are_flagged_with_their_strength(self, home):
        found = check_protection(GIVEN_AWAY, home, prepared(GIVEN_AWAY, home))

        (search,) = found.searches
        strength = {one.name: one.auc for one in search.features}
        assert search.attribute == "gender"
        assert strength["first_name"] > 0.99
        assert 0.85 < strength["zip_code"] < 0.95
        assert strength["purpose"] < 0.6
        assert not found.passed

    def test_keep_a_model_from_being_fitted(self, home):
        prepared(GIVEN_AWAY, home)

        with pytest.raises(ProtectedFeature, match=r"gender .: .* first_name 1.00, zip_code"):
            ensure_model(GIVEN_AWAY, home, now=NOW, run_id="run")

        assert newest_protection(GIVEN_AWAY, home).passed is False

    def test_pass_once_they_are_withheld_and_the_audit_still_sees_them(self, home):
        prepared(WITHHELD, home)

        version = ensure_model(WITHHELD, home, now=NOW, run_id="run")

        kept = newest_protection(WITHHELD, home)
        assert not {"first_name", "zip_code"} & version.manifest.signature.features.keys()
        assert kept.passed
        assert {one.name for one in kept.searches[0].withheld} >= {"first_name", "zip_code"}
        assert kept.searches[0].withheld[0].auc > 0.99

    def test_are_only_told_where_the_policy_says_so(self, home):
        warned = people(
            encoders=PROXIES, protected=["gender"], fairness={"proxies": {"action": "warn"}}
        )

        found = check_protection(warned, home, prepared(warned, home))

        assert found.passed
        assert "first_name" in found.warnings[0]

    def test_may_tell_as_much_as_the_limit_allows(self, home):
        lenient = people(
            encoders={"zip_code": PROXIES["zip_code"]},
            protected=["gender"],
            fairness={"proxies": {"limit": 0.95}},
        )

        assert check_protection(lenient, home, prepared(lenient, home)).passed


class TestDirectInputs:
    def test_of_a_protected_name_are_refused(self, home):
        problem = people(
            encoders=PROXIES, fairness={"proxies": {"action": "warn"}}, proxies=["district"]
        )
        named = replace(
            problem,
            features=lambda loans: features(loans).assign(
                is_male=loans["first_name"] == "Alan"
            ),
            config=people(encoders={"is_male": {"kind": "pass"}}).config,
        )

        with pytest.raises(
            ProtectedFeature, match="reads the feature is_male, and its name speaks"
        ):
            require_protection(named, home, prepared(named, home), now=NOW, run_id="run")

    @pytest.mark.parametrize(
        ("beside", "columns"),
        [
            (lambda loans: loans["amount_usd"].cumsum(), ("amount_usd",)),
            (lambda loans: loans["amount_usd"].shift(1), ("amount_usd",)),
            (lambda loans: loans["purpose"].rank(method="first"), ("purpose",)),
            (lambda loans: loans["purpose"].duplicated(), ("purpose",)),
            (lambda loans: loans["amount_usd"] / loans["amount_usd"].mean(), ("amount_usd",)),
        ],
        ids=["sums", "neighbours", "ranks", "repetitions", "means"],
    )
    def test_are_those_of_a_feature_alone_also_where_it_looks_at_other_rows(
        self, beside, columns, rows
    ):
        def looking_around(loans):
            return features(loans).assign(beside=beside(loans))

        looking = replace(LOANS, features=looking_around)

        assert inputs_of_features(looking, rows)["beside"] == columns

    def test_are_none_of_no_rows(self, rows):
        assert set(inputs_of_features(LOANS, rows.head(0)).values()) == {()}

    def test_are_found_by_what_changes_a_feature(self, home):
        found = check_protection(WITHHELD, home, prepared(WITHHELD, home))

        assert found.inputs["amount_to_income"] == ("amount_usd", "income_usd")
        assert found.inputs["purpose"] == ("purpose",)
        assert not {column for columns in found.inputs.values() for column in columns} & {
            "gender",
            "first_name",
        }

    def test_of_no_protected_column_need_no_search(self, home):
        nobody = replace(
            LOANS, config=people(fairness={"not_protected": {"gender": "of nouns"}}).config
        )
        training_set = learned_from(nobody, home, draw(800, np.random.default_rng(0)))

        found = check_protection(nobody, home, training_set)

        assert (found.protected, found.searches, found.passed) == ({}, (), True)
