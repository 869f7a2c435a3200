// SPDX-License-Identifier: Apache-2.0
// VM entries from a VMCS with any content, then the guest and its exits.
// Input: flags, then field changes (field, value), each on a VMCS that is good; 0xff as field ends them: code of the guest.
#include "tests/fuzz/target.hpp"
#include "tests/platform/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

enum Flag : u8 { kEpt = 1, kRawRegion = 2, kApic = 4, kCompatibility = 8 };
constexpr u64 kCycles = 50'000, kEptRoot = 0x80000;

constexpr u64 kValues[] = {0, 1, 2, 3, 6, 7, 8, 0xff, 0x1000, 0xfff, Machine::kVmcs, Machine::kVmxon, Machine::kBitmaps, kData, kPages, kStack,
                           kCode, kRamBytes - 16, kRamBytes, 0xfee00000, ~u64{0}, u64{1} << 63, u64{1} << 47, u64{1} << 40,
                           0x80000300, 0x80000b0e, 0x80000603, 0x80000202, 0x80000700, 0x80000401, 0x80000d30, 0x8000010d,
                           0x80000021, 0x11, 0x31, 0x2020, 0x20, 0x20202, 0x100, 0x500, 0xd01, 0xc093, 0xa09b, 0x10000,
                           0xf3, 0xffff, 0xffffffff, 0x400, 0x8000000b, kEptRoot | 0x1e, kEptRoot | 0x5e, 0x82, 0x8b, 0x9b};

/// The identity, in 2-MiB pages: the first megabytes with all rights, then less.
void make_ept(Pc& m) {
    m.poke(kEptRoot, (kEptRoot + 0x1000) | 7, 8);
    m.poke(kEptRoot + 0x1000, (kEptRoot + 0x2000) | 7, 8);
    for (u64 i = 0; i < 4; ++i) m.poke(kEptRoot + 0x2000 + 8 * i, i << 21 | 0xb0 | (i < 2 ? 7 : i), 8);
}

}  // namespace

std::vector<fuzz::Input> fuzz::seeds() {
    std::vector<Input> all;
    const auto add = [&](u8 flags, std::initializer_list<std::pair<arch::Field, u64>> changes, std::initializer_list<u8> code) {
        Input in{flags};
        for (const auto& [field, value] : changes) {
            in.push_back(static_cast<u8>(arch::index_of(field)));
            in.push_back(0xc3);
            for (unsigned i = 0; i < 8; ++i) in.push_back(static_cast<u8>(value >> 8 * i));
        }
        in.push_back(0xff);
        in.insert(in.end(), code);
        all.push_back(in);
    };
    using F = arch::Field;
    add(0, {}, {0x0f, 0xa2, 0x0f, 0x01, 0xc1, 0xf4});
    add(kCompatibility, {}, {0x0f, 0xa2, 0xcd, 0x20, 0xe4, 0x60});
    add(kEpt, {{F::EPT_POINTER, kEptRoot | 0x1e}}, {0xa1, 0, 0, 0x60, 0, 0, 0, 0, 0, 0x0f, 0x20, 0xc0});
    add(kApic, {{F::VM_ENTRY_INTR_INFO_FIELD, 0x80000b0e}, {F::VM_ENTRY_EXCEPTION_ERROR_CODE, 2}}, {0xfb, 0xf4});
    add(0, {{F::VM_ENTRY_MSR_LOAD_COUNT, 2}, {F::VM_ENTRY_MSR_LOAD_ADDR, kData}, {F::VM_EXIT_MSR_STORE_COUNT, 3}}, {0x0f, 0x32});
    add(0, {{F::GUEST_ACTIVITY_STATE, 1}, {F::GUEST_INTERRUPTIBILITY_INFO, 1}, {F::GUEST_PENDING_DBG_EXCEPTIONS, 0x4000}}, {0x90});
    add(kRawRegion, {}, {0xf4});
    add(kEpt, {{F::SECONDARY_VM_EXEC_CONTROL, 0x82}, {F::GUEST_CR0, 0x30}, {F::GUEST_CR4, 0x2000}}, {0xf4, 0xee});
    add(0, {{F::PIN_BASED_VM_EXEC_CONTROL, 0x7f}, {F::VMX_PREEMPTION_TIMER_VALUE, 100}, {F::VM_EXIT_CONTROLS, 0x436fff}}, {0xeb, 0xfe});
    return all;
}

int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
    fuzz::Reader in({data, size});
    const u8 flags = in.byte();
    Pc m(flags & kApic);
    if (flags & kCompatibility) m.compatibility();
    make_ept(m);
    m.vmxon();
    m.primary = u64{1} << 28;  // MSR bitmaps, which are zero
    m.secondary = flags & kEpt ? 0x82 : 0;
    if (flags & kEpt) m.field(arch::Field::EPT_POINTER, kEptRoot | 0x1e);
    m.prepare_vmcs();
    // The host enters the guest again; where that fails it halts.
    m.place(Machine::kHostEntry, {0x0f, 0x01, 0xc3, 0xf4});

    while (!in.empty()) {
        const u8 which = in.byte();
        if (which == 0xff) break;
        m.vmx.vmwrite(arch::kFields[which % arch::kFieldCount].encoding, in.value(kValues));
    }
    const auto rest = in.rest();
    if (flags & kRawRegion) {
        // Whatever lies in the region's memory, as the processor finds it with VMPTRLD.
        m.vmx.vmclear(Machine::kVmcs);
        m.ram.write_block({Machine::kVmcs + 8}, rest.first(std::min<std::size_t>(rest.size(), 4088)));
        m.vmx.vmptrld(Machine::kVmcs);
    }
    m.ram.write_block({kCode}, rest.first(std::min<std::size_t>(rest.size(), 0x1000)));

    const EntryResult entered = m.vmx.vmlaunch();
    if (entered.kind == EntryResult::Failed) m.vmx.conclude(entered.result);
    m.core.after_vm_entry(entered);
    m.core.run(m.core.state.cycles + kCycles);
    VMXSIM_HOLDS(m.core.state.r[16] == 0);
    VMXSIM_HOLDS(m.core.state.rflags & 2);
    VMXSIM_HOLDS(!m.core.describe().empty());
    return 0;
}
