# SPDX-License-Identifier: Apache-2.0
"""--log: which lines, in which form; and that looking changes nothing."""
import json

import pytest
import tiny

# In cycles of --timing none: one an instruction.
GOLDEN = """\
           0 L0 0000000000100020 insn      mov dx, 0x3F8
           1 L0 0000000000100024 insn      mov al, 0x41
           2 L0 0000000000100026 insn      out dx, al
           3 L0 0000000000100026 io        out 0x3f8 := 0x41 (8 bits)
           3 L0 0000000000100027 insn      mov ecx, 0x1B
           4 L0 000000000010002c insn      rdmsr
           5 L0 000000000010002c msr       read 0x1b = 0xfee00900
           5 L0 000000000010002e insn      mov eax, cr0
           6 L0 000000000010002e cr        read cr0 = 0x11
           6 L0 0000000000100031 insn      mov cr0, eax
           7 L0 0000000000100031 cr        write cr0 := 0x11
           7 L0 0000000000100034 insn      xor eax, eax
           8 L0 0000000000100036 insn      cpuid
           9 L0 0000000000100038 insn      cli
          10 L0 0000000000100039 insn      ud2
          10 L0 0000000000100039 exception #UD
          10 L0 0000000000100039 exception #GP error 0x33
          10 L0 0000000000100039 exception #DF error 0x0
          10 L0 0000000000100039 exception triple fault
"""


@pytest.fixture
def log(vmxsim, tmp_path):
    events = tiny.image(tmp_path / "events.elf", tiny.EVENTS)

    def run(*arguments: str) -> str:
        file = tmp_path / "log"
        vmxsim("boot", events, "--timing", "none", "--quiet", "--log", str(file), *arguments)
        return file.read_text()

    return run


def test_the_log_of_a_short_run_is_known_to_the_last_letter(log):
    assert log("--log-filter", "all") == GOLDEN


def test_filter_range_and_first_cycle_choose_among_the_same_lines(log):
    lines = GOLDEN.splitlines(keepends=True)
    kind = [line.split()[3] for line in lines]
    assert log() == "".join(l for l, k in zip(lines, kind) if k != "insn")
    assert log("--log-filter", "msr,io") == "".join(l for l, k in zip(lines, kind) if k in ("msr", "io"))
    assert log("--log-filter", "all", "--log-from", "9") == "".join(l for l in lines if int(l.split()[0]) >= 9)
    assert log("--log-filter", "all", "--log-range", "100026-0x10002c") == "".join(lines[2:7])


@pytest.mark.parametrize("l0", ["none", "unit"])
def test_a_logged_run_takes_the_same_cycles_and_says_all_exits(statistics, tmp_path, l0):
    plain = statistics("--l0", l0)
    logged = statistics("--l0", l0, "--log", str(tmp_path / "log"), "--log-filter", "all")
    assert logged == plain
    lines = [line.split(maxsplit=4) for line in (tmp_path / "log").read_text().splitlines()]
    assert len([1 for l in lines if l[3] == "insn"]) >= plain["instructions"]
    levels = {l[1] for l in lines if l[3] == "exit"}
    assert levels == ({"L1", "L2"} if l0 == "unit" else {"L1"})
    if l0 == "unit":
        unit = plain["unit"]
        assert len([1 for l in lines if l[3] == "exit" and l[1] == "L2"]) == unit["exits_l2"]
    assert [int(l[0]) for l in lines] == sorted(int(l[0]) for l in lines)


@pytest.mark.parametrize(
    "arguments, part",
    [
        (("--log", "/no/such/folder/log"), "/no/such/folder/log"),
        (("--log", "l", "--log-filter", "insn,exits"), "insn,exits"),
        (("--log", "l", "--log-range", "5-3"), "5-3"),
        (("--log", "l", "--log-range", "x-y"), "x-y"),
        (("--log", "l", "--log-from", "now"), "now"),
        (("--log-from", "5"), "--log"),
        (("--gdb", "65536"), "65536"),
        (("--gdb", "x"), "'x'"),
    ],
)
def test_wrong_options_end_with_one_line_and_status_2(vmxsim, monkeypatch, tmp_path, arguments, part):
    monkeypatch.chdir(tmp_path)
    ended = vmxsim("run", "nested-exits", *arguments)
    assert ended.status == 2
    assert len(ended.err.splitlines()) == 1 and part in ended.err and "expected" in ended.err
