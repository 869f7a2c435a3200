# SPDX-License-Identifier: Apache-2.0
"""python3 -m analysis report --program build/vmxsim --out DIR"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from analysis.errors import InputError


class Parser(argparse.ArgumentParser):
    """One line for a bad option, as the simulator's."""

    def error(self, message: str) -> NoReturn:
        print(f"analysis: {message}, expected what --help shows", file=sys.stderr)
        raise SystemExit(2)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser(prog="python3 -m analysis", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    report = commands.add_parser("report", help="run a scenario, print its comparison with silicon and draw it")
    report.add_argument("--program", type=Path, default=Path("build/vmxsim"), help="the simulator (default: %(default)s)")
    report.add_argument("--scenario", default="nested-exits", help="default: %(default)s")
    report.add_argument("--out", type=Path, required=True, help="folder for the statistics and the picture")
    compare = commands.add_parser("compare", help="print the comparison of a statistics file that is there")
    compare.add_argument("stats", type=Path)
    compare.add_argument("--picture", type=Path, help="draw it to this PNG file")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    try:
        # Imported late: pandas and matplotlib take a second that a bad option need not wait for.
        from analysis.plot import draw
        from analysis.report import comparison_text, make_report
        from analysis.stats import load_stats

        if options.command == "report":
            print(make_report(options.program, options.scenario, options.out), end="")
            return 0
        stats = load_stats(options.stats)
        print(comparison_text(stats), end="")
        if options.picture and not draw(stats, options.picture):
            raise InputError(f"{options.stats}: no nested CPUID exits, expected a run under --l0 unit")
        return 0
    except InputError as e:
        print(e, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
