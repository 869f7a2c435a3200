// SPDX-License-Identifier: Apache-2.0
// L0 as software would be: KVM of 2011 for one virtual CPU, with its VMCSs, its memory and its register caches. The
// files beside this one each hold one part: see docs/nested-unit.md.
#pragma once
#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "nested/ept01.hpp"
#include "nested/l0_config.hpp"
#include "nested/page_walk.hpp"
#include "nested/shadow_mmu.hpp"
#include "nested/unit.hpp"
#include "nested/vmcs12.hpp"

namespace vmxsim::nested {

/// Registers of the guest that runs (L1, or L2 in guest mode), as L0 keeps them in memory (KVM's vcpu->arch).
struct Vcpu {
    u64 cr0 = 0, cr3 = 0, cr4 = 0, efer = 0, pat = 0, dr7 = 0x400;
    std::array<u64, 4> pdpte{};
    u64 cr0_owned = 0, cr4_owned = 0;  ///< bits that the guest changes without an exit
};

/// What L0 has read of the guest since the last exit; RIP and RSP are written back at the entry where changed.
struct RegisterCache {
    std::optional<u64> rip, rsp, rflags;
    bool rip_dirty = false, rsp_dirty = false;
    bool cr3 = false, cr4 = false;  ///< Vcpu::cr3, cr4 are up to date
    std::map<arch::Field, u64> segment;
};

/// An event that L0 has to inject at the next entry.
struct PendingEvent {
    arch::EventInfo info{};
    u32 error_code = 0;
    u32 instruction_length = 0;
};

/// Exit facts that L0 reads first.
struct ExitFacts {
    u32 raw_reason = 0;
    u32 intr_info = 0;  ///< read for exceptions and, of L2, always
    u32 idt_vectoring = 0;
    u64 tsc_offset = 0;
    u64 qualification = 0;
    arch::ExitReason reason() const { return static_cast<arch::ExitReason>(raw_reason & 0xffff); }
    bool entry_failure() const { return raw_reason & arch::kExitReasonEntryFailure; }
};

/// One vmcs02 of the pool, most recently used first.
struct PoolEntry {
    HostPhysical vmcs02{};
    GuestPhysical vmcs12{};
    bool launched = false;
    bool loaded = false;  ///< the per-CPU host fields are written
};

/// State of nesting (KVM's struct nested_vmx).
struct Nesting {
    bool vmxon = false;
    bool run_pending = false;  ///< L1's VMLAUNCH or VMRESUME was emulated, L2 has not exited since
    GuestPhysical vmxon_pointer{};
    std::optional<GuestPhysical> current_vmptr;
    bool guest_mode = false;
    std::deque<PoolEntry> pool;
    u64 vmcs01_tsc_offset = 0;
    std::optional<HostPhysical> apic_access_page;  ///< pinned while L2 may run
    Vcpu l1{};                                     ///< L1 as of its VMLAUNCH or VMRESUME
    u64 l1_next_rip = 0;
    bool launching = false;
};

struct Buckets {
    explicit Buckets(vmx::Ledger& ledger);
    vmx::BucketId l1_exit, l2_exit, sync, to_l1, to_l2, entry, access, vmx_instruction, vmresume, page_fill, io, start;
    std::vector<vmx::BucketId> steps;  ///< of prepare_vmcs02
};

struct L0 {
    explicit L0(const UnitDependencies& dependencies);

    UnitDependencies d;
    vmx::CpuState& cpu;
    L0Config config;
    arch::Capabilities offered;
    UnitStats stats;
    Buckets buckets;
    bool stopped = false;
    std::string reason;

    PageAllocator pages;
    L1Memory memory;
    std::unique_ptr<Ept01> ept;
    std::unique_ptr<ShadowMmu> shadow;
    HostPhysical vmxon_region{}, vmcs01{}, msr_bitmap{}, virtual_apic{}, l0_apic_page{};
    static constexpr u64 kIdentityTable = 0xfffbc000;  ///< guest-physical, hidden from L1's memory (KVM's choice)
    static constexpr u16 kVpid = 1;

