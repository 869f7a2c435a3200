# SPDX-License-Identifier: Apache-2.0
"""Several processors. tests/golden/smp.txt is what guest image smp prints on QEMU 7.2 with 1, 2, 4 and 8 of them."""
import json
import shutil
import subprocess

import pytest

from conftest import GOLDEN

TITLE = "vmxsim guest image: smp\n"


def printed_on_qemu() -> dict[int, str]:
    texts = [TITLE + t for t in (GOLDEN / "smp.txt").read_text().split(TITLE)[1:]]
    return {int(text.split()[5]): text for text in texts}


@pytest.mark.parametrize("cpus", [1, 2, 4, 8])
def test_processors_do_what_they_do_on_qemu_and_twice_the_same(vmxsim, tmp_path, cpus):
    runs = []
    for name in "a.json", "b.json":
        ended = vmxsim("boot", "smp", "--cpus", str(cpus), "--max-cycles", "100000000", "--stats", str(tmp_path / name))
        assert ended.status == 1, ended.err
        assert ended.out == printed_on_qemu()[cpus]
        runs.append(json.loads((tmp_path / name).read_text()))
    assert runs[0] == runs[1]
    assert len(runs[0]["cpus"]) == cpus
    assert sum(c["instructions"] for c in runs[0]["cpus"]) == runs[0]["instructions"]
    assert max(c["cycles"] for c in runs[0]["cpus"]) == runs[0]["cycles"]
    assert sum(runs[0]["buckets"].values()) == sum(c["cycles"] for c in runs[0]["cpus"])


@pytest.mark.parametrize(
    "arguments", [("--set", "cpu.slice=150"), ("--set", "cpu.slice=50000"), ("--timing", "none"), ("--profile", "haswell")]
)
def test_how_processors_take_turns_changes_no_result(vmxsim, arguments):
    ended = vmxsim("boot", "smp", "--cpus", "4", "--max-cycles", "100000000", *arguments)
    assert ended.out == printed_on_qemu()[4], ended.err


def test_x2apics_exchange_interrupts(vmxsim):
    ended = vmxsim("boot", "smp", "--cpus", "4", "--append", "x2apic=1", "--max-cycles", "100000000")
    expected = [line for line in printed_on_qemu()[4].splitlines() if "cluster" not in line]
    assert [line for line in ended.out.splitlines() if line != "x2APIC mode"] == expected, ended.err


@pytest.mark.parametrize("vmcs_cache", ["tlm", "lockstep"])
def test_each_processor_has_vmx_of_its_own(vmxsim, vmcs_cache):
    ended = vmxsim("boot", "smp", "--cpus", "4", "--append", "vmx=1", "--profile", "haswell", "--vmcs-cache", vmcs_cache,
                   "--max-cycles", "100000000")  # fmt: skip
    assert ended.out.splitlines()[-4:] == [
        "exits of all guests 200",
        "one VMCS on so many processors 4",
        "exit of INIT 3, of SIPI 4 with vector 9a",
        "started behind VMXOFF 5",
    ], ended.err


def test_the_state_of_each_processor_is_told_where_a_run_goes_wrong(vmxsim):
    ended = vmxsim("boot", "smp", "--cpus", "3", "--max-cycles", "400000", "--quiet")
    assert ended.status == 3
    assert [line for line in ended.err.splitlines() if line.startswith("processor ")] == ["processor 0", "processor 1", "processor 2"]


@pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="QEMU is not installed")
def test_qemu_prints_what_was_recorded(program):
    image = program.parent / "guests" / "smp.elf"
    done = subprocess.run(
        ["qemu-system-x86_64", "-kernel", str(image), "-smp", "4", "-display", "none", "-serial", "stdio", "-device",
         "isa-debug-exit,iobase=0xf4,iosize=4"], capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.stdout == printed_on_qemu()[4]
