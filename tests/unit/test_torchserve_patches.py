"""The patches of TorchServe's worker, applied to TorchServe's own code."""

import logging
import socket
import struct
from typing import Any

import pytest
from ts.context import Context
from ts.metrics.metric_cache_yaml_impl import MetricsCacheYamlImpl
from ts.protocol import otf_message_handler

from torchserve_patches import buffer_socket_reads, drop_batch_log_lines


@pytest.fixture(autouse=True)
def unpatched_torchserve(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo the patches after each test, and filters of an earlier handler before it."""
    monkeypatch.setattr(
        otf_message_handler, "_retrieve_buffer", otf_message_handler._retrieve_buffer
    )
    for name in (None, "ts.metrics.caching_metric"):
        monkeypatch.setattr(logging.getLogger(name), "filters", [])


class Counting(socket.socket):
    """A socket that counts its system calls."""

    calls = 0

    def recv(self, *arguments: Any) -> bytes:
        self.calls += 1
        return super().recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self.calls += 1
        return super().recv_into(*arguments)


def field(value: bytes) -> bytes:
    return struct.pack("!i", len(value)) + value


def batch(bodies: list[bytes]) -> bytes:
    """A batch as the frontend sends it."""
    end = struct.pack("!i", -1)
    header = field(b"content-type") + field(b"text/plain")
    requests = [
        field(b"id-%d" % number) + header + end + field(b"body") + field(b"") + field(body) + end
        for number, body in enumerate(bodies)
    ]
    return b"I" + b"".join(requests) + end


def test_consecutive_batches_are_read_through_a_buffer() -> None:
    ours, theirs = socket.socketpair()
    with Counting(fileno=ours.detach()) as connection, theirs:
        buffer_socket_reads()
        for bodies in ([b"one", b"two" * 40_000], [b"three"] * 50):
            theirs.settimeout(0)  # the socket holds all of it, or the test fails
            theirs.sendall(batch(bodies))
            command, requests = otf_message_handler.retrieve_msg(connection)
            assert command == b"I"
            assert [request["parameters"][0]["value"] for request in requests] == bodies
            assert requests[0]["headers"] == [{"name": b"content-type", "value": b"text/plain"}]
        assert connection.calls < 10


def test_a_worker_ends_when_the_frontend_has_gone() -> None:
    ours, theirs = socket.socketpair()
    buffer_socket_reads()
    with ours:
        theirs.close()
        with pytest.raises(SystemExit):
            otf_message_handler.retrieve_msg(ours)


def test_a_worker_ends_when_the_frontend_goes_within_a_message() -> None:
    ours, theirs = socket.socketpair()
    buffer_socket_reads()
    with ours:
        theirs.sendall(batch([b"one"])[:20])
        theirs.close()
        with pytest.raises(SystemExit):
            otf_message_handler.retrieve_msg(ours)


# TorchServe does not close metrics.yaml.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_log_lines_of_each_batch_are_dropped_except_counters(
    caplog: pytest.LogCaptureFixture,
) -> None:
    metrics = MetricsCacheYamlImpl("metrics.yaml")
    metrics.initialize_cache()
    context = Context("sentiment", "", {}, 1, None, "", metrics=metrics)
    context.metrics.model_name, context.metrics.request_ids = "sentiment", {0: "id-0", 1: "id-1"}

    def log_lines() -> list[str]:
        caplog.clear()
        logging.info("Backend received inference at: %d", 1)
        metrics.add_time("PredictionTime", 20.0)
        metrics.add_counter("sentiment_batches_total", 1, idx=0)
        logging.info("Frontend disconnected.")
        return [record.getMessage().split(".")[0].split(":")[0] for record in caplog.records]

    caplog.set_level(logging.INFO)
    batch_lines = ["Backend received inference at", "[METRICS]PredictionTime"]
    rest = ["[METRICS]sentiment_batches_total", "Frontend disconnected"]
    assert log_lines() == batch_lines + rest
    drop_batch_log_lines()
    assert log_lines() == rest


def test_patching_twice_changes_nothing() -> None:
    buffer_socket_reads()
    drop_batch_log_lines()
    patched, filters = otf_message_handler._retrieve_buffer, list(logging.getLogger().filters)
    buffer_socket_reads()
    drop_batch_log_lines()
    assert otf_message_handler._retrieve_buffer is patched
    assert logging.getLogger().filters == filters
