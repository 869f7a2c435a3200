# SPDX-License-Identifier: Apache-2.0
"""The Python side. made_up_run.json is no run: its numbers are round so that each mean can be told by eye."""

from __future__ import annotations

import dataclasses
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.errors import InputError
from analysis.plot import bars_of, draw
from analysis.references import load_references
from analysis.report import comparison_frame, comparison_text, geometric_error, make_report
from analysis.stats import Stats, load_stats

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RUN = HERE / "made_up_run.json"


@pytest.fixture
def stats() -> Stats:
    return load_stats(RUN)


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def module(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "analysis", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def test_parts_of_an_episode_add_up_to_its_mean(stats: Stats) -> None:
    episode = stats.episode(2, "CPUID")
    assert episode is not None
    assert episode.switches + episode.l0 + episode.l1 == pytest.approx(episode.cycles / episode.count)
    assert episode.switches == pytest.approx((72410 + 57200) / 10)


def test_the_simulator_and_the_analysis_split_an_episode_alike(stats: Stats) -> None:
    episode = stats.episode(2, "CPUID")
    assert episode is not None
    for part in ("switches", "l0", "l1"):
        figure = stats.published("cpuid", "guest", part)
        assert figure is not None
        assert getattr(episode, part) == pytest.approx(figure.simulated, abs=0.001)


def test_steps_of_a_phase_keep_their_order(stats: Stats) -> None:
    episode = stats.episode(2, "CPUID")
    assert episode is not None
    steps = episode.steps("prepare_vmcs02")
    assert list(steps)[:2] == ["guest segments", "guest DEBUGCTL"]
    assert steps["guest segments"] == 1584


def test_each_published_row_is_in_the_references_with_the_same_value(stats: Stats) -> None:
    rows = load_references()
    for r in stats.references:
        assert rows[r.id].value == r.value
        assert rows[r.id].set == r.set


def test_every_reference_says_where_it_comes_from() -> None:
    for row in load_references().values():
        assert row.source and row.url and row.how_read, row.id
        assert row.set in ("calibration", "validation", "workload"), row.id


def test_nested_figures_are_never_of_the_calibration_set() -> None:
    for row in load_references().values():
        if row.level in ("L2", "L3"):
            assert row.set != "calibration", row.id


def test_the_frame_has_calibration_first_and_one_row_a_figure(stats: Stats) -> None:
    frame = comparison_frame(stats)
    assert list(frame["set"]) == ["calibration"] * 3 + ["validation"] * 4


def test_the_text_prints_both_errors_apart(stats: Stats) -> None:
    text = comparison_text(stats)
    assert "calibration: 3 figures" in text
    assert "validation: 4 figures" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_the_geometric_error_weighs_half_and_double_alike() -> None:
    import pandas as pd

    assert geometric_error(pd.Series([0.5, 2.0])) == pytest.approx(1.0)
    assert geometric_error(pd.Series([1.0])) == 0


def test_figures_that_were_not_simulated_are_left_out(stats: Stats) -> None:
    none = [dataclasses.replace(r, simulated=None, ratio=None) for r in stats.references]
    assert comparison_text(dataclasses.replace(stats, references=none)) == "No published figure belongs to this run.\n"


def test_bars_show_simulated_and_published_parts(stats: Stats) -> None:
    simulated, published = bars_of(stats, "guest", 2, "nested")
    assert published.parts == {"switches": 11998, "l0": 38497, "l1": 7993}
    assert simulated.total == pytest.approx(stats.episode(2, "CPUID").cycles / 10)  # type: ignore[union-attr]


def test_the_picture_is_a_png_of_a_readable_size(stats: Stats, tmp_path: Path) -> None:
    picture = tmp_path / "p.png"
    assert draw(stats, picture)
    head = picture.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert int.from_bytes(head[16:20], "big") > 1000


def test_a_run_without_nested_exits_has_no_picture(stats: Stats, tmp_path: Path) -> None:
    bare = dataclasses.replace(stats, episodes=[e for e in stats.episodes if e.level == 1])
    assert not draw(bare, tmp_path / "p.png")


@pytest.mark.parametrize(
    ("content", "expected"),
    [("", ":1: not JSON"), ("{\n\n!", ":3: not JSON"), ("[]", "schema is None"), ('{"schema": "x"}', "schema is 'x'"),
     ('{"schema": "vmxsim-stats/1"}', "expected statistics")],
)
def test_a_file_that_is_no_statistics_is_refused_in_one_line(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(InputError) as e:
        load_stats(path)
    assert expected in str(e.value)
    assert "\n" not in str(e.value)


def test_a_bad_option_or_file_ends_with_one_line_and_status_2(tmp_path: Path) -> None:
    for arguments in (["report"], ["draw"], ["compare", "no/such.json"],
                      ["report", "--program", "no/such", "--out", str(tmp_path)]):
        done = module(*arguments)
        assert done.returncode == 2, arguments
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_the_report_runs_the_program_and_leaves_statistics_and_picture(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text(f'#!/bin/sh\n[ "$1 $2 $3 $4" = "run nested-exits --quiet --stats" ] && cp {RUN} "$5"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    text = make_report(program, "nested-exits", tmp_path / "out")
    assert "validation" in text
    assert (tmp_path / "out" / "nested-exits.png").exists()
    assert (tmp_path / "out" / "nested-exits.json").exists()


def test_a_complaint_of_the_program_is_passed_on(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho 'x.toml:3: what is wrong' >&2\nexit 2\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(InputError, match="x.toml:3: what is wrong"):
        make_report(program, "nested-exits", tmp_path / "out")


@pytest.mark.skipif("VMXSIM_PROGRAM" not in os.environ, reason="the build names the program")
def test_the_real_program_gives_a_report(tmp_path: Path) -> None:
    program = Path(os.environ["VMXSIM_PROGRAM"])
    if not program.exists():
        pytest.skip("the program is not built")
    text = make_report(program, "nested-exits", tmp_path)
    assert "turtles2-02" in text
    assert (tmp_path / "nested-exits.png").exists()
