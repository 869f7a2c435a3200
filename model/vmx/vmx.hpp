// SPDX-License-Identifier: Apache-2.0
// What VMX does, as functions over CPU state, a VMCS and physical memory. No SystemC.
//
// Who calls: the core, once per instruction that VMX can intercept, for the VMX instructions themselves, and for events;
// the nested unit, which in VMX root mode is "software" and uses the same instructions at the same cost.
// Every function that takes time adds it to CpuState::cycles, from VmxTiming and from the VMCS port's replies.
#pragma once
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>

#include "model/arch/controls.hpp"
#include "model/arch/exits.hpp"
#include "model/arch/msrs.hpp"
#include "model/arch/param.hpp"
#include "model/arch/translation_control.hpp"
#include "model/arch/vmcs_port.hpp"
#include "model/memory/physical_memory.hpp"
#include "model/vmx/cpu_state.hpp"
#include "model/vmx/ledger.hpp"

namespace vmxsim::vmx {

/// Microcode costs in cycles, beside the VMCS port's own. Rows (with units and meanings) in vmx_timing_params().
struct VmxTiming {
    u64 vmread = 0, vmwrite = 0, vmptrld = 0, vmptrst = 0, vmclear = 0, vmxon = 0, vmxoff = 0, vmcall = 0, vmfunc = 0;
    u64 invept = 0, invvpid = 0;
    u64 entry_base = 0;      ///< VMLAUNCH/VMRESUME: checks and loading, beside the bulk reads
    u64 exit_base = 0;       ///< VM exit: saving and loading, beside the bulk transfers
    u64 msr_list_entry = 0;  ///< one entry of an MSR-load or MSR-store area
    u64 event_delivery = 0;  ///< delivery of an injected event through the IDT
};
std::span<const arch::Param<VmxTiming>> vmx_timing_params();

/// An event to be delivered through the IDT.
struct Event {
    u8 vector = 0;
    arch::EventType type = arch::EventType::HardwareException;
    bool has_error_code = false;
    u32 error_code = 0;
    u64 cr2 = 0;               ///< #PF: the linear address, not yet in CR2
    u64 dr6 = 0;               ///< #DB: pending bits, as in the exit qualification
    u8 instruction_length = 0; ///< software events: RIP is advanced by it before delivery
    bool is_fault = false;     ///< #DB of an instruction breakpoint: RF is pushed set, as a fault's
};

/// Everything a VM exit records. What does not apply is zero.
struct ExitInfo {
    arch::ExitReason reason{};
    bool entry_failure = false;
    u64 qualification = 0;
    u64 guest_linear = 0;
    u64 guest_physical = 0;
    u32 instruction_length = 0;
    u32 instruction_info = 0;
    arch::EventInfo intr_info{};     ///< exiting event
    u32 intr_error_code = 0;
    arch::EventInfo idt_vectoring{}; ///< original event
    u32 idt_vectoring_error_code = 0;
    u64 io_rcx = 0, io_rsi = 0, io_rdi = 0, io_rip = 0;
};

enum class VmxInstruction : u8 { Vmcall, Vmclear, Vmlaunch, Vmptrld, Vmptrst, Vmread, Vmresume, Vmwrite, Vmxoff, Vmxon, Invept, Invvpid, Vmfunc };

/// What to do with a VMX instruction before its operands are touched (SDM 33.3, the tests common to all).
enum class Gate : u8 { Proceed, UndefinedOpcode, GeneralProtection, Exit };

/// Result in the conventions of SDM 33.2. `error`: the VM-instruction error number.
struct VmxResult {
    enum Kind : u8 { Succeed, FailInvalid, FailValid, GeneralProtection, UndefinedOpcode } kind = Succeed;
    u8 error = 0;
};

/// Result of VMLAUNCH or VMRESUME.
struct EntryResult {
    enum Kind : u8 {
        Failed,       ///< `result` holds VMfail; the next instruction follows
        FailedExit,   ///< VM-entry failure 33, 34 or 41: host state is loaded, exit information recorded
        Entered,      ///< guest state is loaded; `inject` is to be delivered before the first instruction
    } kind = Failed;
    VmxResult result{};
    std::optional<Event> inject{};
    const char* violated = nullptr;  ///< id of the check that failed, for messages
};

/// Controls of the VMCS in use, decoded at VM entry. Meaningful in non-root operation only.
struct ActiveControls {
    arch::PinControls pin{};
    arch::PrimaryControls primary{};
    arch::SecondaryControls secondary{};  ///< zero where not activated
    arch::ExitControls exit{};
    arch::EntryControls entry{};
    u32 exception_bitmap = 0, pf_mask = 0, pf_match = 0;
    u64 cr0_mask = 0, cr0_shadow = 0, cr4_mask = 0, cr4_shadow = 0;
    u64 cr3_target[4] = {};
    u32 cr3_target_count = 0;
    u64 tsc_offset = 0;
    u64 tsc_multiplier = 0;               ///< fixed point with 48 fraction bits; used with "use TSC scaling" only
    u32 tpr_threshold = 0, ple_gap = 0, ple_window = 0;
    HostPhysical io_bitmap_a{}, io_bitmap_b{}, msr_bitmap{}, apic_access{}, virtual_apic{};
    HostPhysical vmread_bitmap{}, vmwrite_bitmap{}, eptp_list{};
    u64 vm_functions = 0;                 ///< VM-function controls
    u64 link_pointer = ~u64{0};
    Eptp eptp{};
    Vpid vpid{};                          ///< 0 where "enable VPID" is off
    bool has(arch::PinControl b) const { return pin.has(b); }
    bool has(arch::PrimaryControl b) const { return primary.has(b); }
    bool has(arch::SecondaryControl b) const { return secondary.has(b); }
};

/// Decodes the control fields of a VMCS's page; words that are not activated are zero.
ActiveControls decode_controls(const arch::VmcsPage& page);

/// MSRs that CpuState does not hold, as RDMSR and WRMSR at CPL 0 reach them in VM-entry and VM-exit MSR areas.
class MsrPort {
public:
    virtual ~MsrPort() = default;
    /// False: the access would fault.
    virtual bool read(u32 index, u64& value) = 0;
    virtual bool write(u32 index, u64 value) = 0;
};

/// Access types of exit 44 (SDM table 30-6).
enum class ApicAccess : u8 { Read = 0, Write = 1, Fetch = 2, EventDelivery = 3 };

class EntryChecker;  // entry_memo.hpp

class Vmx {
public:
    struct Dependencies {
        CpuState& cpu;
        arch::VmcsPort& vmcs;
        memory::PhysicalMemory& ram;
        arch::TranslationControl& translations;
        const arch::Capabilities& capabilities;
        const VmxTiming& timing;
        Ledger& ledger;
        const arch::VmcsLayout* layout = &arch::kGenericLayout;  ///< of the pages of the port's bulk transfers
    };
    explicit Vmx(const Dependencies& dependencies);
    ~Vmx();

