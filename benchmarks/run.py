"""The rounds: each server once a round, one after another, so that a slow minute hits them all."""

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

from benchmarks import label_check as guard
from benchmarks.load.loads import Load
from benchmarks.results import Measurement, Results
from benchmarks.servers import BY_NAME, LIMIT, Server
from benchmarks.targets import Loop, Subject, Web, same_for_the_loop
from scripts.failure import Failure
from scripts.paths import ROOT

# Of these many texts, those are asked on which the reference is sure.
CANDIDATES = 24


class Run:
    """Measures what `results` says and does not have yet, and keeps it at `path`."""

    def __init__(
        self,
        results: Results,
        corpora: Mapping[str, Sequence[str]],
        path: Path,
        archive: Path,
        warm_seconds: int,
    ) -> None:
        self._results = results
        self._corpora = corpora
        self._path = path
        self._archive = archive
        self._warm_seconds = warm_seconds

    def go(self) -> None:
        """All rounds; raises Failure where nothing can be measured at all."""
        results = self._results
        cells = len(results.loads) * len(results.servers) * results.rounds
        with tempfile.TemporaryDirectory(prefix="bench-") as temp:
            folder = Path(temp)
            self._unpacked = folder / "archive"
            with zipfile.ZipFile(self._archive) as content:
                content.extractall(self._unpacked)
            self._expected = self._reference()
            bar: tqdm[Any]
            with tqdm(total=cells, unit="load", initial=len(results.measurements)) as bar:
                for number in range(1, results.rounds + 1):
                    for name in results.servers:
                        self._measure(BY_NAME[name], number, folder / name, bar)

    def _measure(self, server: Server, number: int, folder: Path, bar: "tqdm[Any]") -> None:
        """One server in one round. What is wrong with it is kept, and the others go on."""
        results = self._results
        loads = [each for each in results.loads if not results.has(server.name, each, number)]
        if server.name in results.broken or not loads:
            return
        bar.set_description(f"round {number}, {server.name}: starting")
        # What others do on the machine spoils the figures, so the report has to say it.
        results.busiest = max(results.busiest, psutil.cpu_percent(interval=1.0))
        try:
            with contextlib.ExitStack() as started:
                subject = started.enter_context(self._started(server, folder))
                if server.name == LIMIT:
                    for same in same_for_the_loop(loads):
                        one = self._one(subject, same[0], number, server, bar)
                        self._keep([dataclasses.replace(one, load=each.key) for each in same], bar)
                    return
                saturated: set[str] = set()
                for load in loads:
                    if load.rate and load.corpus in saturated:
                        given_up = Measurement(server.name, load.key, number, 0, saturated=True)
                        self._keep([given_up], bar)
                        continue
                    measured = self._one(subject, load, number, server, bar)
                    self._keep([measured], bar)
                    if measured.saturated:
                        saturated.add(load.corpus)
                    if load is not loads[-1] and not subject.idle():
                        started.close()
                        subject = started.enter_context(self._started(server, folder))
        except Failure as failure:
            results.broken[server.name] = str(failure)
            results.write(self._path)
            tqdm.write(f"{server.name} is broken: {failure}\n{failure.log}", file=sys.stderr)

    def _one(
        self, subject: Subject, load: Load, number: int, server: Server, bar: "tqdm[Any]"
    ) -> Measurement:
        bar.set_description(f"round {number}, {server.name}: {load}")
        speed = self._results.speed(server.name, load.corpus)
        return subject.measure(load, self._corpora[load.corpus], number, speed)

    def _keep(self, measured: Sequence[Measurement], bar: "tqdm[Any]") -> None:
        self._results.add(measured, self._path)
        bar.update(len(measured))

    @contextlib.contextmanager
    def _started(self, server: Server, folder: Path) -> Iterator[Subject]:
        """Start it in an empty folder, hold its labels against the model's, and warm it up."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        kind = Loop if server.name == LIMIT else Web
        subject = kind(server, folder, self._archive, self._unpacked)
        try:
            labels = sorted(set(self._labels))
            guard.check(subject.labels(list(self._expected), labels), list(self._expected.values()))
            if isinstance(subject, Web):
                subject.warm_up(next(iter(self._corpora.values())), self._warm_seconds)
            if isinstance(subject, Loop):
                self._results.about["engine"] = subject.engine()
            yield subject
        finally:
            subject.stop()

    def _reference(self) -> dict[str, str]:
        """Text -> the model's label, by a process of its own: it holds a model."""
        texts = list(next(iter(self._corpora.values()))[:CANDIDATES])
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.peers.reference"],
            cwd=ROOT,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
            input=json.dumps(texts),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Failure("The reference model cannot be loaded.", done.stderr)
        config = json.loads((ROOT / "model" / "config.json").read_text(encoding="utf-8"))
        self._labels = list(config["id2label"].values())
        return guard.choose(texts, json.loads(done.stdout))
