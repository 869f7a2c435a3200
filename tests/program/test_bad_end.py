# SPDX-License-Identifier: Apache-2.0
"""What is printed where a run ends badly."""
import tiny


def report_of(ended) -> str:
    assert ended.status == 3
    text = ended.err
    assert max(map(len, text.splitlines())) <= 100, "fits 100 columns"
    return text


def test_a_triple_fault_shows_registers_code_and_how_it_came_to_it(vmxsim, tmp_path):
    ended = vmxsim("boot", tiny.image(tmp_path / "events.elf", tiny.EVENTS), "--quiet")
    text = report_of(ended)
    assert "L0 root, protected mode, 32-bit, CPL 0, shut down" in text
    assert f"rip {tiny.EVENTS_UD2:016x}  rflags" in text
    assert f"=> {tiny.EVENTS_UD2:016x}  0f0b" in text and "ud2" in text
    assert "cs 0008 0000000000000000/ffffffff 0c09b" in text
    chain = [line.split(maxsplit=5)[-1] for line in text.splitlines() if line.startswith("   cycle")]
    assert chain == ["#UD", "#GP error 0x33", "#DF error 0x0", "triple fault"]
    assert text.rstrip().endswith("vmxsim: the processor shut down (triple fault)")


def test_no_progress_shows_where_the_processor_is(vmxsim, tmp_path):
    text = report_of(vmxsim("boot", tiny.image(tmp_path / "loop.elf", tiny.LOOP), "--quiet", "--max-cycles", "5000"))
    assert f"=> {tiny.ENTRY:016x}  ebfe" in text
    assert "VMX" not in text, "there is no VMX operation to tell of"


def test_in_vmx_operation_the_current_vmcs_is_told(vmxsim):
    # The hypervisor of the project is cut in its guest: the last exits and the VMCS with its state.
    ended = vmxsim("run", "nested-exits", "--l0", "none", "--quiet", "--max-cycles", "3000000")
    text = report_of(ended)
    assert "launched\n" in text and "   guest   rip " in text and "   exit    " in text
    events = [line for line in text.splitlines() if line.startswith("   cycle")]
    assert len(events) == 16
    assert any("VM exit" in line for line in events) and any("VM entry" in line for line in events)


def test_the_report_is_the_same_whatever_holds_the_vmcs(vmxsim):
    def of(*arguments: str) -> str:
        return vmxsim("run", "nested-exits", "--l0", "none", "--quiet", "--max-cycles", "3000000", *arguments).err

    for contexts in ("0", "2"):
        knob = ("--set", f"vmcs_cache.contexts={contexts}")
        assert of(*knob) == of("--vmcs-cache", "lockstep", *knob)