    /// Where MSR areas find MSRs that CpuState does not hold. Without it such an entry is refused.
    void attach(MsrPort* msrs) { msrs_ = msrs; }

    const ActiveControls& controls() const { return controls_; }
    bool non_root() const { return cpu_.vmx.non_root; }
    /// For the ledger only: the level of the guest that is entered next. 2 where the nested unit enters an L2.
    void set_guest_level(u8 level) { guest_level_ = level; }

    // ---- VMX instructions. The caller decodes operands; gate() comes first, then the operand's own faults.
    /// #UD, VM exit or #GP(0), in the SDM's order. VMREAD and VMWRITE under VMCS shadowing: see gate_vmcs_access().
    Gate gate(VmxInstruction which) const;
    /// VMREAD, VMWRITE: as gate(), with the shadowing bitmaps (`encoding`: the register operand).
    Gate gate_vmcs_access(bool write, u64 encoding) const;

    VmxResult vmxon(u64 pointer);
    VmxResult vmxoff();
    VmxResult vmclear(u64 pointer);
    VmxResult vmptrld(u64 pointer);
    u64 vmptrst();
    /// On success `value` holds the field, to be truncated to the destination's size by the caller.
    VmxResult vmread(u64 encoding, u64& value);
    VmxResult vmwrite(u64 encoding, u64 value);
    VmxResult vmcall_in_root();
    VmxResult invept(u64 type, u64 eptp);
    VmxResult invvpid(u64 type, u64 vpid_word, u64 linear_address);
    /// VMFUNC in non-root: empty result = done, else the exit to take or #UD.
    VmxResult vmfunc(ExitInfo& exit, bool& exits);
    EntryResult vmlaunch() { return enter(true); }
    EntryResult vmresume() { return enter(false); }
    /// Sets RFLAGS, and the VM-instruction error field, as SDM 33.2 says. Not for faults.
    void conclude(const VmxResult& result);

