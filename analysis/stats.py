# SPDX-License-Identifier: Apache-2.0
"""Statistics of a run: the document that `vmxsim run --stats` writes (schema vmxsim-stats/1)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.errors import InputError

SCHEMA = "vmxsim-stats/1"
# Buckets that are no software of L0 (model/vmx/ledger.hpp).
SWITCHES = ("VM exit", "VM entry")
L1_CODE = ("guest software", "L2 software")


@dataclass(frozen=True)
class Series:
    """Cycles of one kind of operation, as the image measured them."""

    count: int
    sum: int
    min: int

    @property
    def mean(self) -> float:
        return self.sum / self.count


@dataclass(frozen=True)
class Episode:
    """All VM exits of one level and reason, each from the exit until the level ran again."""

    level: int
    exit_reason: int
    name: str
    count: int
    cycles: int
    buckets: dict[str, int]

    def mean(self, bucket: str) -> float:
        return self.buckets.get(bucket, 0) / self.count

    @property
    def switches(self) -> float:
        return sum(self.mean(b) for b in SWITCHES)

    @property
    def l1(self) -> float:
        return sum(self.mean(b) for b in L1_CODE)

    @property
    def l0(self) -> float:
        return self.cycles / self.count - self.switches - self.l1

    def steps(self, phase: str) -> dict[str, float]:
        """Mean cycles of the steps of a phase: of the buckets "PHASE: STEP"."""
        prefix = phase + ": "
        return {b.removeprefix(prefix): self.mean(b) for b in self.buckets if b.startswith(prefix)}


@dataclass(frozen=True)
class Comparison:
    """A published figure and the run's own. `simulated` is None where the image did not measure it."""

    id: str
    what: str
    kind: str
    level: str
    part: str
    value: float
    simulated: float | None
    ratio: float | None
    set: str
    source: str
    where: str


@dataclass(frozen=True)
class Stats:
    scenario: str
    image: str
    l0: str
    policy: str | None
    profile: str
    settings: dict[str, str]
    cycles: int
    instructions: int
    exit_status: int
    episodes: list[Episode]
    measured: dict[str, dict[str, Series]]
    references: list[Comparison]

    def episode(self, level: int, name: str) -> Episode | None:
        for e in self.episodes:
            if e.level == level and e.name == name and e.count:
                return e
        return None

    def published(self, kind: str, level: str, part: str) -> Comparison | None:
        for r in self.references:
            if (r.kind, r.level, r.part) == (kind, level, part):
                return r
        return None


def read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cannot be read, expected a JSON file") from None
    except json.JSONDecodeError as e:
        raise InputError(f"{path}:{e.lineno}: not JSON, expected a document of vmxsim") from None


def load_stats(path: Path) -> Stats:
    d = read_json(path)
    schema = d.get("schema") if isinstance(d, dict) else None
    if schema != SCHEMA:
        raise InputError(f"{path}:1: schema is {schema!r}, expected {SCHEMA}")
    try:
        return Stats(
            scenario=d["scenario"],
            image=d["image"],
            l0=d["l0"],
            policy=d["policy"],
            profile=d["profile"],
            settings=dict(d["settings"]),
            cycles=d["cycles"],
            instructions=d["instructions"],
            exit_status=d["exit_status"],
            episodes=[Episode(**e) for e in d["episodes"]],
            measured={level: {k: Series(**s) for k, s in kinds.items()} for level, kinds in d["measured"].items()},
            references=[Comparison(**r) for r in d["references"]],
        )
    except (KeyError, TypeError, AttributeError) as e:
        raise InputError(f"{path}:1: {e}, expected statistics of this version") from None
