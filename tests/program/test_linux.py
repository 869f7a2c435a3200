# SPDX-License-Identifier: Apache-2.0
"""Debian's own kernel, unmodified: fetched, booted, switched off."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
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


@pytest.fixture
def boot(vmxsim, linux, program):
    """Boots the kernel with `append` on a Haswell; further words are options."""

    def run(append: str, *options: str):
        initramfs = ("--initrd", str(program.parent / "guests" / "linux.cpio"))
        return vmxsim("boot", str(linux / "vmlinuz"), *initramfs, "--append", append, "--profile", "haswell", *options)

    return run


def test_without_acpi_the_run_ends_by_the_debug_exit_port(boot, linux):
    ended = boot(SPARSE, "--timing", "none")
    assert ended.status == 1, ended  # the value 0 through the port
    lines = ended.out.splitlines()
    assert f"init: hello from Linux {(linux / 'release').read_text().strip()} x86_64" in lines
    assert "init: VMX is offered" in lines
    assert lines[-1] == "init: good"


def test_init_that_cannot_load_a_module_says_so_and_fails(boot):
    ended = boot(SPARSE + " modules=no-such-module", "--timing", "none")
    assert ended.status == 3, ended  # the value 1 through the port
    assert ended.out.splitlines()[-1] == "init: open /modules/no-such-module.ko: No such file or directory"


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
