"""A run: one server after another in every round, so that slow minutes affect all of them."""

import contextlib
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
from tqdm import tqdm

from benchmarks import label_check
from benchmarks.load.loads import Load
from benchmarks.results import Measurement, Results
from benchmarks.servers import BY_NAME, LIMIT, Server
from benchmarks.targets import HttpTarget, InProcessTarget, LoadTarget, by_call
from scripts.failure import Failure
from scripts.paths import MODEL, ROOT

# Candidates for the label check; only those on which the model is confident are used.
CANDIDATES = 24


class Run:
    """Takes the planned measurements that `results` lacks, and writes them to `path`."""

    def __init__(
        self,
        results: Results,
        corpora: Mapping[str, Sequence[str]],
        path: Path,
        archive: Path,
        warm_up_seconds: int,
    ) -> None:
        self._results = results
        self._corpora = corpora
        self._path = path
        self._archive = archive
        self._warm_up_seconds = warm_up_seconds

    def measure_all(self) -> None:
        """Measure all rounds; raises Failure if the model itself cannot be loaded."""
        results = self._results
        total = len(results.loads) * len(results.servers) * results.rounds
        with tempfile.TemporaryDirectory(prefix="bench-") as temp:
            folder = Path(temp)
            self._unpacked = folder / "archive"
            with zipfile.ZipFile(self._archive) as content:
                content.extractall(self._unpacked)
            self._expected = self._reference()
            bar: tqdm[Any]
            with tqdm(total=total, unit="load", initial=len(results.measurements)) as bar:
                for number in range(1, results.rounds + 1):
                    for name in results.servers:
                        self._measure(BY_NAME[name], number, folder / name, bar)

    def _measure(self, server: Server, number: int, folder: Path, bar: "tqdm[Any]") -> None:
        """Measure one server in one round; a failure is recorded and does not stop the run."""
        results = self._results
        loads = [load for load in results.loads if not results.has(server.name, load, number)]
        if server.name in results.broken or not loads:
            return
        bar.set_description(f"round {number}, {server.name}: starting")
        # Other programs distort the figures, so the report says how busy the machine was.
        results.busiest = max(results.busiest, psutil.cpu_percent(interval=1.0))
        try:
            with contextlib.ExitStack() as stack:
                target = stack.enter_context(self._started(server, folder))
                if server.name == LIMIT:
                    for group in by_call(loads):
                        one = self._measure_load(target, group[0], number, server, bar)
                        same = [dataclasses.replace(one, load=load.key) for load in group]
                        self._keep(same, bar)
                    return
                saturated: set[str] = set()
                for load in loads:
                    if load.rate and load.corpus in saturated:
                        skipped = Measurement(server.name, load.key, number, 0, saturated=True)
                        self._keep([skipped], bar)
                        continue
                    measurement = self._measure_load(target, load, number, server, bar)
                    self._keep([measurement], bar)
                    if measurement.saturated:
                        saturated.add(load.corpus)
                    if load is not loads[-1] and not target.idle():
                        stack.close()
                        target = stack.enter_context(self._started(server, folder))
        except Failure as failure:
            results.broken[server.name] = str(failure)
            results.write(self._path)
            tqdm.write(f"{server.name} is broken: {failure}\n{failure.log}", file=sys.stderr)

    def _measure_load(
        self, target: LoadTarget, load: Load, number: int, server: Server, bar: "tqdm[Any]"
    ) -> Measurement:
        bar.set_description(f"round {number}, {server.name}: {load}")
        speed = self._results.speed(server.name, load.corpus)
        return target.measure(load, self._corpora[load.corpus], number, speed)

    def _keep(self, measurements: Sequence[Measurement], bar: "tqdm[Any]") -> None:
        self._results.add(measurements, self._path)
        bar.update(len(measurements))

    @contextlib.contextmanager
    def _started(self, server: Server, folder: Path) -> Iterator[LoadTarget]:
        """Start a server in an empty folder, check its labels, and warm it up."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        kind = InProcessTarget if server.name == LIMIT else HttpTarget
        target = kind(server, folder, self._archive, self._unpacked)
        try:
            labels = target.labels(list(self._expected), sorted(set(self._labels)))
            label_check.check(labels, list(self._expected.values()))
            if isinstance(target, HttpTarget):
                target.warm_up(next(iter(self._corpora.values())), self._warm_up_seconds)
            if isinstance(target, InProcessTarget):
                self._results.about["engine"] = target.engine()
            yield target
        finally:
            target.stop()

    def _reference(self) -> dict[str, str]:
        """Return text -> the model's label, from a separate process, which frees its memory."""
        texts = list(next(iter(self._corpora.values()))[:CANDIDATES])
        process = subprocess.run(
            [sys.executable, "-m", "benchmarks.peers.reference"],
            cwd=ROOT,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            check=False,
        )
        if process.returncode:
            raise Failure("The reference model cannot be loaded.", process.stderr)
        config = json.loads((MODEL / "config.json").read_text(encoding="utf-8"))
        self._labels = list(config["id2label"].values())
        return label_check.choose(texts, json.loads(process.stdout))
