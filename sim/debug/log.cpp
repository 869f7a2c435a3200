// SPDX-License-Identifier: Apache-2.0
#include "sim/debug/log.hpp"

#include <charconv>
#include <iterator>

#include <fmt/format.h>

#include "model/core/insn.hpp"
#include "model/core/operand.hpp"
#include "sim/debug/words.hpp"
#include "sim/error.hpp"

namespace vmxsim::sim {

using core::Outcome;

std::optional<u32> parse_log_kinds(std::string_view words) {
    u32 kinds = 0;
    while (true) {
        const auto comma = words.find(',');
        const std::string_view word = words.substr(0, comma);
        u32 found = word == "all" ? (1u << std::size(kLogKinds)) - 1 : 0;
        for (std::size_t i = 0; i < std::size(kLogKinds); ++i)
            if (word == kLogKinds[i]) found = 1u << i;
        if (!found) return std::nullopt;
        kinds |= found;
        if (comma == std::string_view::npos) return kinds;
        words.remove_prefix(comma + 1);
    }
}

bool parse_log_range(std::string_view text, LogOptions& options) {
    const auto dash = text.find('-');
    if (dash == std::string_view::npos) return false;
    const auto address = [](std::string_view word, u64& value) {
        if (word.starts_with("0x")) word.remove_prefix(2);
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);
        return error == std::errc{} && end == word.data() + word.size();
    };
    return address(text.substr(0, dash), options.first) && address(text.substr(dash + 1), options.last) &&
           options.first <= options.last;
}

Log::Log(const LogOptions& options, std::vector<Inspector> machine)
    : options_(options), machine_(std::move(machine)), cpu_(&machine_.front()) {
    file_ = options.file == "-" ? stderr : std::fopen(options.file.c_str(), "w");
    if (!file_) throw InputError(fmt::format("{}: cannot be written, expected a writable path", options.file));
}

Log::~Log() {
    if (file_ == stderr) std::fflush(file_);
    else std::fclose(file_);
}

void Log::cpu(const core::Core& core) {
    if (&cpu_->core != &core)
        for (const Inspector& m : machine_)
            if (&m.core == &core) cpu_ = &m;
}

bool Log::wanted(LogKind kind, u64 at) const {
    if (!options_.has(kind) || cpu_->core.state.cycles < options_.from) return false;
    return at >= options_.first && at <= options_.last;
}

void Log::line(LogKind kind, u64 at, std::string_view text) {
    const vmx::CpuState& s = cpu_->core.state;
    // Of several processors the line names its own.
    if (machine_.size() > 1) fmt::print(file_, "{} ", cpu_ - machine_.data());
    fmt::print(file_, "{:>12} L{} {:016x} {:<9} {}\n", s.cycles, cpu_->level(), at,
               kLogKinds[static_cast<std::size_t>(kind)], text);
}

bool Log::before_instruction(core::Core& core) {
    cpu(core);
    if (wanted(LogKind::Insn)) {
        const auto insn = cpu_->disassemble(cpu_->linear_rip());
        line(LogKind::Insn, insn.bytes.empty() ? "(unreadable)" : insn.text);
    }
    return false;
}

