import numpy as np
import pandas as pd
import pytest

from ml_assets.governance.proxies import search_proxies


@pytest.fixture
def gender(rng):
    return pd.Series(rng.choice(["f", "m"], 1_200))


def features_of(**columns):
    return pd.DataFrame(columns)


class TestSearch:
    def test_finds_chance_where_features_say_nothing(self, gender, rng):
        features = features_of(
            size=rng.normal(size=1_200), shop=rng.choice([f"s{n}" for n in range(200)], 1_200)
        )

        found = search_proxies("gender", gender, features, limit=0.8)

        assert not found.is_flagged
        assert found.together.low < 0.55
        assert all(one.low < 0.55 for one in found.features)

    def test_finds_a_category_that_stands_for_it(self, gender, rng):
        names = np.where(
            gender == "f", rng.choice(["Ada", "Emmy"], 1_200), rng.choice(["Alan"], 1_200)
        )
        features = features_of(name=names, size=rng.normal(size=1_200))

        found = search_proxies("gender", gender, features, limit=0.8)

        assert found.is_flagged
        assert found.features[0].name == "name"
        assert found.features[0].auc > 0.99
        assert "alone: name 1.00" in found.sentence

    def test_finds_a_number_that_stands_for_it_also_where_that_is_no_straight_line(
        self, gender, rng
    ):
        middle = np.where(gender == "f", rng.normal(0, 0.3, 1_200), rng.choice([-3, 3], 1_200))
        features = features_of(shift=middle + rng.normal(size=1_200) / 10)

        assert search_proxies("gender", gender, features, limit=0.8).is_flagged

    def test_finds_words_that_give_it_away(self, gender, rng):
        other = [" ".join(rng.choice(["late", "fee", "bank", "call"], 5)) for _ in range(1_200)]
        said = [
            f"{words} {number} my {'wife' if who == 'm' else 'husband'} said"
            for number, (words, who) in enumerate(zip(other, gender, strict=True))
        ]

        found = search_proxies("gender", gender, features_of(story=said), limit=0.8)

        assert found.features[0].auc > 0.95

    def test_finds_what_only_several_features_tell_together(self, rng):
        parts = {f"hint{n}": rng.normal(size=1_200) for n in range(12)}
        age = pd.Series(np.where(sum(parts.values()) > 0, "old", "young"))

        found = search_proxies("age", age, features_of(**parts), limit=0.8)

        assert found.is_flagged
        assert found.features[0].auc < 0.8 < found.together.auc

    def test_cuts_an_attribute_that_is_a_number(self, rng):
        age = pd.Series(rng.integers(18, 90, 1_200))

        found = search_proxies("age", age, features_of(born=2020 - age), limit=0.8)

        assert found.is_flagged

    def test_does_not_judge_values_with_few_rows(self, gender, rng):
        gender = gender.where(np.arange(1_200) >= 10, "x")

        found = search_proxies("gender", gender, features_of(a=rng.random(1_200)), limit=0.8)

        assert found.not_judged == ("x",)

    def test_says_so_where_nothing_can_be_judged(self, rng):
        few = pd.Series(["f", "m"] * 10)

        found = search_proxies("gender", few, features_of(a=rng.random(20)), limit=0.8)

        assert (found.together, found.is_flagged) == (None, False)
        assert "not judged" in found.sentence

    def test_shows_what_withheld_columns_would_have_told(self, gender, rng):
        zips = pd.DataFrame({"zip_code": np.where(gender == "f", "94001", "94002")})

        found = search_proxies(
            "gender", gender, features_of(a=rng.random(1_200)), limit=0.8, withheld=zips
        )

        assert not found.is_flagged
        assert (found.withheld[0].name, found.withheld[0].auc) == ("zip_code", 1.0)
