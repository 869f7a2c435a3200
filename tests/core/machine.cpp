// SPDX-License-Identifier: Apache-2.0
#include "machine.hpp"

#include <stdexcept>
#include <string>

namespace vmxsim::test {

using namespace vmx;
using arch::Field;
namespace msr = arch::msr;

namespace {

arch::Capabilities everything() {
    arch::Capabilities c;
    constexpr u64 kAny = u64{0xffffffff} << 32;
    c.set(msr::IA32_VMX_BASIC, 0x00da040000000012 | u64{1} << 54 | u64{1} << 55);
    for (const u32 i : {msr::IA32_VMX_PINBASED_CTLS, msr::IA32_VMX_TRUE_PINBASED_CTLS}) c.set(i, kAny | 0x16);
    c.set(msr::IA32_VMX_PROCBASED_CTLS, kAny | 0x0401e172);
    c.set(msr::IA32_VMX_TRUE_PROCBASED_CTLS, kAny | 0x04006172);
    c.set(msr::IA32_VMX_EXIT_CTLS, kAny | 0x36dff);
    c.set(msr::IA32_VMX_TRUE_EXIT_CTLS, kAny | 0x36dfb);
    c.set(msr::IA32_VMX_ENTRY_CTLS, kAny | 0x11ff);
    c.set(msr::IA32_VMX_TRUE_ENTRY_CTLS, kAny | 0x11fb);
    c.set(msr::IA32_VMX_MISC, 0x300481e5);
    c.set(msr::IA32_VMX_CR0_FIXED0, 0x80000021);
    c.set(msr::IA32_VMX_CR0_FIXED1, 0xffffffff);
    c.set(msr::IA32_VMX_CR4_FIXED0, 0x2000);
    c.set(msr::IA32_VMX_CR4_FIXED1, 0x3767ff);
    c.set(msr::IA32_VMX_PROCBASED_CTLS2, kAny);
    c.set(msr::IA32_VMX_EPT_VPID_CAP, 0xf0106334141);
    c.set(msr::IA32_VMX_VMFUNC, 1);
    return c;
}

core::CpuidTable profile() {
    core::CpuidTable t;
    t.leaves = {
        {.leaf = 0, .eax = 0xd, .ebx = 0x756e6547, .ecx = 0x6c65746e, .edx = 0x49656e69},
        {.leaf = 1,
         .eax = 0x306f2,
         .ebx = 0,
         .ecx = 1u << 5 | 1u << 3 | 1u << 17 | 1u << 26 | 1u << 30,
         .edx = 0x0f8bfbff},
        {.leaf = 5, .eax = 64, .ebx = 64, .ecx = 3, .edx = 0x10},
        {.leaf = 6, .eax = 4, .ecx = 1},
        {.leaf = 0xa, .eax = 0x07300403, .ebx = 0x60, .edx = 0x603},
        {.leaf = 7,
         .subleaf = 0,
         .any_subleaf = false,
         .ebx = 1u << 0 | 1u << 7 | 1u << 10 | 1u << 18 | 1u << 20,
         .ecx = 1u << 2 | 1u << 22},
        {.leaf = 0xd, .subleaf = 0, .any_subleaf = false, .eax = 7, .ebx = 0x340, .ecx = 0x340},
        {.leaf = 0xd, .subleaf = 2, .any_subleaf = false, .eax = 0x100, .ebx = 0x240},
        {.leaf = 0x80000000, .eax = 0x80000001},
        {.leaf = 0x80000001, .edx = 1u << 11 | 1u << 20 | 1u << 27 | 1u << 29},
    };
    return t;
}

}  // namespace

Machine::Machine(bool with_echo)
    : cpuid(profile()),
      capabilities(everything()),
      core({mmu, ram, caches, io, params, cpuid, capabilities, ledger}, core::TimingLevel::Interval),
      vmx({core.state, vmcs, ram, mmu, capabilities, timing, ledger}) {
    if (with_echo) io.attach(0x60, 0x7f, echo);
    core.attach(vmx);
    core.state.feature_control = 5;
    // Identity paging: PML4, PDPT, page directory of 2-MiB user pages.
    poke(kPages, (kPages + 0x1000) | 7, 8);
    poke(kPages + 0x1000, (kPages + 0x2000) | 7, 8);
    for (u64 i = 0; i < 2; ++i) poke(kPages + 0x2000 + 8 * i, i << 21 | 0xe7, 8);
    descriptor(kCode0, 0, 0xfffff, 0xc09b);
    descriptor(kData0, 0, 0xfffff, 0xc093);
    descriptor(kCode3, 0, 0xfffff, 0xc0fb);
    descriptor(kData3, 0, 0xfffff, 0xc0f3);
    descriptor(kTss, kTssBase, 0x1ff, 0x8b);
    poke(kGdt + kTss + 8, 0, 8);
    descriptor(kCode64, 0, 0xfffff, 0xa09b);
    descriptor(kCode64User, 0, 0xfffff, 0xa0fb);
    descriptor(kConforming, 0, 0xfffff, 0xc09f);
    descriptor(kAbsent, 0, 0xfffff, 0xc013);
    descriptor(kReadOnly, 0, 0xfffff, 0xc091);
    descriptor(kExecuteOnly, 0, 0xfffff, 0xc099);
    descriptor(kLdt, 0x3000, 0xff, 0x82);
    poke(kGdt + kLdt + 8, 0, 8);
    protected32();
}

void Machine::descriptor(u16 selector, u64 base, u32 limit, u32 ar) {
    const u64 low = (limit & 0xffff) | (base & 0xffffff) << 16 | u64{ar & 0xff} << 40 | u64{limit >> 16 & 15} << 48 |
                    u64{ar >> 12 & 15} << 52 | (base >> 24 & 0xff) << 56;
    poke(kGdt + (selector & 0xfff8), low, 8);
}

void Machine::gate(u8 vector, u16 selector, u64 offset, u8 type, u8 dpl, bool present, u8 ist) {
    const u64 low = (offset & 0xffff) | u64{selector} << 16 | u64{ist} << 32 |
                    u64{static_cast<u8>(type | dpl << 5 | (present ? 0x80 : 0))} << 40 | (offset >> 16 & 0xffff) << 48;
    if (core.state.long_mode()) {
        poke(kIdt + vector * 16u, low, 8);
        poke(kIdt + vector * 16u + 8, offset >> 32, 8);
    } else {
        poke(kIdt + vector * 8u, low, 8);
    }
}

void Machine::call_gate(u16 selector, u16 target, u64 offset, u8 type, u8 dpl, unsigned parameters) {
    poke(kGdt + (selector & 0xfff8),
         (offset & 0xffff) | u64{target} << 16 | u64{parameters} << 32 |
             u64{static_cast<u8>(type | dpl << 5 | 0x80)} << 40 | (offset >> 16 & 0xffff) << 48,
         8);
    if (core.state.long_mode()) poke(kGdt + (selector & 0xfff8) + 8, offset >> 32, 8);
}

void Machine::real() {
    CpuState& s = core.state;
    s.cr0 = cr0::ET;
    s.cr4 = s.efer = 0;
    s.rflags = 2;
    for (Segment& seg : s.seg) seg = {0, {0x93}, 0xffff, 0};
    s.seg[CS] = {kCode >> 4, {0x9b}, 0xffff, kCode};
    s.seg[SS] = {kStack >> 4, {0x93}, 0xffff, kStack};
    s.seg[DS] = {kData >> 4, {0x93}, 0xffff, kData};
    s.seg[LDTR].ar.raw = 0x82;
    s.seg[TR].ar.raw = 0x8b;
    s.idtr = {kIdt, 0x3ff};
    s.rip = 0;
    s.r[RSP] = 0x1000;
    core.context_changed();
}

void Machine::protected32(u8 cpl) {
    CpuState& s = core.state;
    s.cr0 = cr0::ET | cr0::PE | cr0::NE;
    s.cr3 = kPages;
    s.cr4 = s.efer = 0;
    s.rflags = 2;
    const u32 dpl = u32{cpl} << 5;
    const u16 code = cpl ? kCode3 : kCode0, data = cpl ? kData3 : kData0;
    s.seg[CS] = {code, {0xc09b | dpl}, 0xffffffff, 0};
    for (const Seg seg : {ES, SS, DS, FS, GS}) s.seg[seg] = {data, {0xc093 | dpl}, 0xffffffff, 0};
    s.seg[TR] = {kTss, {0x8b}, 0x1ff, kTssBase};
    s.seg[LDTR] = {0, {1u << 16}, 0, 0};
    s.gdtr = {kGdt, 0x3ff};
    s.idtr = {kIdt, 0x7ff};
    s.rip = kCode;
    s.r[RSP] = kStack;
    poke(kTssBase + 4, kInnerStack, 4);
    poke(kTssBase + 8, kData0, 2);
    poke(kTssBase + 102, 104, 2);
    core.context_changed();
}

void Machine::long64(u8 cpl) {
    protected32(cpl);
    CpuState& s = core.state;
    s.cr0 |= cr0::PG;
    s.cr4 = cr4::PAE;
    s.efer = efer::LME | efer::LMA | efer::SCE;
    s.seg[CS] = {cpl ? kCode64User : kCode64, {0xa09b | u32{cpl} << 5}, 0xffffffff, 0};
    s.idtr = {kIdt, 0xfff};
    poke(kTssBase + 4, kInnerStack, 8);
    core.context_changed();
}

void Machine::compatibility(u8 cpl) {
    long64(cpl);
    core.state.seg[CS] = {cpl ? kCode3 : kCode0, {0xc09b | u32{cpl} << 5}, 0xffffffff, 0};
    core.context_changed();
}

Outcome Machine::run(std::initializer_list<u8> bytes) {
    CpuState& s = core.state;
    const u64 at = s.seg[CS].base + s.rip;
    u64 i = 0;
    for (const u8 b : bytes) poke(at + i++, b, 1);
    ZydisDecoder decoder;
    if (s.code64())
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    else if (s.seg[CS].ar.big())
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    else
        ZydisDecoderInit(&decoder, s.protected_mode() ? ZYDIS_MACHINE_MODE_LEGACY_16 : ZYDIS_MACHINE_MODE_REAL_16,
                         ZYDIS_STACK_WIDTH_16);
    core::Insn insn{};
    const std::vector<u8> code(bytes);
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &insn.z, insn.op)))
        throw std::invalid_argument("test instruction does not decode");
    if (insn.length() != bytes.size()) throw std::invalid_argument("test instruction has another length");
    if (!core::is_system(insn)) throw std::invalid_argument("not a system instruction");
    const Outcome outcome = core::execute_system(core, insn);
    if (outcome == Outcome::Next) s.rip += insn.length();
    return outcome;
}