    Vcpu vcpu;
    RegisterCache cache;
    Nesting nested;
    bool vmcs01_launched = false;
    bool fpu_active = false;      ///< the guest may use the FPU without #NM exits, and owns CR0.TS
    bool mmu_root_valid = false;  ///< else the next entry loads EPTP or CR3 anew
    bool tlb_flush_requested = false, event_requested = false;
    bool guest_msrs_loaded = false;  ///< KERNEL_GS_BASE and its like are the guest's, host fields are written
    u64 host_rsp = 0;                ///< what HOST_RSP of the current VMCS holds; 0: to be written
    std::optional<PendingEvent> pending;
    std::map<u32, u64> mtrrs;  ///< as L1 set them
    u64 mcg_status = 0;
    u64 interruptibility = 0;  ///< as skip_instruction() found it

    // ---- l0.cpp: start, the loop around exits
    std::optional<vmx::Event> start(const vmx::CpuState& l1);
    std::optional<vmx::Event> vm_exit_taken();
    ExitFacts read_exit_facts();
    vmx::BucketId bucket_of(arch::ExitReason reason) const;
    void stop(std::string why) {
        stopped = true;
        reason = std::move(why);
    }

    // ---- vmcs01.cpp
    void build_vmcs01(const vmx::CpuState& l1);
    void make_msr_bitmap();
    arch::SecondaryControls secondary_controls() const;

    // ---- vmcs_access.cpp: every VMX instruction of L0, counted
    u64 read(arch::Field f);
    void write(arch::Field f, u64 value);
    void rmw(arch::Field f, u64 clear, u64 set) { write(f, (read(f) & ~clear) | set); }
    void load_vmcs(HostPhysical region);
    void clear_vmcs(HostPhysical region);
    void rdmsr(unsigned count = 1) {
        stats.rdmsr += count;
        cpu.cycles += d.params.rdmsr * count;
    }
    void wrmsr(unsigned count = 1) {
        stats.wrmsr += count;
        cpu.cycles += d.params.wrmsr * count;
    }
    void invvpid();
    void invept();
    void flush_tlb();  ///< KVM's vmx_flush_tlb
    u64 rip();
    u64 rsp();
    u64 rflags();
    u64 segment(arch::Field f);  ///< a segment field, cached
    void set_rip(u64 value) {
        cache.rip = value;
        cache.rip_dirty = true;
    }
    void set_rsp(u64 value) {
        cache.rsp = value;
        cache.rsp_dirty = true;
    }
    void set_rflags(u64 value) {
        write(arch::Field::GUEST_RFLAGS, value);
        cache.rflags = value;
    }
    u64 gpr(unsigned n) { return n == vmx::RSP ? rsp() : cpu.r[n]; }
    void set_gpr(unsigned n, u64 value);
    u64 read12(arch::Field f) {
        cpu.cycles += d.params.vmcs12_access;
        return vmcs12().get(f);
    }
    void write12(arch::Field f, u64 value) {
        cpu.cycles += d.params.vmcs12_access;
        vmcs12().set(f, value);
    }
    Vmcs12 vmcs12() { return {memory, *nested.current_vmptr}; }
    bool has12(arch::PrimaryControl c);    ///< nested_cpu_has
    bool has12(arch::SecondaryControl c);  ///< nested_cpu_has2

    // ---- vcpu.cpp: control registers, as KVM's set_cr functions
    u64 hardware_cr0(u64 cr0) const;
    u64 hardware_cr4(u64 cr4, u64 cr0) const;
    u64 read_cr0();
    u64 read_cr3();
    u64 read_cr4();
    void write_cr0(u64 value);   ///< vmx_set_cr0: 2 W, 1 R where CR3 is to be refilled
    void write_cr4(u64 value);   ///< vmx_set_cr4: 2 W
    void write_efer(u64 value);  ///< vmx_set_efer: 3 R, 4 W
    void write_exception_bitmap();
    void write_cr4_mask();
    void reset_mmu();
    /// Else the CPU runs on L0's tables, and Vcpu::cr3 is the guest's.
    bool guest_cr3_in_vmcs() const { return config.ept && (config.unrestricted || (vcpu.cr0 & vmx::cr0::PG)); }
    GuestPaging paging_in_memory() const;  ///< as Vcpu has it, without a VMREAD
    GuestPaging paging();                  ///< as the CPU has it now
    void activate_fpu();

