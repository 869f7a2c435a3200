// SPDX-License-Identifier: Apache-2.0
#include "sim/debug/gdb_registers.hpp"

#include <cstring>
#include <functional>

#include <fmt/format.h>

namespace vmxsim::sim {

namespace {

using core::Core;
using vmx::CpuState;

struct Register {
    std::string name, type;
    unsigned bytes;
    std::string feature;
    std::function<void(Core&, u8*)> get;
    std::function<void(Core&, const u8*)> set;  ///< empty: read only
};

template <class T>
void put(u8* to, T value) { std::memcpy(to, &value, sizeof value); }
template <class T>
T take(const u8* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

constexpr const char *kCore = "org.gnu.gdb.i386.core", *kSse = "org.gnu.gdb.i386.sse",
                     *kSegments = "org.gnu.gdb.i386.segments", *kSystem = "org.vmxsim.system";

/// A register whose place is a 64-bit member of CpuState.
Register plain(std::string name, std::string type, const char* feature, u64 CpuState::*member, bool writable = true) {
    Register r{std::move(name), std::move(type), 8, feature, [=](Core& c, u8* to) { put(to, c.state.*member); }, {}};
    if (writable) r.set = [=](Core& c, const u8* from) { c.state.*member = take<u64>(from); };
    return r;
}

std::vector<Register> make_table() {
    std::vector<Register> t;
    // GDB's order of the general registers is not that of their encoding.
    constexpr std::pair<const char*, vmx::Reg> kGeneral[] = {
        {"rax", vmx::RAX}, {"rbx", vmx::RBX}, {"rcx", vmx::RCX}, {"rdx", vmx::RDX}, {"rsi", vmx::RSI}, {"rdi", vmx::RDI},
        {"rbp", vmx::RBP}, {"rsp", vmx::RSP}, {"r8", vmx::R8},   {"r9", vmx::R9},   {"r10", vmx::R10}, {"r11", vmx::R11},
        {"r12", vmx::R12}, {"r13", vmx::R13}, {"r14", vmx::R14}, {"r15", vmx::R15}};
    for (const auto& [name, which] : kGeneral)
        t.push_back({name, which == vmx::RSP || which == vmx::RBP ? "data_ptr" : "int64", 8, kCore,
                     [which = which](Core& c, u8* to) { put(to, c.state.r[which]); },
                     [which = which](Core& c, const u8* from) { c.state.r[which] = take<u64>(from); }});
    t.push_back(plain("rip", "code_ptr", kCore, &CpuState::rip));
    t.push_back({"eflags", "i386_eflags", 4, kCore, [](Core& c, u8* to) { put(to, static_cast<u32>(c.state.rflags)); },
                 [](Core& c, const u8* from) {
                     // Bits that select how code is run (VM) stay; reserved ones too.
                     constexpr u64 kWritable = vmx::rflags::kArithmetic | vmx::rflags::TF | vmx::rflags::IF | vmx::rflags::DF |
                                               vmx::rflags::IOPL | vmx::rflags::NT | vmx::rflags::RF | vmx::rflags::AC |
                                               vmx::rflags::ID;
                     c.state.rflags = (c.state.rflags & ~kWritable) | (take<u32>(from) & kWritable);
                 }});
    constexpr std::pair<const char*, vmx::Seg> kSelectors[] = {{"cs", vmx::CS}, {"ss", vmx::SS}, {"ds", vmx::DS},
                                                               {"es", vmx::ES}, {"fs", vmx::FS}, {"gs", vmx::GS}};
    for (const auto& [name, seg] : kSelectors)
        t.push_back({name, "int32", 4, kCore, [seg = seg](Core& c, u8* to) { put(to, u32{c.state.seg[seg].selector}); }, {}});
    for (unsigned i = 0; i < 8; ++i)
        t.push_back({fmt::format("st{}", i), "i387_ext", 10, kCore,
                     [i](Core& c, u8* to) { std::memcpy(to, c.fpu.st[i].data(), 10); },
                     [i](Core& c, const u8* from) { std::memcpy(c.fpu.st[i].data(), from, 10); }});
    const auto control = [&](const char* name, std::function<u32(const core::FpuState&)> get) {
        t.push_back({name, "int", 4, kCore, [get = std::move(get)](Core& c, u8* to) { put(to, get(c.fpu)); }, {}});
    };
    control("fctrl", [](const core::FpuState& f) { return u32{f.control}; });
    control("fstat", [](const core::FpuState& f) { return u32{f.status}; });
    control("ftag", [](const core::FpuState& f) {
        u32 tags = 0;
        for (unsigned i = 0; i < 8; ++i) tags |= (f.tags >> i & 1 ? 0u : 3u) << 2 * i;  // valid or empty
        return tags;
    });
    control("fiseg", [](const core::FpuState& f) { return u32{f.cs}; });
    control("fioff", [](const core::FpuState& f) { return static_cast<u32>(f.ip); });
    control("foseg", [](const core::FpuState& f) { return u32{f.ds}; });
    control("fooff", [](const core::FpuState& f) { return static_cast<u32>(f.dp); });
    control("fop", [](const core::FpuState& f) { return u32{f.opcode}; });
    for (unsigned i = 0; i < 16; ++i)
        t.push_back({fmt::format("xmm{}", i), "vec128", 16, kSse,
                     [i](Core& c, u8* to) { std::memcpy(to, c.fpu.xmm[i].b.data(), 16); },
                     [i](Core& c, const u8* from) { std::memcpy(c.fpu.xmm[i].b.data(), from, 16); }});
    t.push_back({"mxcsr", "i386_mxcsr", 4, kSse, [](Core& c, u8* to) { put(to, c.fpu.mxcsr); },
                 [](Core& c, const u8* from) { c.fpu.mxcsr = take<u32>(from) & core::mxcsr::kDefined; }});
    for (const auto& [name, seg] : {std::pair{"fs_base", vmx::FS}, std::pair{"gs_base", vmx::GS}})
        t.push_back({name, "int", 8, kSegments, [seg = seg](Core& c, u8* to) { put(to, c.state.seg[seg].base); },
                     [seg = seg](Core& c, const u8* from) { c.state.seg[seg].base = take<u64>(from); }});
    t.push_back(plain("k_gs_base", "int", kSystem, &CpuState::kernel_gs_base));
    // What selects translations is for looking at: the guest's own instructions check what they load.
    t.push_back(plain("cr0", "int", kSystem, &CpuState::cr0, false));
    t.push_back(plain("cr2", "int", kSystem, &CpuState::cr2));
    t.push_back(plain("cr3", "int", kSystem, &CpuState::cr3, false));
    t.push_back(plain("cr4", "int", kSystem, &CpuState::cr4, false));
    t.push_back(plain("cr8", "int", kSystem, &CpuState::cr8, false));
    t.push_back(plain("efer", "int", kSystem, &CpuState::efer, false));
    return t;
}

const std::vector<Register>& table() {
    static const std::vector<Register> t = make_table();
    return t;
}

constexpr const char* kTypes =
    "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/><vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
    "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/><vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
    "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/><vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
    "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/><field name=\"v2_double\" type=\"v2d\"/>"
    "<field name=\"v16_int8\" type=\"v16i8\"/><field name=\"v8_int16\" type=\"v8i16\"/>"
    "<field name=\"v4_int32\" type=\"v4i32\"/><field name=\"v2_int64\" type=\"v2i64\"/>"
    "<field name=\"uint128\" type=\"uint128\"/></union>";

constexpr const char* kFlags =
    "<flags id=\"i386_eflags\" size=\"4\"><field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"\" start=\"1\" end=\"1\"/>"
    "<field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/><field name=\"ZF\" start=\"6\" end=\"6\"/>"
    "<field name=\"SF\" start=\"7\" end=\"7\"/><field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>"
    "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/><field name=\"NT\" start=\"14\" end=\"14\"/>"
    "<field name=\"RF\" start=\"16\" end=\"16\"/><field name=\"VM\" start=\"17\" end=\"17\"/><field name=\"AC\" start=\"18\" end=\"18\"/>"
    "<field name=\"VIF\" start=\"19\" end=\"19\"/><field name=\"VIP\" start=\"20\" end=\"20\"/><field name=\"ID\" start=\"21\" end=\"21\"/>"
    "</flags>";

constexpr const char* kMxcsr =
    "<flags id=\"i386_mxcsr\" size=\"4\"><field name=\"IE\" start=\"0\" end=\"0\"/><field name=\"DE\" start=\"1\" end=\"1\"/>"
    "<field name=\"ZE\" start=\"2\" end=\"2\"/><field name=\"OE\" start=\"3\" end=\"3\"/><field name=\"UE\" start=\"4\" end=\"4\"/>"
    "<field name=\"PE\" start=\"5\" end=\"5\"/><field name=\"DAZ\" start=\"6\" end=\"6\"/><field name=\"FZ\" start=\"15\" end=\"15\"/>"
    "</flags>";

}  // namespace

const std::string& gdb_target_xml() {
    static const std::string xml = [] {
        std::string out =
            "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">"
            "<architecture>i386:x86-64</architecture>";
        std::string feature;
        std::size_t number = 0;
        for (const Register& r : table()) {
            if (r.feature != feature) {
                if (!feature.empty()) out += "</feature>";
                feature = r.feature;
                out += fmt::format("<feature name=\"{}\">{}", feature, feature == kCore  ? std::string(kFlags)
                                                                       : feature == kSse ? std::string(kTypes) + kMxcsr
                                                                                         : std::string{});
            }
            out += fmt::format("<reg name=\"{}\" bitsize=\"{}\" type=\"{}\" regnum=\"{}\"/>", r.name, r.bytes * 8, r.type,
                               number++);
        }
        return out + "</feature></target>";
    }();
    return xml;
}

std::size_t gdb_register_count() { return table().size(); }
std::size_t gdb_register_bytes(std::size_t number) { return table()[number].bytes; }

std::vector<u8> gdb_read_register(core::Core& core, std::size_t number) {
    std::vector<u8> bytes(table()[number].bytes);
    table()[number].get(core, bytes.data());
    return bytes;
}

bool gdb_write_register(core::Core& core, std::size_t number, const std::vector<u8>& bytes) {
    const Register& r = table()[number];
    if (bytes.size() < r.bytes || !r.set) return false;
    r.set(core, bytes.data());
    return true;
}

}  // namespace vmxsim::sim
