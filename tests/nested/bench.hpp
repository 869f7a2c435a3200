// SPDX-License-Identifier: Apache-2.0
// A machine without core: CPU state, VMX unit, VMCS cache, memory, nested unit. The test is L1 and L2: it sets
// registers and takes the exits that their instructions would cause.
#pragma once
#include <map>
#include <set>

#include "model/vmcs_cache/cache.hpp"
#include "model/vmx/vmx.hpp"
#include "nested/l0.hpp"
#include "nested/unit.hpp"

namespace nested_bench {

using namespace vmxsim;
using arch::ExitReason;
using arch::Field;
using vmx::ExitInfo;

struct PlainLines : arch::LineMemory {
    explicit PlainLines(memory::PhysicalMemory& r) : ram(r) {}
    memory::PhysicalMemory& ram;
    Cycles read_line(HostPhysical line, u8 (&bytes)[64]) override { return ram.read_block(line, bytes), Cycles{10}; }
    Cycles write_line(HostPhysical line, const u8 (&bytes)[64]) override {
        return ram.write_block(line, bytes), Cycles{10};
    }
};

struct Flushes : arch::TranslationControl {
    unsigned count = 0;
    void invalidate_address(Vpid, GuestVirtual) override { ++count; }
    void flush_vpid(Vpid, bool) override { ++count; }
    void flush_all_vpids() override { ++count; }
    void flush_eptp(Eptp) override { ++count; }
    void flush_everything() override { ++count; }
};

/// A CPU of 2010: all features that 64-bit long mode, SSE2 and VMX need.
struct Leaves : nested::CpuidSource {
    bool modern = false;  ///< with LA57, protection keys and the whole XSAVE family
    void cpuid(u32 leaf, u32 subleaf, u32 (&r)[4]) const override {
        r[0] = r[1] = r[2] = r[3] = 0;
        if (leaf == 0) r[0] = 0xb;
        if (leaf == 1) r[0] = 0x206c2, r[2] = 1u << 5 | 1u << 3 | 1u << 17, r[3] = 0x0781abff | 1u << 24;
        if (leaf == 0x80000000) r[0] = 0x80000008;
        if (leaf == 0x80000001) r[3] = 1u << 29 | 1u << 20 | 1u << 11 | 1u << 27;
        if (!modern) return;
        if (leaf == 0) r[0] = 0xd;
        if (leaf == 7 && subleaf == 0) r[2] = 1u << 2 | 1u << 3 | 1u << 16;
        if (leaf == 0xd && subleaf == 0) r[0] = 0x207, r[1] = r[2] = 0xa88;
        if (leaf == 0xd && subleaf == 1) r[0] = 0xf;
        if (leaf == 0xd && subleaf == 2) r[0] = 0x100, r[1] = 0x240;
        if (leaf == 0xd && subleaf == 9) r[0] = 8, r[1] = 0xa80;
        if (leaf == 0x80000008) r[0] = 0x3928;
    }
};

struct LoopBack : devices::PortDevice {
    std::map<u16, u32> last;
    u32 in(u16 port, unsigned) override { return last[port] ^ 0x5a; }
    void out(u16 port, unsigned, u32 value) override { last[port] = value; }
};

inline arch::Capabilities westmere(bool unrestricted) {
    using namespace arch::msr;
    arch::Capabilities c;
    constexpr std::pair<u32, u64> rows[] = {
        // a recorded Xeon W3670
        {0x480, 0x00da04000000000f}, {0x481, 0x0000007f00000016}, {0x482, 0xfff9fffe0401e172},
        {0x483, 0x007fffff00036dff}, {0x484, 0x0000ffff000011ff}, {0x485, 0x00000000000401e7},
        {0x486, 0x0000000080000021}, {0x487, 0x00000000ffffffff}, {0x488, 0x0000000000002000},
        {0x489, 0x00000000000267ff}, {0x48a, 0x000000000000002a}, {0x48b, 0x000004ff00000000},
        {0x48c, 0x00000f0106134141}, {0x48d, 0x0000007f00000016}, {0x48e, 0xfff9fffe04006172},
        {0x48f, 0x007fffff00036dfb}, {0x490, 0x0000ffff000011fb}};
    for (const auto& [index, value] : rows) c.set(index, value);
    if (!unrestricted) c.set(IA32_VMX_PROCBASED_CTLS2, 0x0000007f00000000);
    return c;
}

struct Options {
    bool ept = true, vpid = true, unrestricted = true, rdtscp = false;
    u64 pool = 1;
    u64 l1_efer = 0xd01;  ///< as Linux has it: SCE, LME, LMA, NXE
    bool long_mode = true;
};

struct Bench {
    static constexpr u64 kBase = 0x400000, kBytes = 0x1000000;
    static constexpr u64 kVmxonRegion = 0x10000, kVmcs12 = 0x11000, kOtherVmcs12 = 0x12000, kOperand = 0x5008;
    static constexpr u64 kHostRip = 0x7000, kHostRsp = 0x8000, kL1Cr3 = 0x1000, kL2Cr3 = 0x20000;