    // ---- entry.cpp: back to a guest
    void load_mmu();
    void save_host_state();
    void write_constant_host_state();
    void write_per_cpu_host_state();
    void prepare_switch();  ///< host state "put" before another VMCS is loaded
    void inject_pending();
    std::optional<vmx::Event> enter();

    // ---- events.cpp
    void queue_exception(u8 vector, std::optional<u32> error_code = {}, u64 cr2 = 0);
    void skip_instruction();
    void undefined() { queue_exception(6); }
    void general_protection() { queue_exception(13, 0); }

    // ---- handlers.cpp and handlers_*.cpp: exits that L0 handles, of L1 or of L2
    void dispatch(ExitFacts& facts);
    void handle_exception(ExitFacts& facts);
    u32 xsave_area(bool compacted, u64 components) const;  ///< bytes
    void handle_cpuid();
    void handle_io();
    void handle_string_io(u16 port, unsigned bytes, bool in, bool rep);
    void handle_invlpg();
    void handle_cr(ExitFacts& facts);
    void handle_dr();
    void handle_msr(bool write);
    void handle_ept_violation();
    void handle_xsetbv();
    bool set_cr0(u64 value);  ///< false: #GP
    bool set_cr3(u64 value);
    bool set_cr4(u64 value);
    bool get_msr(u32 index, u64& value);
    bool set_msr(u32 index, u64 value);
    bool set_efer(u64 value);

    // ---- operand.cpp: guest memory by linear address
    bool operand_address(u64 displacement, u32 info, unsigned bytes, GuestVirtual& out);
    bool access_guest(GuestVirtual at, void* data, unsigned bytes, bool write);  ///< false: #PF queued
    bool code64();
    unsigned cpl();

    // ---- vmx_emulation.cpp: L1's VMX instructions
    bool vmx_permitted();
    void vmx_succeed();
    void vmx_fail_invalid();
    void vmx_fail_valid(u32 error);
    void vmx_fail(u32 error);
    std::optional<u64> pointer_operand();
    bool acceptable_region(u64 pointer) const;
    void handle_vmon();
    void handle_vmoff();
    void handle_vmclear();
    void handle_vmptrld();
    void handle_vmptrst();
    void handle_vmcs_access(bool write);
    void free_nested();
    void release_apic_page();

    // ---- run_l2.cpp, check_vmcs12.cpp, prepare_vmcs02.cpp
    void run_l2(bool launch);
    u32 check_vmcs12();                       ///< VM-instruction error, 0: none
    std::optional<u64> check_vmcs12_guest();  ///< qualification of an entry failure
    void keep_pdptes();
    PoolEntry& take_vmcs02(GuestPhysical at);
    void free_vmcs02(GuestPhysical at);
    void prepare_vmcs02();

    // ---- leave_l2.cpp
    void exit_to_l1(const ExitFacts& facts);
    void exit_to_l1_with_exception(u8 vector, std::optional<u32> error_code, u64 qualification);
    void prepare_vmcs12();
    void load_vmcs12_host_state();
    void match_exit_state(bool host64);
    void fail_entry(u32 reason, u64 qualification);  ///< L1 sees a VM-entry failure
    void hardware_refused(const vmx::EntryResult& result);

    // ---- route.cpp
    bool l1_wants(ExitFacts& facts);
};

/// Gives a CPU the state of a 64-bit host, outside VMX operation.
void enter_root_mode(vmx::CpuState& cpu);

/// A step of prepare_vmcs02: its name is that of its ledger bucket, "prepare_vmcs02: NAME".
struct Step {
    const char* name;
    void (*run)(L0&);
};
std::span<const Step> prepare_vmcs02_steps();

/// A row of the decision table: who handles an exit of L2.
struct Route {
    arch::ExitReason reason;
    bool (*l1_wants)(L0&, ExitFacts&);
    const char* rule;
};
std::span<const Route> routes();

/// What a nested guest reads from CR0 (CR4), by vmcs12.
u64 nested_read_cr0(const Vmcs12& fields);
u64 nested_read_cr4(const Vmcs12& fields);

}  // namespace vmxsim::nested
