"""Fixtures: each kind of client, and retries with short pauses."""

from collections.abc import Iterator

import pytest

from tests.clients import KINDS, fast_pauses
from tests.unit.client_cases import Case


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


@pytest.fixture(params=KINDS[:2])
def http_case(request: pytest.FixtureRequest) -> Case:
    """Only the HTTP clients, for features that gRPC lacks."""
    return Case(request.param)


@pytest.fixture
def pauses() -> Iterator[list[float]]:
    with fast_pauses() as pauses:
        yield pauses