    // ---- VM exits
    /// Performs the VM exit (SDM chapter 30): records, saves, loads host state, leaves non-root operation. RIP of the
    /// guest is cpu.rip. `instruction_length` etc. come with `info`.
    void exit(const ExitInfo& info);
    /// VMX-abort indicator (SDM 30.7): not 0 once a VM exit could not be completed; the processor is in shutdown then.
    u32 abort_indicator() const { return abort_indicator_; }

    // ---- Intercepts, one question per instruction. True: exit with `info`, in which reason and qualification are set;
    // the caller adds the instruction's length and information. Always false outside non-root operation.
    bool intercept_cpuid(ExitInfo& info) const;
    bool intercept_hlt(ExitInfo& info) const;
    bool intercept_invd(ExitInfo& info) const;
    bool intercept_wbinvd(ExitInfo& info) const;
    bool intercept_invlpg(GuestVirtual at, ExitInfo& info) const;
    bool intercept_invpcid(ExitInfo& info) const;  ///< after the #UD of "enable INVPCID" = 0
    bool intercept_rdpmc(ExitInfo& info) const;
    bool intercept_rdtsc(ExitInfo& info) const;
    bool intercept_rdtscp(ExitInfo& info) const;
    bool intercept_monitor(ExitInfo& info) const;
    bool intercept_mwait(bool armed, ExitInfo& info) const;
    bool intercept_pause(ExitInfo& info);
    bool intercept_rdrand(ExitInfo& info) const;
    bool intercept_rdseed(ExitInfo& info) const;
    bool intercept_xsetbv(ExitInfo& info) const;
    bool intercept_descriptor_table(ExitInfo& info, arch::ExitReason which) const;  ///< GDTR_IDTR or LDTR_TR
    bool intercept_mov_to_cr(unsigned cr, unsigned gpr, u64 value, ExitInfo& info) const;
    bool intercept_mov_from_cr(unsigned cr, unsigned gpr, ExitInfo& info) const;
    bool intercept_clts(ExitInfo& info) const;
    bool intercept_lmsw(u16 source, bool memory, u64 linear, ExitInfo& info) const;
    bool intercept_mov_dr(unsigned dr, bool from, unsigned gpr, ExitInfo& info) const;
    struct IoAccess { u16 port; unsigned bytes; bool in, string, rep, immediate; };
    bool intercept_io(const IoAccess& io, ExitInfo& info) const;
    bool intercept_rdmsr(u32 index, ExitInfo& info) const;
    bool intercept_wrmsr(u32 index, ExitInfo& info) const;
    /// Exception bitmap, page-fault mask and match; NMI exiting for type NMI (SDM 28.2). `original`: the event during
    /// whose delivery it arose, recorded as IDT-vectoring information.
    bool intercept_event(const Event& event, const Event* original, ExitInfo& info) const;
    /// A third exception while delivering #DF.
    bool intercept_triple_fault(ExitInfo& info) const;
    bool intercept_task_switch(u16 selector, unsigned source, ExitInfo& info) const;

    // ---- What instructions see in non-root operation (SDM 28.3); identity outside it
    u64 visible_cr0() const;  ///< MOV from CR0, SMSW
    u64 visible_cr4() const;
    /// The value that MOV to CR0 (CR4) of `value` leaves in the register, host-owned bits kept.
    u64 merged_cr0(u64 value) const;
    u64 merged_cr4(u64 value) const;
    /// #GP unless CR0 (CR4) may hold `value` in VMX operation (SDM 26.8, A.7, A.8; unrestricted guest exempts PE, PG).
    bool cr0_allowed(u64 value) const;
    bool cr4_allowed(u64 value) const;
    /// Cycles of the delivery of an event that a VM entry injects.
    u64 injection_cost() const { return timing_.event_delivery; }
    u64 guest_tsc() const;    ///< what RDTSC returns now, offset included
    /// CR8 under "use TPR shadow" (SDM 32.3): VTPR[7:4]; empty where the physical CR8 is meant.
    std::optional<u64> virtual_cr8() const;
    /// MOV to CR8 under "use TPR shadow": writes VTPR. True: exit 43, trap-like (RIP behind the instruction).
    bool write_virtual_cr8(u64 value, ExitInfo& info);
    /// The APIC-access page, where accesses to it are virtualized (SDM 32.4).
    std::optional<HostPhysical> apic_access_page() const;
    /// A linear access within that page. True: exit 44; else `data` was read or written in the page's place.
    bool access_apic_page(u64 offset, unsigned bytes, ApicAccess type, u8* data, ExitInfo& info);

