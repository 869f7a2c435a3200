# SPDX-License-Identifier: Apache-2.0
"""Bad input: one line on standard error that names the place, status 2, nothing half-written."""
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PROFILE = "sim/profiles/nehalem.toml"


def check(ended, *parts):
    assert ended.status == 2, ended
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert len(lines) == 1, ended.err
    for part in parts:
        assert part in lines[0]


@pytest.mark.parametrize(
    "arguments, parts",
    [
        (("run", "no-such-scenario"), ("no-such-scenario", "expected")),
        (("run", "nested-exits", "--policy", "kvm-2031"), ("kvm-2031", "kvm-2011")),
        (("run", "nested-exits", "--profile", "i286"), ("i286", "nehalem")),
        (("run", "nested-exits", "--set", "vmcs_cache.context=4"), ("vmcs_cache.context", "vmcs_cache.contexts")),
        (("run", "nested-exits", "--set", "vmcs_cache.contexts=1000"), ("vmcs_cache.contexts", "16")),
        (("run", "nested-exits", "--set", "vmcs_cache.contexts=many"), ("vmcs_cache.contexts", "many")),
        (("run", "nested-exits", "--set", "caches.l1d_bytes=100"), ("caches.l1d_bytes",)),
        (("run", "nested-exits", "--l0", "someone"), ("someone",)),
        (("run", "nested-exits", "--frobnicate"), ("--frobnicate",)),
        (("boot", "/no/such/image.elf"), ("/no/such/image.elf",)),
        (("boot", "README.md"), ("README.md", "expected")),
        (("boot", "hypervisor", "--memory", "1K"), ("memory",)),
        (("boot", "hypervisor", "--cpus", "9"), ("--cpus", "9", "1 to 8")),
        (("boot", "hypervisor", "--cpus", "0"), ("--cpus", "0", "1 to 8")),
        (("boot", "hypervisor", "--cpus", "2", "--l0", "unit"), ("--cpus", "nested unit", "--l0 none")),
        (("run", "nested-exits", "--cpus", "2"), ("--cpus", "nested unit")),
        (("frobnicate",), ("frobnicate",)),
        (("list", "nothing"), ("nothing",)),
        (("compare", "/no/a.json", "/no/b.json"), ("/no/a.json",)),
    ],
    ids=lambda a: " ".join(a) if isinstance(a, tuple) else "",
)
def test_a_bad_option_or_file_is_one_line_and_status_2(vmxsim, monkeypatch, arguments, parts):
    monkeypatch.chdir(ROOT)
    check(vmxsim(*arguments), *parts)


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("vmread   =", "vmraed   =", "vmraed"),
        ("value = 47,", "value = -1,", "vmread"),
        ("value = 47,", 'value = "x",', "vmread"),
        ("value = 47,", "", "vmread"),
        ("[vmx]", "[vmx", ""),
    ],
)
def test_a_wrong_profile_names_file_and_line(vmxsim, tmp_path, old, new, message):
    text = (ROOT / PROFILE).read_text()
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    bad = tmp_path / "bad.toml"
    bad.write_text(text.replace(old, new, 1))
    check(vmxsim("run", "nested-exits", "--profile", str(bad)), f"{bad}:{line}:", message)


def test_statistics_that_cannot_be_written_leave_nothing(vmxsim, tmp_path):
    missing = tmp_path / "no" / "such" / "folder" / "s.json"
    ended = vmxsim("run", "nested-exits", "--quiet", "--stats", str(missing))
    assert ended.status == 2
    assert len(ended.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_run_does_not_touch_an_earlier_result(vmxsim, tmp_path):
    stats = tmp_path / "s.json"
    stats.write_text("earlier")
    check(vmxsim("run", "nested-exits", "--stats", str(stats), "--set", "no.such=1"))
    assert stats.read_text() == "earlier"
    assert [p.name for p in tmp_path.iterdir()] == ["s.json"]


def test_a_run_that_is_cut_short_says_so(vmxsim):
    ended = vmxsim("run", "nested-exits", "--max-cycles", "100000")
    assert ended.status == 3
    assert "max-cycles" in ended.err


@pytest.mark.parametrize("topic", ["scenarios", "profiles", "policies", "fields", "layouts", "knobs"])
def test_lists_fit_a_screen_of_120_columns(vmxsim, topic):
    ended = vmxsim("list", topic)
    assert ended.status == 0
    assert max(map(len, ended.out.splitlines())) <= 120