    explicit Bench(Options o = {}) : options(o), capabilities(westmere(o.unrestricted)) {
        params.ept = o.ept;
        params.vpid = o.vpid;
        params.rdtscp = o.rdtscp;
        params.vmcs02_pool = o.pool;
        io.attach(0x80, 0x90, device);
        l0 = std::make_unique<nested::L0>(nested::UnitDependencies{
            cpu, vmx, ram, flushes, capabilities, io, leaves, ledger, params, "kvm-2011", {kBase}, kBytes});
    }

    Options options;
    arch::Capabilities capabilities;
    memory::PhysicalMemory ram{kBase + kBytes};
    PlainLines lines{ram};
    vmcs_cache::VmcsCacheParams cache_params{};
    vmcs_cache::VmcsCache cache{cache_params, lines};
    Flushes flushes;
    vmx::CpuState cpu;
    vmx::VmxTiming timing{};
    vmx::Ledger ledger;
    vmx::Vmx vmx{{cpu, cache, ram, flushes, capabilities, timing, ledger}};
    devices::IoBus io;
    LoopBack device;
    Leaves leaves;
    nested::NestedParams params{};
    std::unique_ptr<nested::L0> l0;
    std::optional<vmx::Event> injected;

    u64 l1_read(u64 gpa, unsigned bytes = 8) const { return ram.read({kBase + gpa}, bytes); }
    void l1_write(u64 gpa, u64 value, unsigned bytes = 8) { ram.write({kBase + gpa}, bytes, value); }

    static vmx::CpuState protected_mode() {
        using namespace vmx;
        CpuState s;
        s.cr0 = cr0::PE | cr0::ET;
        s.rip = 0x100000;
        for (auto& g : s.seg) g = {0x10, {0xc093}, 0xffffffff, 0};
        s.seg[CS] = {0x8, {0xc09b}, 0xffffffff, 0};
        s.seg[LDTR] = {0, {0x10000}, 0, 0};
        s.seg[TR] = {0, {0x10000}, 0, 0};
        return s;
    }
    vmx::CpuState l1_state() {
        using namespace vmx;
        CpuState s = protected_mode();
        if (!options.long_mode) return s;
        for (u64 root : {kL1Cr3, kL2Cr3}) {  // identity-mapped with 2-MiB pages
            l1_write(root, (root + 0x1000) | 3);
            l1_write(root + 0x1000, (root + 0x2000) | 3);
            for (u64 i = 0; i < 8; ++i) l1_write(root + 0x2000 + 8 * i, i << 21 | 0x83);
        }
        s.cr0 = cr0::PE | cr0::ET | cr0::NE | cr0::WP | cr0::PG;
        s.cr3 = kL1Cr3;
        s.cr4 = cr4::PAE | cr4::PGE | cr4::VMXE | cr4::OSFXSR;
        s.efer = options.l1_efer;
        s.seg[CS].ar = {0xa09b};
        s.seg[FS] = s.seg[GS] = {0, {0x10000}, 0xffffffff, 0};
        s.seg[TR] = {0x40, {0x8b}, 0x67, 0x9000};
        s.gdtr = {0xa000, 0xffff};
        s.idtr = {0xb000, 0xffff};
        return s;
    }

    void start() { injected = l0->start(l1_state()); }

    // ---- exits of whoever runs
    void exit(ExitInfo info) {
        cpu.cycles += 100;
        vmx.exit(info);
        injected = l0->vm_exit_taken();
    }
    void exit(ExitReason reason, u32 length = 3, u64 qualification = 0, u32 instruction_info = 0) {
        ExitInfo info;
        info.reason = reason;
        info.instruction_length = length;
        info.qualification = qualification;
        info.instruction_info = instruction_info;
        exit(info);
    }
    void exception(u8 vector, std::optional<u32> code = {}, u64 qualification = 0) {
        ExitInfo info;
        info.reason = ExitReason::EXCEPTION_NMI;
        info.intr_info = arch::EventInfo::make(vector, arch::EventType::HardwareException, code.has_value());
        info.intr_error_code = code.value_or(0);
        info.qualification = qualification;
        exit(info);
    }

