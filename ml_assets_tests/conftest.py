"""What tests of every room share; among it a Postgres of our own, to see the real one."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from ml_assets.storage import Home

SERVER_USERS = ("postgres", "nobody")
"""Postgres refuses to run as root; root starts it as the first of these that exists."""


def pytest_configure():
    """Started in the background of a script, Python ignores Ctrl-C, and Dagster then SIGTERM too."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Files with slow tests first: at the end no process is left alone with one of them."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def now():
    return datetime(2026, 11, 20, 8, tzinfo=UTC)


@pytest.fixture
def home(tmp_path):
    return Home.open(tmp_path, environment={})


@pytest.fixture(scope="session")
def postgres_server():
    """URL of a private cluster, without a database; skips where Postgres is not installed."""
    programs = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))), None)
    programs = programs.parent if programs else None
    if programs is None:
        pytest.skip("Postgres is not installed: no /usr/lib/postgresql/*/bin/initdb")
    user = _server_user()
    folder = Path(tempfile.mkdtemp(prefix="ml_assets_pg_", dir="/tmp"))
    shutil.chown(folder, user)
    _run(
        programs / "initdb",
        "-D",
        folder / "data",
        "-U",
        "tests",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-sync",
        user=user,
    )
    server = subprocess.Popen(
        [
            programs / "postgres",
            "-D",
            folder / "data",
            "-k",
            folder,
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ],
        user=user,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_ready(programs, folder, user)
        yield f"postgresql+psycopg://tests@/{{database}}?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres_server):
    """URL of an empty database of its own."""
    database = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(
        postgres_server.format(database="postgres"),
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(f"create database {database}")
    return postgres_server.format(database=database)


def _server_user():
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in SERVER_USERS if user in known)


def _run(*command, user):
    subprocess.run([*map(str, command)], user=user, check=True, capture_output=True, cwd="/")


def _wait_until_ready(programs, folder, user):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            return _run(programs / "pg_isready", "-h", folder, "-q", user=user)
        except subprocess.CalledProcessError:
            time.sleep(0.05)
    pytest.fail("Postgres did not start within 30 seconds")
