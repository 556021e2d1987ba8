"""`sentiment score --ray`, with the engine of the real archive: alone, and on two nodes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest

from sentiment_client.cli import main
from tests.integration.test_datasets import TEXTS, wait_for
from tests.integration.texts import TEXTS as FILMS

# Two nodes, each with its folder, until stdin ends; a line on stdin kills the second.
NODES = """
import sys
from ray.cluster_utils import Cluster

def node(folder):
    return {
        "node_ip_address": "127.0.0.1",
        "num_cpus": 1,
        "object_store_memory": 400_000_000,
        "env_vars": {"TMPDIR": folder},
    }

cluster = Cluster(
    initialize_head=True,
    head_node_args={**node(sys.argv[1]), "include_dashboard": False},
)
second = cluster.add_node(**node(sys.argv[2]))
print(cluster.address, flush=True)
if sys.stdin.readline():
    cluster.remove_node(second, allow_graceful=False)
    sys.stdin.read()
cluster.shutdown()
"""
# The command with small parts, so that a kill soon has something to continue.
COMMAND = """
import sys
from sentiment_client.cli import main
from sentiment_client.datasets import score
score.ROWS_PER_PART = 256
sys.exit(main())
"""


@dataclass(frozen=True)
class Nodes:
    """A cluster; `first` and `second` are the temporary folders of its nodes."""

    process: "subprocess.Popen[str]"
    address: str
    first: Path
    second: Path

    def kill_second(self) -> None:
        assert self.process.stdin
        print(file=self.process.stdin, flush=True)


@pytest.fixture
def nodes(work: Path) -> Iterator[Nodes]:
    first, second = work / "1", work / "2"
    for folder in (first, second):
        folder.mkdir()
    (first / "ray_bootstrap_config.yaml").write_text("provider: {type: local}\n")
    # When a cluster starts, Ray reports to its authors even that usage statistics are off. Nobody
    # listens on this port, so the report gets no further.
    environment = os.environ | {
        "HOME": str(first),
        "TMPDIR": str(first),
        "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9",
        "RAY_health_check_period_ms": "500",
        "RAY_health_check_failure_threshold": "4",
    }
    command = [sys.executable, "-c", NODES, str(first), str(second)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout
        try:
            address = process.stdout.readline().strip()
            assert address
            yield Nodes(process, address, first, second)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(60)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "in.jsonl"
    texts = [*TEXTS[:4], "bad \ud800", None, *(f"{FILMS[i % 10]} Take {i}." for i in range(1_500))]
    rows = [{"id": i, "text": text} for i, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def expected(source: Path, archive: Path) -> Path:
    """What the local engine writes."""
    path = source.with_name("local.parquet")
    assert main(command(source, path, archive, "--engine", "local", "--processes", "1")) == 1
    return path


def command(source: Path, target: Path, archive: Path, *engine: str) -> list[str]:
    files = [str(source), "--output", str(target), "--archive", str(archive)]
    return ["score", *files, *engine]


def assert_same(found: Path, expected: Path) -> None:
    """Both have the same files, but for a change of scores by other texts in a batch."""
    for end in (".parquet", ".failed.parquet"):
        tables = [pq.read_table(path.with_suffix(end)) for path in (found, expected)]
        assert tables[0].schema == tables[1].schema
        rows, others = (table.to_pylist() for table in tables)
        for row, other in zip(rows, others, strict=True):
            scores = [name for name in row if "score" in name]
            assert [row.pop(name) for name in scores] == pytest.approx(
                [other.pop(name) for name in scores], abs=0.01
            )
            assert row == other


def test_a_cluster_that_loses_a_node_writes_what_the_local_engine_writes(
    source: Path, expected: Path, nodes: Nodes, archive: Path, tmp_path: Path
) -> None:
    """Also where the command is killed and continued."""
    target = tmp_path / "out.parquet"
    run = [sys.executable, "-c", COMMAND]
    run += command(source, target, archive, "--ray", nodes.address, "--json")
    with subprocess.Popen(run) as killed:
        wait_for(lambda: list(tmp_path.glob("out.parquet.parts/*.parquet")))
        killed.kill()
    of_killed = archives(nodes.first) | archives(nodes.second)
    with subprocess.Popen(
        run, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for(lambda: archives(nodes.second) - of_killed)  # an actor has rows
        nodes.kill_second()
        out, err = process.communicate()
    assert process.returncode == 1
    assert "continuing after the" in err
    assert err.count("\n") == 1  # Ray prints nothing
    assert json.loads(out)["failed"] == 4
    assert archives(nodes.first) <= of_killed
    assert_same(target, expected)


def archives(node: Path) -> set[str]:
    """The names of the folders with an archive that this node has."""
    return {path.name for path in node.glob("sentiment-*")}


def test_ray_of_our_own_listens_on_loopback_and_leaves_nothing(
    archive: Path, tmp_path: Path, work: Path
) -> None:
    source, target = tmp_path / "in.txt", tmp_path / "out.parquet"
    source.write_text("A good film.\n" * 300)
    run = [sys.executable, "-m", "sentiment_client"]
    run += command(source, target, archive, "--ray", "--processes", "1")
    with subprocess.Popen(run, env=os.environ | {"TMPDIR": str(work)}) as process:
        wait_for(lambda: list(work.glob("ray-*/sentiment-*")))  # an actor has rows
        processes = psutil.Process(process.pid).children(recursive=True)
        addresses = {
            connection.laddr.ip
            for child in processes
            for connection in connections(child)
            if connection.status == psutil.CONN_LISTEN
        }
    assert process.returncode == 0
    assert addresses
    assert {address.removeprefix("::ffff:") for address in addresses} <= {"127.0.0.1", "::1"}
    assert not psutil.wait_procs(processes, 30)[1]
    assert list(work.iterdir()) == []
    assert pq.read_metadata(target).num_rows == 300


def connections(process: psutil.Process) -> Any:
    try:
        return process.connections("inet")
    except psutil.NoSuchProcess:
        return []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["in.txt", "--ray", "127.0.0.1:9"], "No Ray answers at '127.0.0.1:9'"),
        (["in.txt", "--ray", "ray://127.0.0.1:9"], "does not work with ray://"),
        (["in.txt", "--ray", "--processes", "0"], "--processes is at least 1"),
        (["-", "--format", "lines", "--ray"], "name a file, not a pipe"),
    ],
)
def test_what_ray_cannot_do_is_a_sentence(
    archive: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    (tmp_path / "in.txt").write_text("good\n")
    run = [sys.executable, "-m", "sentiment_client", "score", *arguments]
    run += ["--output", "out.csv", "--archive", str(archive)]
    done = subprocess.run(
        run, cwd=tmp_path, input="good\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("sentiment: ")
    assert done.stderr.count("\n") == 1
    assert sentence in done.stderr
