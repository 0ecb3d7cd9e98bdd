from dataclasses import replace

import pytest
from loans import LOANS

from ml_assets.errors import ProblemError
from ml_assets.problem.declaration import RESERVED
from ml_assets.serving.app import routes
from ml_assets.serving.service import Service


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_refuses_a_name_that_the_service_has_for_itself(name):
    with pytest.raises(
        ProblemError, match=f"cannot be called '{name}': the prediction service"
    ):
        replace(LOANS, name=name)


@pytest.mark.parametrize("name", ["", "Loans", "1loan", "loan-s", "loans/2", "l" * 51])
def test_refuses_what_is_no_name(name):
    with pytest.raises(ProblemError, match="lower-case letters"):
        replace(LOANS, name=name)


def test_reserves_every_path_that_the_service_has_beside_the_problems():
    service = Service(
        deployments=None,
        answers=None,
        said=None,
        clock=None,
        limits=None,
        telemetry=None,
        shared=None,
    )

    first = {route.path.split("/")[1].removesuffix(".json") for route in routes(service)}

    assert first - {"", "{problem}"} == RESERVED
