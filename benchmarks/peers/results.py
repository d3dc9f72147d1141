"""The table of a comparison, and one sheet of pictures: a prompt a row, a peer a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers.protocol import read_reply
from benchmarks.peers.runs import Bench
from benchmarks.peers.table import BASELINE, Row
from benchmarks.peers.verdicts import reason
from benchmarks.ratios import RESULTS, publish
from burnish.core.evidence import Verdict
from burnish.measure.pictures import Pictures
from burnish.report.sheet import contact_sheet

SHEET_PROMPTS = 8
SHOWN = {"latency_s": "s", "cpu_s": "CPU s", "peak_mib": "peak MiB", "cold_start_s": "cold start s"}


def lines(bench: Bench, rows: Sequence[Row], verdicts: Mapping[str, Verdict]) -> list[dict[str, object]]:
    """One line a row: verdict, costs, ratios to the baseline of the same rounds, disk, error."""
    found = [line(bench, number, row, verdicts.get(row.name)) for number, row in enumerate(rows, 1)]
    return [one for one in found if one["verdict"] != "-" or one["s b1"] != ""]


def line(bench: Bench, number: int, row: Row, verdict: Verdict | None) -> dict[str, object]:
    """One row; seconds are per picture, but the cold start."""
    found: dict[str, object] = {
        "#": number,
        "peer": row.name,
        "verdict": verdict.outcome if verdict else "cannot run" if bench.error(row) else "-",
    }
    log = bench.log
    for batch in (1, 16):
        costs = log.costs(row.name, batch, BASELINE)
        for cost, title in SHOWN.items():
            if batch == 1 or cost != "cold_start_s":
                found[f"{title} b{batch}"] = costs.get(cost, "")
        found[f"x s b{batch}"] = costs.get("x latency_s", "")
        found[f"x CPU s b{batch}"] = costs.get("x cpu_s", "")
    found["disk MiB"] = "" if bench.error(row) else disk_mib(bench, row)
    found["prepared in s"] = prepared_s(bench, row)
    found["why"] = bench.error(row) or (reason(verdict) if verdict else "") or row.note
    return found


def disk_mib(bench: Bench, row: Row) -> float:
    """What must be on disk to draw: the model, its export, or the bundle without its evidence."""
    place = bench.job.model
    if "weights" in row.options:
        place = bench.kept(row) / "ir"
    elif "bundle" in row.options:
        place = Path(row.options["bundle"])
    files = [p for p in place.rglob("*") if p.is_file() and "evidence" not in p.parts]
    return sum(p.stat().st_size for p in files) / 2**20


def prepared_s(bench: Bench, row: Row) -> float | str:
    """Seconds of what is done once on a machine; "" where nothing is."""
    output = bench.place(row) / "prepared"
    done = row.prepares and (output / "reply.json").is_file()
    return float(read_reply(output, ["prepare_s"])["prepare_s"]) if done else ""


def write_sheet(
    path: Path,
    prompts: Sequence[str],
    reference: Sequence[Pictures],
    rows: Sequence[Row],
    drawn: Mapping[str, Sequence[Pictures]],
) -> None:
    """The first seed of the first prompts; columns are numbered as the table's rows."""
    columns = [(str(k), drawn[row.name]) for k, row in enumerate(rows, 1) if row.name in drawn]
    seeds = len(reference[0])
    shown = [
        (prompt, [reference[k][0], *(pictures[k * seeds] for _, pictures in columns)])
        for k, prompt in enumerate(prompts[:SHEET_PROMPTS])
    ]
    contact_sheet(shown, ["original", *(title for title, _ in columns)]).save(path)


def write(name: str, found: list[dict[str, object]]) -> Path:
    """`name`.json and `name`.md among the results, printed too."""
    publish(name, found, ())
    return RESULTS / f"{name}.md"
