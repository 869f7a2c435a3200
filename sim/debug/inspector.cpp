// SPDX-License-Identifier: Apache-2.0
#include "sim/debug/inspector.hpp"

#include <algorithm>

#include <Zydis/Zydis.h>
#include <fmt/format.h>

namespace vmxsim::sim {

namespace {

bool canonical(u64 at) { return static_cast<u64>(static_cast<s64>(at << 16) >> 16) == at; }

}  // namespace

unsigned Inspector::level() const {
    if (!core.state.vmx.non_root) return 0;
    return in_l2 && in_l2() ? 2 : 1;
}

std::string Inspector::level_name() const {
    return fmt::format("L{} {}", level(), core.state.vmx.non_root ? "non-root" : "root");
}

u64 Inspector::linear_rip() const {
    const vmx::CpuState& s = core.state;
    return s.code64() ? s.rip : (s.seg[vmx::CS].base + s.rip) & 0xffffffff;
}

std::optional<HostPhysical> Inspector::find(u64 linear) const {
    if (core.state.long_mode() ? !canonical(linear) : linear >> 32 != 0) return std::nullopt;
    const mmu::Translation t = core.mmu().probe({linear}, mmu::AccessType::Read, false, true);
    if (t.status != mmu::WalkStatus::Ok || !core.ram().contains(t.at) || core.mmio().claims(t.at)) return std::nullopt;
    return t.at;
}

std::vector<u8> Inspector::read(u64 linear, std::size_t bytes) const {
    std::vector<u8> out;
    while (out.size() < bytes) {
        const u64 at = linear + out.size();
        const auto host = find(at);
        if (!host) break;
        const std::size_t n = std::min<std::size_t>(bytes - out.size(), 4096 - (at & 0xfff));
        out.resize(out.size() + n);
        core.ram().read_block(*host, std::span(out).last(n));
    }
    return out;
}

bool Inspector::write(u64 linear, std::span<const u8> bytes) const {
    for (std::size_t done = 0; done < bytes.size(); done += 4096 - ((linear + done) & 0xfff))
        if (!find(linear + done)) return false;
    for (std::size_t done = 0; done < bytes.size();) {
        const u64 at = linear + done;
        const std::size_t n = std::min<std::size_t>(bytes.size() - done, 4096 - (at & 0xfff));
        core.ram().write_block(*find(at), bytes.subspan(done, n));
        done += n;
    }
    return true;
}

Inspector::Line Inspector::disassemble(u64 at) const {
    const vmx::CpuState& s = core.state;
    std::vector<u8> bytes = read(at, 15);
    if (bytes.empty()) return {};
    const bool code32 = s.seg[vmx::CS].ar.big();
    ZydisDecoder decoder;
    if (s.code64()) ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    else if (code32) ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    else ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, bytes.data(), bytes.size(), &insn, operands))) {
        bytes.resize(1);
        return {"(bad)", std::move(bytes)};
    }
    static const ZydisFormatter formatter = [] {
        ZydisFormatter f;
        ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
        return f;
    }();
    char text[128];
    ZydisFormatterFormatInstruction(&formatter, &insn, operands, insn.operand_count_visible, text, sizeof text, at, nullptr);
    bytes.resize(insn.length);
    return {text, std::move(bytes)};
}

std::optional<arch::VmcsPage> Inspector::current_vmcs() const {
    const u64 pointer = core.state.vmx.current_vmcs;
    if (!core.state.vmx.on || pointer == ~u64{0}) return std::nullopt;
    arch::VmcsPage page;
    core.ram().read_block({pointer}, page.bytes);
    if (!vmcs.inspect({pointer}, page)) return std::nullopt;
    return page;
}

}  // namespace vmxsim::sim
