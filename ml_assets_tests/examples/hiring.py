"""Loans with people in them: gender is withheld, and first name and zip code give it away."""

from dataclasses import replace

import numpy as np
import pandera.pandas as pandera
from loans import CONFIG, LOANS, Loan, draw, features
from pandera.typing import Series

from ml_assets.problem import Config

NAMES = {
    "f": np.array(["Ada", "Grace", "Emmy", "Sofia", "Lise", "Rosa"]),
    "m": np.array(["Alan", "Carl", "Emil", "Karl", "Otto", "Paul"]),
}


class Application(Loan):
    """A loan, and who asks for it."""

    first_name: Series[str] = pandera.Field(metadata={"role": "input", "known_at": "applied"})
    zip_code: Series[str] = pandera.Field(metadata={"role": "input", "known_at": "applied"})


def draw_people(rows, rng, **how):
    """Applications of people; nine of ten women live in the first three zip codes."""
    df = draw(rows, rng, **how)
    is_f = df["gender"].to_numpy() == "f"
    names = np.where(is_f, rng.choice(NAMES["f"], rows), rng.choice(NAMES["m"], rows))
    is_near = np.where(rng.random(rows) < 0.9, is_f, ~is_f)
    zips = np.where(is_near, rng.integers(0, 3, rows), rng.integers(3, 6, rows))
    return df.assign(first_name=names, zip_code=np.char.mod("940%02d", zips))


def features_with_names(loans):
    """Those of loans, and the two proxies."""
    return features(loans).assign(first_name=loans["first_name"], zip_code=loans["zip_code"])


ENCODERS = CONFIG["training"]["encoders"]
PROXIES = {"first_name": {"kind": "one_hot"}, "zip_code": {"kind": "one_hot"}}


def people(*, encoders=None, of=features_with_names, **sections):
    """The problem with other values in its config.yaml."""
    training = CONFIG["training"] | {"encoders": ENCODERS | (encoders or {})}
    training["estimators"] = {"logistic": CONFIG["training"]["estimators"]["logistic"]}
    values = CONFIG | {"training": training} | sections
    return replace(
        LOANS,
        contract=Application,
        features=of,
        config=Config.from_values(values, where="the test"),
    )


GIVEN_AWAY = people(encoders=PROXIES, protected=["gender"])
"""Gender is protected; the features tell it all the same."""

WITHHELD = people(
    of=features, protected=["gender"], proxies=["first_name", "zip_code", "district"]
)
"""The proxies are withheld as well."""
