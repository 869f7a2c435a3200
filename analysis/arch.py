# SPDX-License-Identifier: Apache-2.0
"""The architecture's tables as Python: read from arch.json, which the build makes from model/arch/*.def."""
from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from typing import Any

from analysis.errors import InputError


@dataclass(frozen=True)
class Field:
    """A VMCS field: its full-access encoding, width in bits (0: natural) and generic layout's byte offset."""

    name: str
    encoding: int
    width: str
    type: str
    offset: int
    sdm_name: str


@dataclass(frozen=True)
class ExitReason:
    """A basic exit reason."""

    number: int
    name: str
    sdm_name: str


@dataclass(frozen=True)
class Arch:
    """Fields by name, exit reasons by number."""

    fields: dict[str, Field]
    exit_reasons: dict[int, ExitReason]


def load_arch(path: Path) -> Arch:
    """Reads arch.json. Raises InputError where the file is missing or not that document."""
    try:
        data: Any = json.loads(Path(path).read_text())
        fields = [
            Field(f["name"], f["encoding"], f["width"], f["type"], f["generic_offset"], f["sdm_name"])
            for f in data["fields"]
        ]
        reasons = {e["number"]: ExitReason(e["number"], e["name"], e["sdm_name"]) for e in data["exit_reasons"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: {error!r}, expected the tables that the build makes") from error
    return Arch({f.name: f for f in fields}, reasons)
