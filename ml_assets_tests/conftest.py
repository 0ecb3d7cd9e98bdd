from datetime import UTC, datetime

import numpy as np
import pytest

from ml_assets.storage import Home


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def now():
    return datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    return Home.open(tmp_path, environment={})
