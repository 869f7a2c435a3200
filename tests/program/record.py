# SPDX-License-Identifier: Apache-2.0
"""Records the result of the default scenario as the golden one: python3 tests/program/record.py [PROGRAM]"""
import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEYS = ("cycles", "instructions", "buckets", "episodes", "vmcs_cache_stats", "mmu", "caches", "unit", "measured")

program = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build" / "vmxsim")
with tempfile.TemporaryDirectory() as folder:
    stats = Path(folder) / "stats.json"
    subprocess.run([program, "run", "nested-exits", "--quiet", "--stats", str(stats)], check=True)
    run = json.loads(stats.read_text())
golden = ROOT / "tests" / "golden" / "nested-exits.json"
golden.write_text(json.dumps({key: run[key] for key in KEYS}, indent=1) + "\n")
print(golden.relative_to(ROOT))
