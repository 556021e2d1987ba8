"""The three clients have the same interface, and import no extra that is not used."""

import inspect
import subprocess
import sys
from collections.abc import Mapping

import pytest

from sentiment_client import AsyncSentimentClient, GrpcSentimentClient, SentimentClient

OTHERS = [AsyncSentimentClient, GrpcSentimentClient]


def parameters(function: object) -> Mapping[str, inspect.Parameter]:
    assert callable(function)
    return inspect.signature(function).parameters


@pytest.mark.parametrize("other", OTHERS)
def test_the_clients_have_the_same_names(other: type) -> None:
    def public(client: type) -> set[str]:
        return {name.replace("aclose", "close") for name in dir(client) if name[0] != "_"}

    assert public(other) == public(SentimentClient)
    for name in ("predict", "predict_many", "predict_stream"):
        ours, theirs = parameters(getattr(SentimentClient, name)), parameters(getattr(other, name))
        assert list(theirs) == list(ours)


@pytest.mark.parametrize("other", OTHERS)
def test_the_clients_take_the_same_options(other: type) -> None:
    ours, theirs = parameters(SentimentClient), parameters(other)
    assert list(theirs) == list(ours)
    differ = {name for name in ours if ours[name].default != theirs[name].default}
    assert differ <= {"address", "timeout"}
    assert all(theirs[name].kind is ours[name].kind for name in ours)


@pytest.mark.parametrize(
    ("name", "extra", "package"),
    [
        ("AsyncSentimentClient", "async", "httpx"),
        ("GrpcSentimentClient", "grpc", "grpc"),
        ("GrpcSentimentClient", "grpc", "google.protobuf"),
    ],
)
def test_a_missing_extra_is_named(name: str, extra: str, package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from sentiment_client import {name}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {name} needs {package}")
    assert last.endswith(f": pip install 'torchserve-sentiment[{extra}]'.")


def test_importing_everything_needs_no_extra() -> None:
    code = (
        "from sentiment_client import *; import sys;"
        "print(*{'httpx', 'grpc', 'google'} & set(sys.modules))"
    )
    run = [sys.executable, "-c", code]
    assert subprocess.run(run, capture_output=True, text=True, check=True).stdout == "\n"