Outcome Machine::run_and_deliver(std::initializer_list<u8> bytes) {
    const Outcome outcome = run(bytes);
    if (outcome == Outcome::Fault) core.deliver(vmx::Event{core.fault()});
    return outcome;
}

void Machine::vmxon() {
    core.state.cr4 |= cr4::VMXE;
    poke(kVmxon, capabilities.revision_id(), 4);
    poke(kVmcs, capabilities.revision_id(), 4);
    if (vmx.vmxon(kVmxon).kind != VmxResult::Succeed || vmx.vmclear(kVmcs).kind != VmxResult::Succeed ||
        vmx.vmptrld(kVmcs).kind != VmxResult::Succeed)
        throw std::runtime_error("no VMX operation");
}

void Machine::field(Field f, u64 value) {
    if (vmx.vmwrite(arch::encoding_of(f), value).kind != VmxResult::Succeed)
        throw std::runtime_error("VMWRITE of " + std::string(arch::info(f).name));
}

u64 Machine::field(Field f) { return vmx.peek(f); }

void Machine::prepare_vmcs() {
    const CpuState& s = core.state;
    const u64 kSecondary = secondary ? u64{1} << 31 : 0;
    field(Field::PIN_BASED_VM_EXEC_CONTROL, 0x16 | pin);
    field(Field::CPU_BASED_VM_EXEC_CONTROL, 0x04006172 | primary | kSecondary);
    field(Field::SECONDARY_VM_EXEC_CONTROL, secondary);
    field(Field::VM_EXIT_CONTROLS, 0x36dfb | 1u << 9);
    field(Field::VM_ENTRY_CONTROLS, 0x11fb | (s.long_mode() ? 1u << 9 : 0u));
    field(Field::IO_BITMAP_A, kBitmaps);
    field(Field::IO_BITMAP_B, kBitmaps + 0x1000);
    field(Field::MSR_BITMAP, kBitmaps + 0x2000);
    field(Field::VMREAD_BITMAP, kBitmaps + 0x3000);
    field(Field::VMWRITE_BITMAP, kBitmaps + 0x4000);
    field(Field::VMCS_LINK_POINTER, ~u64{0});
    field(Field::VIRTUAL_PROCESSOR_ID, 1);
    field(Field::EXCEPTION_BITMAP, 0);
    static constexpr Field kSelectors[] = {
        Field::GUEST_ES_SELECTOR, Field::GUEST_CS_SELECTOR, Field::GUEST_SS_SELECTOR,   Field::GUEST_DS_SELECTOR,
        Field::GUEST_FS_SELECTOR, Field::GUEST_GS_SELECTOR, Field::GUEST_LDTR_SELECTOR, Field::GUEST_TR_SELECTOR};
    static constexpr Field kBases[] = {Field::GUEST_ES_BASE,   Field::GUEST_CS_BASE, Field::GUEST_SS_BASE,
                                       Field::GUEST_DS_BASE,   Field::GUEST_FS_BASE, Field::GUEST_GS_BASE,
                                       Field::GUEST_LDTR_BASE, Field::GUEST_TR_BASE};
    static constexpr Field kLimits[] = {Field::GUEST_ES_LIMIT,   Field::GUEST_CS_LIMIT, Field::GUEST_SS_LIMIT,
                                        Field::GUEST_DS_LIMIT,   Field::GUEST_FS_LIMIT, Field::GUEST_GS_LIMIT,
                                        Field::GUEST_LDTR_LIMIT, Field::GUEST_TR_LIMIT};
    static constexpr Field kRights[] = {Field::GUEST_ES_AR_BYTES,   Field::GUEST_CS_AR_BYTES, Field::GUEST_SS_AR_BYTES,
                                        Field::GUEST_DS_AR_BYTES,   Field::GUEST_FS_AR_BYTES, Field::GUEST_GS_AR_BYTES,
                                        Field::GUEST_LDTR_AR_BYTES, Field::GUEST_TR_AR_BYTES};
    for (unsigned i = 0; i < kSegCount; ++i) {
        field(kSelectors[i], s.seg[i].selector);
        field(kBases[i], s.seg[i].base);
        field(kLimits[i], s.seg[i].limit);
        field(kRights[i], s.seg[i].ar.raw);
    }
    const struct {
        Field f;
        u64 value;
    } values[] = {
        {Field::GUEST_CR0, s.cr0},
        {Field::GUEST_CR3, s.cr3},
        {Field::GUEST_CR4, s.cr4},
        {Field::GUEST_DR7, 0x400},
        {Field::GUEST_RSP, s.r[RSP]},
        {Field::GUEST_RIP, s.rip},
        {Field::GUEST_RFLAGS, s.rflags},
        {Field::GUEST_GDTR_BASE, s.gdtr.base},
        {Field::GUEST_GDTR_LIMIT, s.gdtr.limit},
        {Field::GUEST_IDTR_BASE, s.idtr.base},
        {Field::GUEST_IDTR_LIMIT, s.idtr.limit},
        {Field::GUEST_IA32_DEBUGCTL, 0},
        {Field::HOST_CR0, s.cr0},
        {Field::HOST_CR3, kPages},
        {Field::HOST_CR4, cr4::PAE | cr4::VMXE},
        {Field::HOST_CS_SELECTOR, kCode64},
        {Field::HOST_SS_SELECTOR, kData0},
        {Field::HOST_DS_SELECTOR, kData0},
        {Field::HOST_ES_SELECTOR, kData0},
        {Field::HOST_FS_SELECTOR, kData0},
        {Field::HOST_GS_SELECTOR, kData0},
        {Field::HOST_TR_SELECTOR, kTss},
        {Field::HOST_TR_BASE, kTssBase},
        {Field::HOST_GDTR_BASE, kGdt},
        {Field::HOST_IDTR_BASE, kIdt},
        {Field::HOST_RSP, kStack},
        {Field::HOST_RIP, kHostEntry},
    };
    for (const auto& v : values) field(v.f, v.value);
}

void Machine::enter() {
    const EntryResult result = vmx.vmlaunch();
    if (result.kind != EntryResult::Entered)
        throw std::runtime_error(std::string("VM entry: ") + (result.violated ? result.violated : "?"));
    core.after_vm_entry(result);
}

void Machine::guest64() {
    const bool fresh = !core.state.vmx.on;
    if (fresh) {
        if (!core.state.long_mode()) long64();
        vmxon();
    }
    prepare_vmcs();
    enter();
}

}  // namespace vmxsim::test
