"""RESULTS.md and its pictures, from what was measured.

python -m benchmarks.report.markdown [--results .run/benchmark/results.json] [--output benchmarks]
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load.loads import Load
from benchmarks.report import plots as pictures
from benchmarks.report.summary import Figures, figures, ratio
from benchmarks.results import Results
from benchmarks.servers import BASELINE, BY_NAME, LIMIT
from scripts.failure import Failure
from scripts.paths import ROOT

RESULTS = ROOT / ".run" / "benchmark" / "results.json"
OUTPUT = ROOT / "benchmarks"

# Per cent of the cores that may be in use when none of the servers runs.
QUIET = 10.0

NOTES = """\
- All servers run on the same machine as the load, one at a time. wrk has one thread, which takes
  its share of the cores: 9 has all of them to itself.
- 1 to 6 run the same fp32 checkpoint with PyTorch, which takes all cores by itself. 2 to 6 wait up
  to 10 ms for up to 32 requests. 7, 8 and 9 run the engine of the archive, with the configuration
  that ships.
- 3 cuts every text at 150 tokens, as TorchServe's example does: with reviews it has less to do
  than the others.
- 9 scores as many texts a call as a request has, one call after another; connections and rates
  are nothing to it, so its figures are the same in every table of a kind.
- A closed loop lasts longer where a server is slow or requests are large, six turns of all
  connections, or fifteen times as long as otherwise. What is under way at its end is not counted.
- "-" stands for too few answers: fewer than two a connection for texts/s, 20 for p95, 100 for p99.
- A closed loop sends less to a slow server; the open loop does not. There, latency counts from
  when a request was due by the schedule, which is the same for every server. "cannot keep up" is
  said of a server that in most rounds still owed answers three seconds after the last request
  was sent, and of every higher rate.
- Before it is measured, a server has to give the labels that the fp32 model gives.
- No text is sent twice within 2,048; where there are fewer, the repeated ones are numbered.
- Left out: BentoML. When this was written, its release 1.4.40 asked for a certifi that did not
  exist (2026.10.19 or newer), and 1.4.38 for OpenTelemetry packages that do not go with those
  pinned here. Ray Serve stands in its place.
