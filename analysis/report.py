# SPDX-License-Identifier: Apache-2.0
"""Runs a scenario, prints its comparison with silicon, and draws it."""

from __future__ import annotations

import math
import subprocess
from pathlib import Path

import pandas as pd

from analysis.arch import Arch, load_arch
from analysis.errors import InputError
from analysis.plot import draw
from analysis.stats import Stats, load_stats


def run_scenario(program: Path, scenario: str, stats: Path) -> None:
    """Runs the simulator; its own complaint is passed on as ours."""
    command = [str(program), "run", scenario, "--quiet", "--stats", str(stats)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as e:
        raise InputError(f"{program}: {e.strerror}, expected the program vmxsim") from None
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(f"{program}: status {done.returncode} ({said}), expected a run that ends well")


def comparison_frame(stats: Stats) -> pd.DataFrame:
    """One row for each published figure that the run was held against; calibration first."""
    rows = [
        {
            "set": r.set,
            "figure": r.id,
            "what": f"{r.level} {r.kind}, {r.part}",
            "published": r.value,
            "simulated": r.simulated,
            "ratio": r.ratio,
        }
        for r in stats.references
        if r.simulated is not None
    ]
    frame = pd.DataFrame(rows, columns=["set", "figure", "what", "published", "simulated", "ratio"])
    return frame.sort_values("set", kind="stable").reset_index(drop=True)


def geometric_error(ratios: pd.Series) -> float:
    """Mean factor by which simulated and published differ, less one: 0.1 is ten per cent."""
    return math.exp(sum(abs(math.log(r)) for r in ratios) / len(ratios)) - 1


def comparison_text(stats: Stats) -> str:
    frame = comparison_frame(stats)
    if frame.empty:
        return "No published figure belongs to this run.\n"
    lines = [f"{'set':<12}{'figure':<13}{'what':<24}{'published':>11}{'simulated':>11}{'ratio':>7}"]
    for row in frame.itertuples(index=False):
        lines.append(
            f"{row.set:<12}{row.figure:<13}{row.what:<24}{row.published:>11,.0f}{row.simulated:>11,.0f}{row.ratio:>7.2f}"
        )
    for name, group in frame.groupby("set", sort=True):
        ratios = group["ratio"][group["ratio"] > 0]
        if len(ratios):
            lines.append(f"{name}: {len(group)} figures, error {100 * geometric_error(ratios):.1f} % in the geometric mean")
    return "\n".join(lines) + "\n"


def exits_text(stats: Stats, arch: Arch) -> str:
    """Every kind of VM exit of the run, by the SDM's names, with its mean cycles and their parts."""
    rows = [f"{'level':<6} {'exit':<34} {'count':>7} {'cycles':>10} {'switches':>9} {'L0':>10} {'L1':>8}"]
    for e in stats.episodes:
        name = arch.exit_reasons[e.exit_reason].sdm_name
        rows.append(
            f"L{e.level:<5} {name:<34} {e.count:>7,} {e.cycles / e.count:>10,.0f} {e.switches:>9,.0f} "
            f"{e.l0:>10,.0f} {e.l1:>8,.0f}"
        )
    return "\n".join(rows) + "\n"


def make_report(program: Path, scenario: str, out: Path) -> str:
    """Leaves OUT/SCENARIO.json and OUT/SCENARIO.png; returns the text to print."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise InputError(f"{out}: {e.strerror}, expected a folder to write to") from None
    stats_file = out / f"{Path(scenario).stem}.json"
    run_scenario(program, scenario, stats_file)
    stats = load_stats(stats_file)
    text = comparison_text(stats)
    # The build leaves the tables beside the program; a program that was moved has none, and names stay out.
    tables = program.parent / "generated" / "arch.json"
    if tables.exists():
        text += "\n" + exits_text(stats, load_arch(tables)) + "\n"
    picture = stats_file.with_suffix(".png")
    if draw(stats, picture):
        text += f"picture: {picture}\n"
    return text + f"statistics: {stats_file}\n"
