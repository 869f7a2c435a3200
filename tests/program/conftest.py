# SPDX-License-Identifier: Apache-2.0
"""The program as a user runs it: VMXSIM_PROGRAM names it, else build/vmxsim."""
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"


@dataclass
class Run:
    """How a run ended: its status and what it printed."""

    status: int
    out: str
    err: str

    def values(self) -> list[str]:
        """What the image printed up to its last line, without the lines that hold time."""
        lines = self.out.splitlines()
        end = lines.index("vmx: ok") + 1
        return [line for line in lines[:end] if not line.startswith("cycles ")]


@pytest.fixture(scope="session")
def program() -> Path:
    path = Path(os.environ.get("VMXSIM_PROGRAM", ROOT / "build" / "vmxsim"))
    if not path.exists():
        pytest.fail(f"{path}: not built, expected the program; VMXSIM_PROGRAM names it")
    return path


@pytest.fixture(scope="session")
def vmxsim(program: Path):
    def run(*arguments: str) -> Run:
        done = subprocess.run([str(program), *arguments], capture_output=True, text=True, timeout=300)
        return Run(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def statistics(vmxsim, tmp_path):
    """Runs the default scenario with `arguments` and returns its statistics document."""

    def run(*arguments: str) -> dict:
        file = tmp_path / "stats.json"
        ended = vmxsim("run", "nested-exits", "--quiet", "--stats", str(file), *arguments)
        assert ended.status == 0, ended.err
        return json.loads(file.read_text())

    return run