void Log::executed(core::Core& core, const core::Insn& insn, u64 rip, Outcome outcome) {
    if (outcome == Outcome::Fault || outcome == Outcome::VmExit) return;
    cpu(core);
    const vmx::CpuState& s = core.state;
    // What loads CS is no instruction of the log's.
    const u64 at = rip + cpu_->linear_rip() - s.rip;
    const auto low = [](u64 v) { return v & 0xffffffff; };
    const u64 wide = low(s.r[vmx::RDX]) << 32 | low(s.r[vmx::RAX]);
    switch (insn.z.mnemonic) {
        case ZYDIS_MNEMONIC_RDMSR:
            if (wanted(LogKind::Msr, at)) line(LogKind::Msr, at, fmt::format("read {:#x} = {:#x}", low(s.r[vmx::RCX]), wide));
            break;
        case ZYDIS_MNEMONIC_WRMSR:
            if (wanted(LogKind::Msr, at)) line(LogKind::Msr, at, fmt::format("write {:#x} := {:#x}", low(s.r[vmx::RCX]), wide));
            break;
        case ZYDIS_MNEMONIC_IN:
        case ZYDIS_MNEMONIC_OUT: {
            if (!wanted(LogKind::Io, at)) break;
            const bool in = insn.z.mnemonic == ZYDIS_MNEMONIC_IN;
            const ZydisDecodedOperand& port = insn.op[in ? 1 : 0];
            const unsigned bits = insn.op[in ? 0 : 1].size;
            const u64 number = port.type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? port.imm.value.u & 0xff : s.r[vmx::RDX] & 0xffff;
            line(LogKind::Io, at, fmt::format("{} {:#x} {} {:#x} ({} bits)", in ? "in" : "out", number, in ? "=" : ":=",
                                          s.r[vmx::RAX] & (~u64{0} >> (64 - bits)), bits));
            break;
        }
        case ZYDIS_MNEMONIC_INSB: case ZYDIS_MNEMONIC_INSW: case ZYDIS_MNEMONIC_INSD:
        case ZYDIS_MNEMONIC_OUTSB: case ZYDIS_MNEMONIC_OUTSW: case ZYDIS_MNEMONIC_OUTSD:
            if (wanted(LogKind::Io, at))
                line(LogKind::Io, at, fmt::format("{} {:#x}", ZydisMnemonicGetString(insn.z.mnemonic), s.r[vmx::RDX] & 0xffff));
            break;
        case ZYDIS_MNEMONIC_VMREAD:
        case ZYDIS_MNEMONIC_VMWRITE: {
            if (!wanted(LogKind::Vmcs, at)) break;
            const bool read = insn.z.mnemonic == ZYDIS_MNEMONIC_VMREAD;
            const ZydisDecodedOperand &field = insn.op[read ? 1 : 0], &value = insn.op[read ? 0 : 1];
            const u64 encoding = core::read_gpr(core, field.reg.value);
            const auto named = arch::decode_encoding(static_cast<u32>(encoding));
            std::string text = fmt::format("{} {:#x} {}{}", ZydisMnemonicGetString(insn.z.mnemonic), encoding,
                                           named ? arch::info(named->field).name : "(no field)",
                                           named && named->high ? " high" : "");
            if (value.type == ZYDIS_OPERAND_TYPE_REGISTER)
                text += fmt::format(" {} {:#x}", read ? "=" : ":=", core::read_gpr(core, value.reg.value));
            if (s.rflags & vmx::rflags::CF) text += ", VMfailInvalid";
            if (s.rflags & vmx::rflags::ZF) text += ", VMfailValid";
            line(LogKind::Vmcs, at, text);
            break;
        }
        case ZYDIS_MNEMONIC_VMPTRLD: case ZYDIS_MNEMONIC_VMPTRST: case ZYDIS_MNEMONIC_VMCLEAR: case ZYDIS_MNEMONIC_VMXON:
        case ZYDIS_MNEMONIC_VMXOFF: case ZYDIS_MNEMONIC_INVEPT: case ZYDIS_MNEMONIC_INVVPID: case ZYDIS_MNEMONIC_VMLAUNCH:
        case ZYDIS_MNEMONIC_VMRESUME: case ZYDIS_MNEMONIC_VMCALL: case ZYDIS_MNEMONIC_VMFUNC: {
            // VMLAUNCH and VMRESUME are of interest where they fail; an entry is an event of its own.
            const bool entry = insn.z.mnemonic == ZYDIS_MNEMONIC_VMLAUNCH || insn.z.mnemonic == ZYDIS_MNEMONIC_VMRESUME;
            if ((entry && (s.vmx.non_root || (s.rip != rip && s.rip != rip + insn.length()))) || !wanted(LogKind::Vmcs, at)) break;
            line(LogKind::Vmcs, at, fmt::format("{}, current VMCS {:#x}{}", ZydisMnemonicGetString(insn.z.mnemonic),
                                            s.vmx.current_vmcs, s.rflags & vmx::rflags::CF   ? ", VMfailInvalid"
                                                                : s.rflags & vmx::rflags::ZF ? ", VMfailValid"
                                                                                             : ""));
            break;
        }
        case ZYDIS_MNEMONIC_MOV:
            for (unsigned i = 0; i < 2; ++i)
                if (insn.op[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
                    ZydisRegisterGetClass(insn.op[i].reg.value) == ZYDIS_REGCLASS_CONTROL && wanted(LogKind::Cr, at))
                    line(LogKind::Cr, at, fmt::format("{} {} {} {:#x}", i ? "read" : "write",
                                                  ZydisRegisterGetString(insn.op[i].reg.value), i ? "=" : ":=",
                                                  core::read_gpr(core, insn.op[1 - i].reg.value)));
            break;
        default:
            break;
    }
}

void Log::delivering(core::Core& core, const vmx::Event& e, bool injected) {
    cpu(core);
    const bool outside = e.type == arch::EventType::ExternalInterrupt || e.type == arch::EventType::Nmi;
    const LogKind kind = outside || e.type == arch::EventType::SoftwareInterrupt ? LogKind::Interrupt : LogKind::Exception;
    if (!wanted(kind)) return;
    std::string text = event_text(e.vector, e.type, e.has_error_code, e.error_code);
    if (e.vector == 14 && !outside) text += fmt::format(" at {:#x}", injected ? core.state.cr2 : e.cr2);
    line(kind, text + (injected ? " (injected)" : ""));
}

void Log::triple_fault(core::Core& core) {
    cpu(core);
    if (wanted(LogKind::Exception)) line(LogKind::Exception, "triple fault");
}

void Log::vm_exit(core::Core& core, const vmx::ExitInfo& e) {
    cpu(core);
    if (!wanted(LogKind::Exit)) return;
    std::string text = fmt::format("{}", arch::exit_reason_name(static_cast<u32>(e.reason)));
    if (e.qualification) text += fmt::format(" qualification {:#x}", e.qualification);
    if (e.guest_physical) text += fmt::format(" gpa {:#x}", e.guest_physical);
    if (e.intr_info.valid())
        text += " " + event_text(e.intr_info.vector(), e.intr_info.type(), e.intr_info.has_error_code(), e.intr_error_code);
    if (e.idt_vectoring.valid())
        text += " during " + event_text(e.idt_vectoring.vector(), e.idt_vectoring.type(), e.idt_vectoring.has_error_code(),
                                        e.idt_vectoring_error_code);
    line(LogKind::Exit, text);
}

void Log::vm_entry(core::Core& core, bool failed) {
    cpu(core);
    if (wanted(LogKind::Entry)) line(LogKind::Entry, failed ? "failed on guest state or MSRs" : "the guest runs");
}

}  // namespace vmxsim::sim
