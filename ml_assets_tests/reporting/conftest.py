import flats
import loans
import numpy as np
import pytest
from reported import FLATS, PEOPLE, VALUES, Reported, people_rows

from ml_assets.registry import champion
from ml_assets.storage import Home


@pytest.fixture(scope="session")
def home_of(tmp_path_factory):
    return lambda name: Home.open(tmp_path_factory.mktemp(name), environment={})


@pytest.fixture(scope="session")
def people(home_of):
    """Two versions: the second is measured against the first, which answers."""
    rng = np.random.default_rng(0)
    before, later = people_rows(1_200, rng, months=6), people_rows(2_000, rng)
    made = Reported(PEOPLE, home_of("people"), before, later)
    assert champion(made.problem, made.home) is not None
    return made


@pytest.fixture(scope="session")
def values(home_of):
    return Reported(VALUES, home_of("values"), loans.draw(1_200, np.random.default_rng(0)))


@pytest.fixture(scope="session")
def prices(home_of):
    rows = flats.draw(2_000, np.random.default_rng(0))
    return Reported(FLATS, home_of("prices"), rows, module=flats)


@pytest.fixture(params=["people", "values", "prices"])
def reported(request):
    """Each of them in turn."""
    return request.getfixturevalue(request.param)