"""


def main() -> int:
    """Read the arguments and write."""
    parser = argparse.ArgumentParser(description="Write RESULTS.md again.")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    args = parser.parse_args()
    try:
        print(f"Wrote {write(Results.read(args.results), args.output)}")
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def write(results: Results, output: Path) -> Path:
    """Write RESULTS.md and the pictures into a folder."""
    output.mkdir(parents=True, exist_ok=True)
    pictures.draw(results, output)
    path = output / "RESULTS.md"
    path.write_text(markdown(results), encoding="utf-8")
    return path


def markdown(results: Results) -> str:
    """The whole report."""
    return "\n".join(
        [
            *_head(results),
            *_glance(results),
            *_closed(results),
            *_open(results),
            "## Notes\n",
            NOTES + "".join(f"- {line}\n" for line in _remarks(results)),
        ]
    )


def _head(results: Results) -> Iterator[str]:
    about = results.about
    machine = about["machine"]
    rounds = "one round" if results.rounds == 1 else f"{results.rounds} interleaved rounds"
    yield "# Results\n"
    yield f"Made by `{about['command']}` on {about['date']}, medians of {rounds}; written by"
    yield "`python -m benchmarks.report.markdown`. Ratios are to 1a, the textbook service, and 9,"
    yield "the engine alone. Of texts/s more is better, of milliseconds less.\n"
    if about["quick"]:
        yield "**The quick form: it shows the order of the servers, not their exact distances.**\n"
    if results.busiest > QUIET:
        yield f"**Other programs used up to {results.busiest:.0f} % of the cores between the"
        yield "measurements: measure again on a quiet machine.**\n"
    yield "| machine | |"
    yield "|---|---|"
    yield f"| CPU | {machine['cpu']} |"
    yield f"| cores | {machine['cores']} |"
    yield f"| memory | {machine['memory']} |"
    yield f"| system | {machine['system']} |"
    yield f"| engine of 7, 8 and 9 | {about.get('engine', '-')} |"
    yield f"| load average before | {machine['load']:.2f} |"
    used = f"{results.busiest:.0f} % of the cores at most"
    yield f"| used by other programs before a start | {used} |"
    for name, version in machine["versions"].items():
        yield f"| {name} | {version} |"
    yield "\n| texts | source | number | mean tokens | median tokens |"
    yield "|---|---|--:|--:|--:|"
    for name, said in about["texts"].items():
        yield (
            f"| {name} | {about['source'][name]} | {said['texts']} | {said['mean']:.1f} "
            f"| {said['median']:.0f} |"
        )
    yield "\n![Throughput against concurrency](throughput.png)"
    yield "![Latency against rate](latency.png)\n"


def _glance(results: Results) -> Iterator[str]:
    """The first corpus with one text a request: a column for each number of connections."""
    closed = [load for load in results.loads if load.connections]
    loads = [
        load for load in closed if (load.corpus, load.texts) == (closed[0].corpus, closed[0].texts)
    ]
    if not loads:
        return
    yield "## At a glance\n"
    yield f"Texts/s of {loads[0].corpus} by the number of connections, one text a request; in"
    yield "brackets as a ratio to 1a and to 9.\n"
    yield "| | server | " + " | ".join(str(load.connections) for load in loads) + " |"
    yield "|---|---|" + "--:|" * len(loads)
    for name in results.servers:
        cells = [
            f"{_number(found.texts_per_second)} "
            f"({_ratios(results, load, found, 'texts_per_second').replace(' | ', ', ')})"
            if (found := figures(results, name, load))
            else ""
            for load in loads
        ]
        if any(cells):
            yield f"| {BY_NAME[name].number} | {_name(name)} | {' | '.join(cells)} |"
    yield ""


def _closed(results: Results) -> Iterator[str]:
    loads = [load for load in results.loads if load.connections]
    if loads:
        yield "## Closed loop\n"
        yield "Each connection sends its next request when it has its answer. Lowest and highest"
        yield "are of the rounds.\n"
    for load in loads:
        yield f"### {str(load).capitalize()}\n"
        ratios = "| x 1a | x 9 "
        yield (
            f"| | server | texts/s | lowest | highest {ratios}| p50 ms {ratios}| p95 ms {ratios}"
            f"| p99 ms {ratios}|"
        )
        yield "|---|---|" + "--:|" * 14
        for name, found in _rows(results, load):
            yield (
                f"{_title(name, found)} {_number(found.texts_per_second)} "
                f"| {_number(found.lowest)} | {_number(found.highest)} "
                f"| {_ratios(results, load, found, 'texts_per_second')} "
                f"| {_latencies(results, load, found)} |"
            )
        yield ""


def _open(results: Results) -> Iterator[str]:
    loads = [load for load in results.loads if load.rate]
    if loads:
        yield "## Open loop\n"
        yield "Requests of one text arrive at random, so many a second on average.\n"
    for load in loads:
        yield f"### {str(load).capitalize()}\n"
        ratios = "| x 1a | x 9 "
        yield f"| | server | p50 ms {ratios}| p95 ms {ratios}| p99 ms {ratios}|"
        yield "|---|---|" + "--:|" * 9
        for name, found in _rows(results, load):
            if found.saturated:
                yield f"{_title(name, found)} cannot keep up " + "| " * 8 + "|"
            else:
                yield f"{_title(name, found)} {_latencies(results, load, found)} |"
        yield ""


def _rows(results: Results, load: Load) -> Iterator[tuple[str, Figures]]:
    for name in results.servers:
        if found := figures(results, name, load):
            yield name, found


def _title(name: str, found: Figures) -> str:
    server = BY_NAME[name]
    errors = f" (**{found.errors} errors**)" if found.errors else ""
    return f"| {server.number} | {_name(name)}{errors} |"


def _name(name: str) -> str:
    title = BY_NAME[name].title
    return f"**{title}**" if name == "service" else title


def _latencies(results: Results, load: Load, found: Figures) -> str:
    return " | ".join(
        f"{_number(getattr(found, name))} | {_ratios(results, load, found, name)}"
        for name in ("p50", "p95", "p99")
    )


def _ratios(results: Results, load: Load, found: Figures, name: str) -> str:
    bases = [figures(results, base, load) for base in (BASELINE, LIMIT)]
    return " | ".join(
        _number(ratio(getattr(found, name), getattr(base, name) if base else None))
        for base in bases
    )


def _remarks(results: Results) -> Iterator[str]:
    for name, reason in results.broken.items():
        yield f"Broken, and not measured from then on: {BY_NAME[name].title}: {reason}."
    for name in BY_NAME.keys() - set(results.servers):
        yield f"Not asked for in this run: {BY_NAME[name].title}."


def _number(value: float | None) -> str:
    """Three digits that count; more would be noise."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
