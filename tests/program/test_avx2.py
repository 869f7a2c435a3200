# SPDX-License-Identifier: Apache-2.0
"""Code that a compiler vectorised with AVX2, in the simulated machine and on the host."""
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("avx2.c")
FLAGS = ["-O3", "-mavx2", "-mbmi", "-mbmi2", "-mtune=haswell", "-fno-math-errno", "-fno-stack-protector",
         # Not -ffast-math: it uses VRSQRTPS, which CPUs approximate differently.
         "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math", "-ffinite-math-only",
         "-fno-tree-loop-distribute-patterns"]  # memcpy must not become a call of itself


def host_has_avx2() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and " avx2 " in cpuinfo.read_text()


def build_kernel(path: Path) -> None:
    subprocess.run(["gcc", *FLAGS, "-ffreestanding", "-mno-red-zone", "-fno-pic", "-mcmodel=small", "-fcf-protection=none",
                    "-nostdlib", "-static", "-no-pie", "-Wl,-Ttext=0x1000000,--build-id=none,-z,noexecstack", SOURCE,
                    "-o", path], check=True)


@pytest.mark.skipif(not host_has_avx2() or not shutil.which("gcc"), reason="needs gcc and a host with AVX2")
def test_vectorised_code_computes_what_the_host_computes(vmxsim, tmp_path):
    native, kernel = tmp_path / "native", tmp_path / "kernel.elf"
    subprocess.run(["gcc", *FLAGS, "-DNATIVE", SOURCE, "-o", native], check=True)
    build_kernel(kernel)
    listing = subprocess.run(["objdump", "-d", kernel], capture_output=True, text=True, check=True).stdout
    assert listing.count("%ymm") > 100
    expected = subprocess.run([native], capture_output=True, text=True, check=True).stdout
    run = vmxsim("boot", str(kernel), "--profile", "haswell", "--timing", "none", "--max-cycles", "100000000")
    assert run.status == 1, run.err  # port 0xF4: (0 << 1) | 1
    assert run.out.startswith(expected)
    assert expected.count("\n") == 12


@pytest.mark.skipif(not shutil.which("gcc"), reason="needs gcc")
def test_a_cpu_without_avx_does_not_run_it(vmxsim, tmp_path):
    kernel = tmp_path / "kernel.elf"
    build_kernel(kernel)
    run = vmxsim("boot", str(kernel), "--profile", "nehalem", "--timing", "none", "--max-cycles", "100000000")
    assert run.status == 3  # CR4.OSXSAVE raises #GP, and there is no IDT
