# SPDX-License-Identifier: Apache-2.0
"""Published measurements of real VT-x: traces/hardware/*.json (schema vmxsim-reference/1)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from analysis.errors import InputError
from analysis.stats import read_json

SCHEMA = "vmxsim-reference/1"
FOLDER = Path(__file__).resolve().parent.parent / "traces" / "hardware"


@dataclass(frozen=True)
class Reference:
    id: str
    op: str
    level: str
    cpu: str
    uarch: str
    freq_ghz: float | None
    value: float | None
    unit: str
    conditions: str
    source: str
    url: str
    where: str
    how_read: str
    note: str
    set: str


def load_references(folder: Path = FOLDER) -> dict[str, Reference]:
    """All rows of the folder, by id."""
    rows: dict[str, Reference] = {}
    for path in sorted(folder.glob("*.json")):
        document = read_json(path)
        schema = document.get("schema") if isinstance(document, dict) else None
        if schema != SCHEMA:
            raise InputError(f"{path}:1: schema is {schema!r}, expected {SCHEMA}")
        try:
            for row in document["rows"]:
                rows[row["id"]] = Reference(**row)
        except (KeyError, TypeError) as e:
            raise InputError(f"{path}:1: {e}, expected rows of {SCHEMA}") from None
    if not rows:
        raise InputError(f"{folder}: no references, expected files of {SCHEMA}")
    return rows
