# SPDX-License-Identifier: Apache-2.0
"""Debian's own kernel, unmodified: fetched, booted, switched off."""
import contextlib
import os
import pty
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
FETCH = ROOT / "scripts" / "fetch-linux"

# Asks for the fewest devices and leaves out what a boot does not need: Linux's own tests, security modules, waiting.
SPARSE = (
    "console=ttyS0 quiet panic=-1 nokaslr mitigations=off acpi=off pci=off noapic nosmp tsc=reliable "
    "tsc_early_khz=2600000 lpj=10400000 hpet=disable nowatchdog rcupdate.rcu_expedited=1 cryptomgr.notests "
    "i8042.noaux i8042.nokbd i8042.noprobe8042 i8042.nopnp 8250.nr_uarts=1 audit=0 apparmor=0 lsm= io_delay=none"
)


@pytest.fixture(scope="session")
def linux(program) -> Path:
    """The folder with the kernel. Only a machine that cannot fetch it skips these tests."""
    folder = program.parent / "linux"
    fetched = subprocess.run([str(FETCH), "--to", str(folder)], capture_output=True, text=True)
    if fetched.returncode == 2:
        pytest.skip(fetched.stderr.strip())
    assert fetched.returncode == 0, fetched.stderr
    return folder


ERASE = "\r\x1b[K"


def read_terminal(ours: int) -> str:
    """All that is written to a terminal until its other side is closed."""
    seen = b""
    with contextlib.suppress(OSError):  # EIO: closed
        while part := os.read(ours, 4096):
            seen += part
    return seen.decode()


def lines_of(console: str) -> list[str]:
    return [line.rstrip("\r") for line in console.splitlines()]


def test_the_scenario_ends_with_the_power_off_and_shows_progress_on_a_terminal(program, linux):
    """Default options: ACPI, APICs, HPET, all of Linux's own tests."""
    ours, theirs = pty.openpty()
    run = subprocess.Popen([str(program), "run", "linux-boot"], stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown: list[str] = []
    drawn = threading.Thread(target=lambda: shown.append(read_terminal(ours)))
    drawn.start()
    out = lines_of(run.communicate(timeout=300)[0].decode())
    drawn.join()
    assert run.returncode == 0, out
    release = (linux / "release").read_text().strip()
    assert f"init: hello from Linux {release} x86_64" in out
    assert "init: VMX is offered" in out
    assert "init: good" in out
    assert out[-1].endswith("the guest switched the machine off")
    bad = [line for line in out if any(word in line for word in ("WARNING", "Firmware Bug", "BUG:", "Call Trace", "unchecked MSR"))]
    assert bad == []
    progress = shown[0].split(ERASE)
    assert re.search(r"^ +[0-9.]+ s  [0-9,]+ M instructions  [0-9]+ MIPS  [0-9.]+ s simulated$", progress[1])
    assert progress[-1] == "", "the line is gone at the end"


# KVM offers its guests no CR3-target values (IA32_VMX_MISC[24:16] is 0 there): the fields do not exist.
NO_CR3_TARGETS = re.compile(r"^  (VMWRITE failed: CR3_TARGET_VALUE[03]|WRONG CR3_TARGET_VALUE[03] 0{16})$")


def values_on_kvm(console: list[str]) -> list[str]:
    """What the image printed as KVM's guest, in the words of the machine that has CR3-target values."""
    begin, end = console.index("vmxsim guest image: hypervisor, version 1"), console.index("vmx: ok") + 1
    lines = [line for line in console[begin:end] if not line.startswith("cycles ") and not NO_CR3_TARGETS.match(line)]
    return [line.replace("73 fields right, 2 wrong", "75 fields right, 0 wrong") for line in lines]


def test_a_hypervisor_above_debians_kvm_prints_what_it_printed_on_bochs(vmxsim, linux):
    """The image of nested-exits, with KVM as L0 in the place of the nested unit, on two processors."""
    ended = vmxsim("run", "linux-kvm", "--timing", "none", "--cpus", "2")
    assert ended.status == 0, ended.err
    out = lines_of(ended.out)
    assert "init: module kvm-intel is loaded" in out
    assert any(line.startswith("init: 2 processors: ") for line in out)
    assert "init: KVM runs a guest" in out
    golden = (GOLDEN / "hypervisor.txt").read_text().splitlines()
    # The checksum is of all that was printed.
    assert [line for line in values_on_kvm(out) if not line.startswith("checksum")] == [
        line for line in golden if not line.startswith("checksum")
    ]


def test_debians_kvm_runs_debian_whose_kvm_runs_a_guest(vmxsim, linux):
    """KVM on KVM: two Linux kernels, one on the bare machine and one above it, and a guest of the second."""
    ended = vmxsim("run", "linux-nested")
    assert ended.status == 0, ended.err
    out = lines_of(ended.out)
    release = (linux / "release").read_text().strip()
    outer, inner = (out.index(f"init: hello from Linux {release} x86_64{where}") for where in ("", ", in a virtual machine"))
    assert outer < out.index("init: KVM boots Linux") < inner
    assert [line for line in out if line == "init: good"] == 2 * ["init: good"]
    cpuid = next(line.split() for line in out if line.startswith("CPUID "))
    one, nested, published = (int(word.replace(",", "")) for word in (cpuid[1], cpuid[2], cpuid[4]))
    # Software that no one fitted costs to: as it was found, so that a change of the model shows.
    assert 1000 < one < 1500
    assert 1.2 < nested / published < 2.5


def test_without_acpi_the_run_ends_by_the_debug_exit_port(vmxsim, linux, program):
    """Fewest devices. Init fails on purpose: its value 1 is the status 3; a good one would be 0 and 1."""
    ended = vmxsim("boot", str(linux / "vmlinuz"), "--initrd", str(program.parent / "guests" / "linux.cpio"), "--profile",
                   "haswell", "--timing", "none", "--append", SPARSE + " modules=no-such-module")
    assert ended.status == 3, ended
    assert "the image ended the run with 1" in ended.err
    lines = lines_of(ended.out)
    assert "init: VMX is offered" in lines
    assert lines[-1] == "init: open /modules/no-such-module.ko: No such file or directory"


def test_a_kernel_that_is_not_there_is_one_line_that_says_how_to_fetch_it(program, tmp_path):
    """The program beside no build/linux."""
    shutil.copy(program, tmp_path / "vmxsim")
    ended = subprocess.run([str(tmp_path / "vmxsim"), "run", "linux-boot"], capture_output=True, text=True)
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr == f"vmlinuz: it is not in {tmp_path} yet, expected after `make linux`\n"


@pytest.mark.parametrize(
    "environment, why",
    [
        ({"PATH": "/no/such/folder"}, "there is no apt"),
        ({"http_proxy": "http://127.0.0.1:9"}, "127.0.0.1"),  # nobody listens there: as without a network
    ],
    ids=["no apt", "no network"],
)
def test_a_machine_that_cannot_fetch_says_so_in_one_line(tmp_path, environment, why):
    fetched = subprocess.run([sys.executable, FETCH, "--to", tmp_path / "linux"], env=os.environ | environment,
                             capture_output=True, text=True)
    assert fetched.returncode == 2, fetched
    lines = fetched.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("vmxsim: Debian's kernel cannot be fetched: "), lines
    assert why in lines[0]
    assert list((tmp_path / "linux").iterdir()) == []
