"""Write RESULTS.md and its plots from the measurements of a run.

python -m benchmarks.report.markdown [--results .run/benchmark/results.json] [--output benchmarks]
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load.loads import Load
from benchmarks.report import plots
from benchmarks.report.summary import Summary, ratio, summarize
from benchmarks.results import Results
from benchmarks.servers import BASELINE, BY_NAME, LIMIT, SERVERS
from scripts.failure import reports_failures
from scripts.paths import ROOT

RESULTS = ROOT / ".run" / "benchmark" / "results.json"
OUTPUT = ROOT / "benchmarks"

# Above this CPU usage by other programs, in per cent, the report warns.
QUIET = 10.0

NOTES = """\
- All servers run on the same machine as the load, one at a time. wrk has one thread, which uses
  some of the CPU; 9 has all of it.
- 1 to 6c run the same fp32 checkpoint with PyTorch, on all cores; 6d and 6e run what ONNX Runtime
  makes of it in int8. 2 to 6e form batches of up to 32 requests or texts, and most of them wait up
  to 10 ms for more; BentoML and Infinity decide themselves how long. 7, 8 and 9 run the engine of
  the archive, with the configuration that ships.
- Inside a batch, 6c and 6d still score one text after another: MLServer takes 0, the id of BERT's
  pad token, for none, and Infinity calls the pipeline of `transformers` without a batch size.
- 3 truncates every text to 150 tokens, as TorchServe's example does, so it computes less than the
  others for reviews.
- 9 scores as many texts per call as there are per request, one call after another. Connections
  and rates do not apply to it, so its figures are the same in every table with as many texts per
  request.
- A closed loop is extended if a server is slow or requests are large: to six answers per
  connection, or to fifteen times its length at most. Requests in flight at its end are not
  counted.
- "-" means too few answers: fewer than two per connection for texts/s, 20 for p95, 100 for p99.
- A closed loop sends less to a slow server; an open loop does not. In the open loop, latency
  counts from the moment when a request was due, and the schedule is the same for every server.
  "cannot keep up" means that answers were still missing three seconds after the last request was
  sent, in most rounds. Higher rates are then not measured, and count as the same.
- A server is measured only if it gives the same labels as the fp32 model.
- The same text is not sent twice within 2,048. If there are fewer, repeated texts are numbered.
- 6a to 6d have environments of their own, whose packages are in benchmarks/peers/packages.
"""


@reports_failures(os_error="The report cannot be written")
def main() -> None:
    """Read the arguments and write."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report.markdown",
        description="Write RESULTS.md and its plots again, without measuring.",
    )
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    parser.add_argument("--output", type=Path, default=OUTPUT, metavar="FOLDER")
    args = parser.parse_args()
    print(f"Wrote {write(Results.read(args.results), args.output)}")


def write(results: Results, output: Path) -> Path:
    """Write RESULTS.md and the plots into a folder; return the path of RESULTS.md."""
    output.mkdir(parents=True, exist_ok=True)
    plots.draw(results, output)
    path = output / "RESULTS.md"
    path.write_text(render(results), encoding="utf-8")
    return path


def render(results: Results) -> str:
    """Return the whole report."""
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
    yield f"Measured by `{about['command']}` on {about['date']}: medians of {rounds}. Written by"
    yield "`python -m benchmarks.report.markdown`. The columns `x 1a` and `x 9` are ratios to the"
    yield "textbook service and to the engine alone. For texts/s higher is better, for milliseconds"
    yield "lower.\n"
    if about["quick"]:
        yield "**A quick run: it ranks the servers, but the distances between them are rough.**\n"
    if results.busiest > QUIET:
        yield f"**Other programs used up to {results.busiest:.0f} % of the CPU between the"
        yield "measurements: measure again on an idle machine.**\n"
    yield "| machine | |"
    yield "|---|---|"
    yield f"| CPU | {machine['cpu']} |"
    yield f"| cores | {machine['cores']} |"
    yield f"| memory | {machine['memory']} |"
    yield f"| system | {machine['system']} |"
    yield f"| engine of 7, 8 and 9 | {about.get('engine', '-')} |"
    yield f"| load average before the run | {machine['load']:.2f} |"
    yield f"| CPU used by other programs | {results.busiest:.0f} % at most |"
    for name, version in machine["versions"].items():
        yield f"| {name} | {version} |"
    yield "\n| texts | source | number | mean tokens | median tokens |"
    yield "|---|---|--:|--:|--:|"
    for name, lengths in about["texts"].items():
        yield (
            f"| {name} | {about['source'][name]} | {lengths['texts']} | {lengths['mean']:.1f} "
            f"| {lengths['median']:.0f} |"
        )
    yield "\n![Throughput by number of connections](throughput.png)"
    yield "![Latency by request rate](latency.png)\n"


