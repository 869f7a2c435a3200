// SPDX-License-Identifier: Apache-2.0
#include "sim/debug/state_report.hpp"

#include <fmt/format.h>

#include "model/core/engine/engine.hpp"
#include "sim/debug/words.hpp"

namespace vmxsim::sim {

namespace {

using arch::Field;

std::string_view activity_name(vmx::ActivityState a) {
    static constexpr std::string_view kNames[] = {"active", "halted", "shut down", "waits for SIPI"};
    return kNames[static_cast<u8>(a) & 3];
}

std::string mode_name(const vmx::CpuState& s) {
    const bool big = s.seg[vmx::CS].ar.big();
    if (s.code64()) return "64-bit mode";
    if (s.long_mode()) return big ? "compatibility mode, 32-bit" : "compatibility mode, 16-bit";
    if (!s.protected_mode()) return "real-address mode";
    if (s.v8086()) return "virtual-8086 mode";
    return big ? "protected mode, 32-bit" : "protected mode, 16-bit";
}

std::string flags_text(u64 rflags) {
    static constexpr std::pair<u64, std::string_view> kFlags[] = {
        {vmx::rflags::CF, "CF"}, {vmx::rflags::PF, "PF"}, {vmx::rflags::AF, "AF"}, {vmx::rflags::ZF, "ZF"},
        {vmx::rflags::SF, "SF"}, {vmx::rflags::TF, "TF"}, {vmx::rflags::IF, "IF"}, {vmx::rflags::DF, "DF"},
        {vmx::rflags::OF, "OF"}, {vmx::rflags::NT, "NT"}, {vmx::rflags::RF, "RF"}, {vmx::rflags::VM, "VM"},
        {vmx::rflags::AC, "AC"}};
    std::string text;
    for (const auto& [bit, name] : kFlags)
        if (rflags & bit) text += fmt::format("{}{}", text.empty() ? "" : " ", name);
    return text;
}

}  // namespace

std::string registers_text(const Inspector& m) {
    static constexpr std::string_view kNames[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                                  "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    static constexpr std::string_view kSegments[] = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    const vmx::CpuState& s = m.core.state;
    std::string out = fmt::format("{}, {}, CPL {}, {}; cycle {}, instruction {}\n", m.level_name(), mode_name(s), s.cpl(),
                                  activity_name(s.activity), s.cycles, m.core.instructions());
    out += fmt::format("rip {:016x}  rflags {:08x} ({})\n", s.rip, s.rflags, flags_text(s.rflags));
    for (unsigned i = 0; i < 16; ++i) out += fmt::format("{:>3} {:016x}{}", kNames[i], s.r[i], i % 4 == 3 ? "\n" : "  ");
    out += fmt::format("cr0 {:x}  cr2 {:x}  cr3 {:x}  cr4 {:x}  cr8 {:x}  efer {:x}\n", s.cr0, s.cr2, s.cr3, s.cr4, s.cr8,
                       s.efer);
    out += "     sel. base             limit    rights\n";
    for (unsigned i = 0; i < vmx::kSegCount; ++i)
        out += fmt::format("{:>4} {:04x} {:016x}/{:08x} {:05x}{}", kSegments[i], s.seg[i].selector,
                           s.seg[i].base, s.seg[i].limit, s.seg[i].ar.raw, i % 2 ? "\n" : "   ");
    out += fmt::format("gdtr {:x} limit {:x}  idtr {:x} limit {:x}\n", s.gdtr.base, s.gdtr.limit, s.idtr.base,
                       s.idtr.limit);
    out += fmt::format("blocking {:x}  pending debug {:x}  dr6 {:x}  dr7 {:x}  kernel_gs_base {:x}\n", s.blocking,
                       s.pending_debug, s.dr6, s.dr7, s.kernel_gs_base);
    return out;
}

std::string code_text(const Inspector& m) {
    constexpr unsigned kBefore = 16, kInstructions = 6;
    const u64 rip = m.linear_rip();
    std::string out = "code\n";
    // Bytes before RIP cannot be divided into instructions with certainty.
    const u64 first = rip > kBefore ? rip - kBefore : 0;
    if (const auto before = m.read(first, rip - first); before.size() == rip - first && !before.empty()) {
        out += fmt::format("   {:016x}  ", first);
        for (const u8 b : before) out += fmt::format("{:02x} ", b);
        out.back() = '\n';
    }
    u64 at = rip;
    for (unsigned i = 0; i < kInstructions; ++i) {
        const auto line = m.disassemble(at);
        if (line.bytes.empty()) {
            out += fmt::format("{} {:016x}  not readable as memory\n", i ? "  " : "=>", at);
            break;
        }
        std::string bytes;
        for (const u8 b : line.bytes) bytes += fmt::format("{:02x}", b);
        out += fmt::format("{} {:016x}  {:<30}  {:.46}\n", i ? "  " : "=>", at, bytes, line.text);
        at += line.bytes.size();
    }
    return out;
}

std::string trail_text(const Inspector& m) {
    const core::Trail& trail = m.core.trail();
    const u64 shown = std::min<u64>(trail.count(), core::Trail::kEvents);
    if (!shown) return "";
    std::string out = fmt::format("the last {} of {} exceptions, interrupts, VM exits and VM entries\n", shown, trail.count());
    for (u64 back = shown; back-- > 0;) {
        const core::TrailEvent& e = trail.last(back);
        out += fmt::format("   cycle {:>14}  {}  rip {:016x}  {:.46}\n", e.cycles, e.non_root ? "guest" : "root ", e.rip,
                           trail_text(e));
    }
    return out;
}

std::string vmcs_summary(const Inspector& m) {
    const vmx::VmxState& v = m.core.state.vmx;
    if (!v.on) return "";
    if (v.current_vmcs == ~u64{0}) return "in VMX operation, no current VMCS\n";
    const auto page = m.current_vmcs();
    if (!page) return fmt::format("current VMCS {:x}, held by the RTL, which shows it by VMREAD alone\n", v.current_vmcs);
    const auto f = [&](Field field) { return page->get(field); };
    const u32 reason = static_cast<u32>(f(Field::VM_EXIT_REASON));
    std::string out = fmt::format("current VMCS {:x}, {}\n", v.current_vmcs,
                                  page->bytes[arch::kLaunchStateOffset] & 1 ? "launched" : "clear");
    out += fmt::format("   guest   rip {:x}  rsp {:x}  rflags {:x}\n", f(Field::GUEST_RIP), f(Field::GUEST_RSP),
                       f(Field::GUEST_RFLAGS));
    out += fmt::format("           cr0 {:x}  cr3 {:x}  cr4 {:x}  efer {:x}\n", f(Field::GUEST_CR0), f(Field::GUEST_CR3),
                       f(Field::GUEST_CR4), f(Field::GUEST_IA32_EFER));
    out += fmt::format("           cs {:x} base {:x} rights {:x}  activity {}  blocking {:x}\n", f(Field::GUEST_CS_SELECTOR),
                       f(Field::GUEST_CS_BASE), f(Field::GUEST_CS_AR_BYTES), f(Field::GUEST_ACTIVITY_STATE),
                       f(Field::GUEST_INTERRUPTIBILITY_INFO));
    out += fmt::format("   host    rip {:x}  rsp {:x}\n", f(Field::HOST_RIP), f(Field::HOST_RSP));
    out += fmt::format("           cr0 {:x}  cr3 {:x}  cr4 {:x}\n", f(Field::HOST_CR0), f(Field::HOST_CR3), f(Field::HOST_CR4));
    out += fmt::format("   control pin {:x}  primary {:x}  secondary {:x}  exit {:x}  entry {:x}\n",
                       f(Field::PIN_BASED_VM_EXEC_CONTROL), f(Field::CPU_BASED_VM_EXEC_CONTROL),
                       f(Field::SECONDARY_VM_EXEC_CONTROL), f(Field::VM_EXIT_CONTROLS), f(Field::VM_ENTRY_CONTROLS));
    out += fmt::format("           exceptions {:x}  entry event {:x}  EPTP {:x}  VPID {:x}\n", f(Field::EXCEPTION_BITMAP),
                       f(Field::VM_ENTRY_INTR_INFO_FIELD), f(Field::EPT_POINTER), f(Field::VIRTUAL_PROCESSOR_ID));
    out += fmt::format("           link pointer {:x}  VM-instruction error {}\n", f(Field::VMCS_LINK_POINTER),
                       f(Field::VM_INSTRUCTION_ERROR));
    out += fmt::format("   exit    {:x} {}  qualification {:x}\n", reason, arch::exit_reason_name(reason & 0xffff),
                       f(Field::EXIT_QUALIFICATION));
    out += fmt::format("           event {:x} error {:x}  IDT-vectoring {:x} error {:x}\n", f(Field::VM_EXIT_INTR_INFO),
                       f(Field::VM_EXIT_INTR_ERROR_CODE), f(Field::IDT_VECTORING_INFO_FIELD),
                       f(Field::IDT_VECTORING_ERROR_CODE));
    out += fmt::format("           guest linear {:x}  guest physical {:x}\n", f(Field::GUEST_LINEAR_ADDRESS),
                       f(Field::GUEST_PHYSICAL_ADDRESS));
    return out;
}

std::string vmcs_text(const Inspector& m, const std::string& part) {
    const auto page = m.current_vmcs();
    if (!page) {
        const std::string summary = vmcs_summary(m);
        return summary.empty() ? "not in VMX operation\n" : summary;
    }
    std::string out = fmt::format("current VMCS {:x}\n", m.core.state.vmx.current_vmcs);
    for (std::size_t i = 0; i < arch::kFieldCount; ++i) {
        const arch::FieldInfo& field = arch::kFields[i];
        if (!m.core.vmx().field_exists(static_cast<Field>(i))) continue;
        if (field.name.find(part) == std::string_view::npos) continue;
        out += fmt::format("{:04x} {:<32} {:0{}x}\n", field.encoding, field.name, page->get(static_cast<Field>(i)),
                           2 * arch::size_of(field.width));
    }
    return out;
}

std::string state_report(const Inspector& m) {
    std::string out = registers_text(m) + code_text(m) + trail_text(m) + vmcs_summary(m);
    for (const core::Missing& one : m.core.missing())
        out += fmt::format("without implementation, raised #UD: {} ({} times)\n", one.text, one.times);
    return out;
}

}  // namespace vmxsim::sim