    // ---- VMX instructions of L1. Memory operands: [displacement], 64-bit address size, DS.
    static constexpr u32 kMemoryOperand = 2u << 7 | 3u << 15 | 1u << 22 | 1u << 27;
    bool pointer(ExitReason reason, u64 value) {
        l1_write(kOperand, value);
        exit(reason, 4, kOperand, kMemoryOperand);
        return succeeded();
    }
    bool succeeded() const { return !(cpu.rflags & vmx::rflags::kArithmetic); }
    bool fail_invalid() const { return (cpu.rflags & vmx::rflags::kArithmetic) == vmx::rflags::CF; }
    bool fail_valid() const { return (cpu.rflags & vmx::rflags::kArithmetic) == vmx::rflags::ZF; }
    static constexpr u32 kInRegister = 1u << 10 | vmx::RAX << 3 | vmx::RDX << 28;
    u64 vmread(u64 encoding) {
        cpu.r[vmx::RDX] = encoding;
        exit(ExitReason::VMREAD, 3, 0, kInRegister);
        return cpu.r[vmx::RAX];
    }
    u64 vmread(Field f) { return vmread(arch::encoding_of(f)); }
    void vmwrite(u64 encoding, u64 value) {
        cpu.r[vmx::RDX] = encoding;
        cpu.r[vmx::RAX] = value;
        exit(ExitReason::VMWRITE, 3, 0, kInRegister);
    }
    void vmwrite(Field f, u64 value) { vmwrite(arch::encoding_of(f), value); }
    void enter_vmx() {
        l1_write(kVmxonRegion, nested::kVmcs12Revision, 4);
        for (u64 region : {kVmcs12, kOtherVmcs12}) l1_write(region, nested::kVmcs12Revision, 4);
        pointer(ExitReason::VMXON, kVmxonRegion);
        pointer(ExitReason::VMCLEAR, kVmcs12);
        pointer(ExitReason::VMPTRLD, kVmcs12);
    }

    // ---- vmcs12 and vmcs02 without instructions
    nested::Vmcs12 vmcs12() { return {l0->memory, {kVmcs12}}; }
    u64 get12(Field f) { return vmcs12().get(f); }
    void set12(Field f, u64 v) { vmcs12().set(f, v); }
    u64 current(Field f) { return vmx.peek(f); }  ///< of the VMCS in use
    void fill_vmcs12();
    void launch() { exit(ExitReason::VMLAUNCH, 3); }
    void resume() { exit(ExitReason::VMRESUME, 3); }
    /// Starts the unit, enters VMX operation as L1 and runs L2.
    void run_l2() {
        start();
        enter_vmx();
        fill_vmcs12();
        launch();
    }
};

/// A vmcs12 for a 64-bit L2, valid and as small as L1's capabilities allow.
inline void Bench::fill_vmcs12() {
    using namespace arch::msr;
    const auto must = [&](u32 index) { return l0->offered.get(index) & 0xffffffff; };
    for (std::size_t i = 0; i < arch::kFieldCount; ++i) set12(static_cast<Field>(i), 0);
    set12(Field::PIN_BASED_VM_EXEC_CONTROL, must(IA32_VMX_PINBASED_CTLS));
    set12(Field::CPU_BASED_VM_EXEC_CONTROL, must(IA32_VMX_PROCBASED_CTLS) | 1u << 7 | 3u << 15 | 1u << 24);
    set12(Field::VM_EXIT_CONTROLS, must(IA32_VMX_EXIT_CTLS) | 1u << 9);
    set12(Field::VM_ENTRY_CONTROLS, must(IA32_VMX_ENTRY_CTLS) | 1u << 9);
    set12(Field::VMCS_LINK_POINTER, ~u64{0});
    const u64 cr0 = 0x80010031, cr4 = 0x20a0;
    set12(Field::GUEST_CR0, cr0);
    set12(Field::GUEST_CR4, cr4);
    set12(Field::GUEST_CR3, kL2Cr3);
    set12(Field::GUEST_DR7, 0x400);
    set12(Field::GUEST_RFLAGS, 2);
    set12(Field::GUEST_RIP, 0x30000);
    set12(Field::GUEST_RSP, 0x31000);
    for (unsigned i = 0; i < 8; ++i) {
        const auto nth = [i](Field f) { return static_cast<Field>(arch::index_of(f) + i); };
        set12(nth(Field::GUEST_ES_SELECTOR), 0x10);
        set12(nth(Field::GUEST_ES_LIMIT), 0xffffffff);
        set12(nth(Field::GUEST_ES_AR_BYTES), 0xc093);
    }
    set12(Field::GUEST_CS_SELECTOR, 8);
    set12(Field::GUEST_CS_AR_BYTES, 0xa09b);
    set12(Field::GUEST_LDTR_AR_BYTES, 0x10000);
    set12(Field::GUEST_TR_SELECTOR, 0x40);
    set12(Field::GUEST_TR_AR_BYTES, 0x8b);
    set12(Field::GUEST_TR_LIMIT, 0x67);
    set12(Field::GUEST_GDTR_LIMIT, 0xff);
    set12(Field::GUEST_IDTR_LIMIT, 0xfff);
    set12(Field::HOST_CR0, cr0);
    set12(Field::HOST_CR3, kL1Cr3);
    set12(Field::HOST_CR4, cr4);
    set12(Field::HOST_CS_SELECTOR, 8);
    for (Field f : {Field::HOST_SS_SELECTOR, Field::HOST_DS_SELECTOR, Field::HOST_ES_SELECTOR}) set12(f, 0x10);
    set12(Field::HOST_TR_SELECTOR, 0x40);
    set12(Field::HOST_TR_BASE, 0x9000);
    set12(Field::HOST_GDTR_BASE, 0xa000);
    set12(Field::HOST_IDTR_BASE, 0xb000);
    set12(Field::HOST_RIP, kHostRip);
    set12(Field::HOST_RSP, kHostRsp);
}

}  // namespace nested_bench