def _glance(results: Results) -> Iterator[str]:
    """The first corpus with one text per request: one column per number of connections."""
    closed = [load for load in results.loads if load.connections]
    loads = [
        load for load in closed if (load.corpus, load.texts) == (closed[0].corpus, closed[0].texts)
    ]
    if not loads:
        return
    yield "## At a glance\n"
    yield f"Texts/s by number of connections, for {loads[0].corpus} with one text per request. In"
    yield "brackets the ratios to 1a and to 9.\n"
    yield "| | server | " + " | ".join(str(load.connections) for load in loads) + " |"
    yield "|---|---|" + "--:|" * len(loads)
    for name in results.servers:
        cells = [
            f"{_number(summary.texts_per_second)} "
            f"({_ratios(results, load, summary, 'texts_per_second').replace(' | ', ', ')})"
            if (summary := summarize(results, name, load))
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
        yield "Each connection sends its next request when it has the answer to the last one. The"
        yield "columns lowest and highest are texts/s of single rounds.\n"
    for load in loads:
        yield f"### {str(load).capitalize()}\n"
        yield _header("texts/s", "lowest", f"highest {RATIOS}", *LATENCIES)
        yield "|---|---|" + "--:|" * 14
        for name, summary in _rows(results, load):
            yield (
                f"{_title(name, summary)} {_number(summary.texts_per_second)} "
                f"| {_number(summary.lowest)} | {_number(summary.highest)} "
                f"| {_ratios(results, load, summary, 'texts_per_second')} "
                f"| {_latencies(results, load, summary)} |"
            )
        yield ""


def _open(results: Results) -> Iterator[str]:
    loads = [load for load in results.loads if load.rate]
    if loads:
        yield "## Open loop\n"
        yield "Requests with one text each arrive at random, at the given rate on average.\n"
    for load in loads:
        yield f"### {str(load).capitalize()}\n"
        yield _header(*LATENCIES)
        yield "|---|---|" + "--:|" * 9
        for name, summary in _rows(results, load):
            if summary.saturated:
                yield f"{_title(name, summary)} cannot keep up " + "| " * 8 + "|"
            else:
                yield f"{_title(name, summary)} {_latencies(results, load, summary)} |"
        yield ""


RATIOS = "| x 1a | x 9"
LATENCIES = tuple(f"{name} ms {RATIOS}" for name in ("p50", "p95", "p99"))


def _header(*columns: str) -> str:
    return f"| | server | {' | '.join(columns)} |"


def _rows(results: Results, load: Load) -> Iterator[tuple[str, Summary]]:
    for name in results.servers:
        if summary := summarize(results, name, load):
            yield name, summary


def _title(name: str, summary: Summary) -> str:
    server = BY_NAME[name]
    errors = f" (**{summary.errors} errors**)" if summary.errors else ""
    return f"| {server.number} | {_name(name)}{errors} |"


def _name(name: str) -> str:
    title = BY_NAME[name].title
    return f"**{title}**" if name == "service" else title


def _latencies(results: Results, load: Load, summary: Summary) -> str:
    return " | ".join(
        f"{_number(getattr(summary, name))} | {_ratios(results, load, summary, name)}"
        for name in ("p50", "p95", "p99")
    )


def _ratios(results: Results, load: Load, summary: Summary, name: str) -> str:
    bases = [summarize(results, base, load) for base in (BASELINE, LIMIT)]
    return " | ".join(
        _number(ratio(getattr(summary, name), getattr(base, name) if base else None))
        for base in bases
    )


def _remarks(results: Results) -> Iterator[str]:
    for name, reason in results.broken.items():
        yield f"Broken, and not measured from then on: {BY_NAME[name].title}: {reason}."
    if missing := [s.title for s in SERVERS if s.name not in results.servers]:
        yield f"Not part of this run: {'; '.join(missing)}."


def _number(value: float | None) -> str:
    """Format with three significant digits; more would be noise."""
    if value is None:
        return "-"
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


if __name__ == "__main__":
    sys.exit(main())