    /// The exit that is due at an instruction boundary, by priority: monitor trap flag, preemption timer, NMI window,
    /// interrupt window (SDM 28.2, 28.5). To be asked once per boundary while boundaries_matter(): the boundary right
    /// behind a VM entry (behind the injected event's delivery) included.
    bool pending_exit(ExitInfo& info);
    /// False: pending_exit() cannot become true before the next VM entry, nor until cycle timer_deadline().
    bool boundaries_matter() const;
    /// CpuState::cycles at which the VMX-preemption timer reaches zero; ~0 where it is not active (SDM 28.5.1).
    u64 timer_deadline() const { return cpu_.vmx.non_root ? timer_deadline_ : ~u64{0}; }

    /// Whether VMREAD and VMWRITE know the field on this processor (SDM 27.11.2).
    bool field_exists(arch::Field field) const { return exists_[arch::index_of(field)]; }

    /// Reads a field of the current VMCS without cost or effect on the cache's statistics beyond a read. For tests,
    /// messages.
    u64 peek(arch::Field field);

private:
    // Instructions
    arch::VmcsReply transact(const arch::VmcsRequest& request);
    void bulk_read(std::initializer_list<arch::FieldType> types);   ///< into page_
    void bulk_write(std::initializer_list<arch::FieldType> types);  ///< from page_
    VmxResult fail(u8 error) const;  ///< VMfail(n), SDM 33.2
    bool acceptable_region(u64 pointer) const;
    bool code_allows_vmx() const;

    // VM entry
    EntryResult enter(bool launch);
    EntryResult try_entry(bool launch);
    EntryResult fail_entry(arch::ExitReason reason, u64 qualification, const char* violated);
    void load_guest_state();
    void load_guest_segments();
    void load_non_register_state(EntryResult& result);
    void start_timer();
    u64 timer_value() const;  ///< of the VMX-preemption timer, now

    // VM exit
    void record_exit(const ExitInfo& info);
    void save_guest_state(const ExitInfo& info);
    void save_guest_segments();
    void load_host_state(bool nmi_blocked);
    void load_host_segments(bool host64);
    void abort(u32 indicator);

    // MSR areas: number of the entry that failed (from 1), 0: none
    u32 load_msrs(u64 area, u32 count, const char** violated = nullptr);
    u32 store_msrs(u64 area, u32 count);
    bool load_msr(u32 index, u64 value);
    bool store_msr(u32 index, u64& value) const;
    bool load_efer(u64 value);

    bool msr_intercepted(u32 index, unsigned write_offset) const;
    bool below_threshold() const;
    void check_threshold_at_entry();

    CpuState& cpu_;
    arch::VmcsPort& vmcs_;
    memory::PhysicalMemory& ram_;
    arch::TranslationControl& translations_;
    const arch::Capabilities& capabilities_;
    const VmxTiming& timing_;
    Ledger& ledger_;
    ActiveControls controls_;
    u8 guest_level_ = 1;
    MsrPort* msrs_ = nullptr;
    std::array<bool, arch::kFieldCount> exists_{};
    arch::VmcsPage page_;  ///< the current VMCS's fields as of the last VM entry or exit, in the generic layout
    const arch::VmcsLayout& layout_;
    std::unique_ptr<EntryChecker> checker_;
    arch::VmcsPage raw_;   ///< the same in the port's layout, where that is another one
    bool current_is_shadow_ = false;  ///< bit 31 of the current VMCS's first dword, as VMPTRLD met it
    u32 abort_indicator_ = 0;
    u64 timer_deadline_ = ~u64{0};
    bool tpr_exit_due_ = false;       ///< exit 43 behind the present instruction
    enum class Mtf : u8 { Off, AfterInstruction, Due } mtf_ = Mtf::Off;
    bool pause_seen_ = false;               ///< PAUSE-loop exiting: a PAUSE at CPL 0 since the last VM entry
    u64 pause_first_ = 0, pause_last_ = 0;  ///< its loop's first and its last PAUSE, in cycles
};

/// Who plays software in VMX root mode where that is no code of an image: the nested unit.
class RootAgent {
public:
    virtual ~RootAgent() = default;
    /// The core has taken a VM exit (or a VM entry of the agent's ended in one). The agent handles it and enters a
    /// guest again by Vmx::vmresume(), or stops the machine. Returns what the entry asks the core to inject.
    virtual std::optional<Event> vm_exit_taken() = 0;
    /// True once the agent has stopped the machine (the L1 hypervisor is finished or broken); `reason` for the user.
    virtual bool stopped() const = 0;
};

}  // namespace vmxsim::vmx
