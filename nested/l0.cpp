// SPDX-License-Identifier: Apache-2.0
// Start of the machine, and the loop around the exits of both guests.
#include "nested/l0.hpp"

#include <stdexcept>

namespace vmxsim::nested {

using arch::ExitReason;
using arch::Field;
using namespace vmx;

Buckets::Buckets(Ledger& l)
    : l1_exit(l.bucket("L1 exit handling")),
      l2_exit(l.bucket("L2 to L0: exit and routing")),
      sync(l.bucket("vmcs12 sync")),
      to_l1(l.bucket("L0 to L1 switch")),
      to_l2(l.bucket("L0 to L2 switch")),
      entry(l.bucket("entry path")),
      access(l.bucket("L1 VMREAD/VMWRITE emulation")),
      vmx_instruction(l.bucket("L1 VMX instruction emulation")),
      vmresume(l.bucket("VMRESUME emulation")),
      page_fill(l.bucket("page fill")),
      io(l.bucket("user-space I/O")),
      start(l.bucket("start of L0")) {
    for (const Step& s : prepare_vmcs02_steps()) steps.push_back(l.bucket(std::string("prepare_vmcs02: ") + s.name));
}

L0::L0(const UnitDependencies& dependencies)
    : d(dependencies),
      cpu(dependencies.cpu),
      config(L0Config::make(d.capabilities, d.params)),
      offered(offered_capabilities(d.capabilities, config)),
      buckets(d.ledger),
      pages(d.ram, d.l1_base),
      memory(d.ram, d.l1_base, d.l1_bytes, d.capabilities.physical_address_bits) {
    if (d.policy != "kvm-2011") throw std::runtime_error("nested unit: no policy \"" + d.policy + "\"");
    if ((d.l1_base.raw & 0xfff) || !d.ram.contains(d.l1_base, d.l1_bytes))
        throw std::runtime_error("nested unit: L1's memory does not lie page-aligned in RAM");
}

std::optional<Event> L0::start(const CpuState& given) {
    const CpuState l1 = given;  // may be the very CPU that becomes L0's now
    const Charge charge(d.ledger, buckets.start, cpu.cycles);
    cpu = l1;
    enter_root_mode(cpu);
    cpu.feature_control = d.capabilities.feature_control;

    const u32 revision = d.capabilities.revision_id();
    const auto region = [&] {
        const HostPhysical page = pages.take();
        d.ram.write(page, 4, revision);
        return page;
    };
    vmxon_region = region();
    vmcs01 = region();
    virtual_apic = pages.take();
    l0_apic_page = pages.take();
    cpu.cr3 = vmcs01.raw;
    if (d.vmx.vmxon(vmxon_region.raw).kind != VmxResult::Succeed) throw std::runtime_error("nested unit: VMXON failed");
    if (config.msr_bitmaps) make_msr_bitmap();
    if (config.ept) {
        ept = std::make_unique<Ept01>(d.ram, pages, memory, d.capabilities, d.params.ept_large_pages != 0);
        if (!config.unrestricted) {  // linear = physical for an L1 without paging: 1024 pages of 4 MiB
            const HostPhysical table = pages.take();
            constexpr u64 kPresentLargeAccessedDirty = 0xe7;
            for (u64 i = 0; i < 1024; ++i) d.ram.write(table + 4 * i, 4, i << 22 | kPresentLargeAccessedDirty);
            ept->map({kIdentityTable}, table);
        }
    } else {
        shadow = std::make_unique<ShadowMmu>(d.ram, pages, memory);
    }
    clear_vmcs(vmcs01);
    load_vmcs(vmcs01);
    build_vmcs01(l1);
    auto inject = enter();
    if (stopped) throw std::runtime_error("nested unit: " + reason);
    return inject;
}

ExitFacts L0::read_exit_facts() {
    const bool l2 = nested.guest_mode;
    ExitFacts f;
    f.idt_vectoring = static_cast<u32>(read(Field::IDT_VECTORING_INFO_FIELD));
    const arch::EventInfo event{f.idt_vectoring};
    PendingEvent again{event, 0, 0};
    if (event.valid()) {
        again.error_code = static_cast<u32>(read(Field::IDT_VECTORING_ERROR_CODE));
        again.instruction_length = static_cast<u32>(read(Field::VM_EXIT_INSTRUCTION_LEN));
        again.info.raw &= ~(1u << 12);  // undefined in this field, reserved where it is injected
        pending = again;                // unless L1 is told of it, it is delivered anew
    }
    if (l2) {
        write12(Field::IDT_VECTORING_INFO_FIELD, f.idt_vectoring);
        if (event.valid()) {
            write12(Field::IDT_VECTORING_ERROR_CODE, again.error_code);
            write12(Field::VM_EXIT_INSTRUCTION_LEN, again.instruction_length);
        }
    }
    f.raw_reason = static_cast<u32>(read(Field::VM_EXIT_REASON));
    if (f.reason() == ExitReason::EXCEPTION_NMI || f.reason() == ExitReason::MCE_DURING_VMENTRY)
        f.intr_info = static_cast<u32>(read(Field::VM_EXIT_INTR_INFO));
    f.tsc_offset = read(Field::TSC_OFFSET);
    if (l2) {  // routing reads both again
        f.raw_reason = static_cast<u32>(read(Field::VM_EXIT_REASON));
        f.intr_info = static_cast<u32>(read(Field::VM_EXIT_INTR_INFO));
    }
    return f;
}

BucketId L0::bucket_of(ExitReason r) const {
    if (nested.guest_mode) return buckets.l2_exit;
    switch (r) {
        case ExitReason::VMREAD:
        case ExitReason::VMWRITE:
            return buckets.access;
        case ExitReason::VMLAUNCH:
        case ExitReason::VMRESUME:
            return buckets.vmresume;
        case ExitReason::VMCLEAR:
        case ExitReason::VMPTRLD:
        case ExitReason::VMPTRST:
        case ExitReason::VMXON:
        case ExitReason::VMXOFF:
            return buckets.vmx_instruction;
        case ExitReason::EPT_VIOLATION:
            return buckets.page_fill;
        default:
            return buckets.l1_exit;
    }
}

std::optional<Event> L0::vm_exit_taken() {
    if (stopped) return std::nullopt;
    const bool l2 = nested.guest_mode;
    ++(l2 ? stats.exits_l2 : stats.exits_l1);
    const auto basic = static_cast<u16>(d.vmx.peek(Field::VM_EXIT_REASON));
    d.ledger.charge(bucket_of(static_cast<ExitReason>(basic)), cpu.cycles);
    cpu.cycles += d.params.exit_software;

    cache = {};
    pending.reset();
    ExitFacts facts = read_exit_facts();
    if (l2) {
        if (nested.run_pending) event_requested = true;
        nested.run_pending = false;
        if (l1_wants(facts)) {
            pending.reset();  // L1 has it in vmcs12's IDT-vectoring information
            exit_to_l1(facts);
        } else {
            dispatch(facts);
        }
    } else {
        dispatch(facts);
    }
    if (stopped) return std::nullopt;
    return enter();
}

}  // namespace vmxsim::nested
