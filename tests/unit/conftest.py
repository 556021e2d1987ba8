"""The client under test, once of each kind, and retries that do not take their time."""

from collections.abc import Iterator

import pytest

from tests.clients import KINDS, fast_pauses
from tests.unit.client_cases import Case


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.fixture(params=KINDS[:2])
def http_case(request: pytest.FixtureRequest) -> Case:
    """The clients of REST, for what gRPC has no place for."""
    return Case(request.param)


@pytest.fixture
def pauses() -> Iterator[list[float]]:
    with fast_pauses() as pauses:
        yield pauses
