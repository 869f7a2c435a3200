# SPDX-License-Identifier: Apache-2.0
"""The picture of a nested exit: simulated beside published, and the steps of prepare_vmcs02."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.ticker import FuncFormatter  # noqa: E402

from analysis.stats import Stats  # noqa: E402

# Colours that stay apart in print and for the colour-blind (Okabe and Ito).
COLOURS = {"switches": "#999999", "l0": "#0072b2", "l1": "#e69f00"}
LABELS = {"switches": "VM exits and entries", "l0": "L0 software", "l1": "L1's own code"}
PARTS = ("switches", "l0", "l1")
PHASE = "prepare_vmcs02"


@dataclass(frozen=True)
class Bar:
    title: str
    parts: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.parts.values())


def bars_of(stats: Stats, level: str, episode_level: int, name: str) -> list[Bar]:
    """Simulated and, where all its parts are known, published."""
    episode = stats.episode(episode_level, "CPUID")
    if episode is None:
        return []
    parts = {"switches": episode.switches, "l0": episode.l0}
    if level == "guest":
        parts["l1"] = episode.l1
    bars = [Bar(f"{name}\nsimulated", parts)]
    figures = {p: stats.published("cpuid", level, p) for p in parts}
    if all(f is not None for f in figures.values()):
        first = next(f for f in figures.values() if f is not None)
        kind = "calibrated to" if first.set == "calibration" else "published"
        bars.append(Bar(f"{name}\n{kind}", {p: f.value for p, f in figures.items() if f is not None}))
    return bars


def stack(axes: Axes, bars: list[Bar], title: str) -> None:
    """Stacked columns with a figure in each part that has room for one, and the total above."""
    top = max(bar.total for bar in bars)
    for x, bar in enumerate(bars):
        bottom = 0.0
        for part in PARTS:
            height = bar.parts.get(part, 0.0)
            published = not bar.title.endswith("simulated")
            axes.bar(x, height, bottom=bottom, width=0.62, color=COLOURS[part], edgecolor="white", linewidth=0.8,
                     hatch="//" if published else None, alpha=0.75 if published else 1.0)
            if height > 0.05 * top:
                axes.text(x, bottom + height / 2, f"{height:,.0f}", ha="center", va="center", fontsize=9, color="white",
                          fontweight="bold", bbox={"facecolor": COLOURS[part], "edgecolor": "none", "pad": 1.5})
            bottom += height
        axes.text(x, bottom + 0.015 * top, f"{bottom:,.0f}", ha="center", va="bottom", fontsize=10, fontweight="bold")
    axes.set_xticks(range(len(bars)), [bar.title for bar in bars], fontsize=9)
    axes.set_xlim(-0.6, len(bars) - 0.4)
    axes.set_ylim(0, 1.1 * top)
    axes.set_title(title, fontsize=11, loc="left")
    plain(axes)


def plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    thousands = FuncFormatter(lambda v, _: f"{v:,.0f}")
    (axes.xaxis if axes.get_xlabel() == "cycles" else axes.yaxis).set_major_formatter(thousands)


def draw_steps(axes: Axes, steps: dict[str, float]) -> None:
    """The steps in the order in which they run, downwards."""
    names = list(steps)
    values = list(steps.values())
    axes.barh(names, values, color=COLOURS["l0"], height=0.72)
    axes.invert_yaxis()
    for y, value in enumerate(values):
        axes.text(value + 0.01 * max(values), y, f"{value:,.0f}", va="center", fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlim(0, 1.12 * max(values))
    axes.set_xlabel("cycles")
    axes.set_title(f"{PHASE}: {sum(values):,.0f} cycles a nested entry", fontsize=11, loc="left")
    plain(axes)


def draw(stats: Stats, path: Path) -> bool:
    """False, and no picture, where the run has no CPUID exits of a nested guest."""
    single = bars_of(stats, "own", 1, "one level")
    nested = bars_of(stats, "guest", 2, "nested")
    episode = stats.episode(2, "CPUID")
    if not single or not nested or episode is None:
        return False
    steps = {name: cycles for name, cycles in episode.steps(PHASE).items() if cycles >= 0.5}

    figure = plt.figure(figsize=(13, 6.2), layout="constrained")
    grid = figure.add_gridspec(1, 3, width_ratios=[1, 1, 1.5])
    left, middle = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    stack(left, single, "One CPUID exit, one level")
    stack(middle, nested, "One nested CPUID exit")
    left.set_ylabel("cycles")
    handles = [plt.Rectangle((0, 0), 1, 1, color=COLOURS[p]) for p in PARTS]
    handles.append(plt.Rectangle((0, 0), 1, 1, facecolor="#cccccc", edgecolor="white", hatch="//"))
    right = figure.add_subplot(grid[2])
    if steps:
        draw_steps(right, steps)
    else:
        right.set_axis_off()
        right.text(0.5, 0.5, f"no step of {PHASE} took time", ha="center", va="center")
    figure.legend(handles, [LABELS[p] for p in PARTS] + ["hatched: silicon"], fontsize=9, frameon=False,
                  loc="upper left", bbox_to_anchor=(0.0, 0.0), ncols=4)
    rows = ", ".join(sorted({r.id for r in stats.references if r.simulated is not None and r.kind == "cpuid"}))
    figure.suptitle(f"{stats.scenario}: profile {stats.profile}, policy {stats.policy}", fontsize=12, x=0.01, ha="left")
    if rows:
        figure.text(0.99, -0.025, f"Silicon: rows {rows} of traces/hardware", fontsize=7.5, color="#555555", ha="right", va="center")
    figure.savefig(path, dpi=110, bbox_inches="tight", metadata={"Software": "vmxsim"})
    plt.close(figure)
    return True
