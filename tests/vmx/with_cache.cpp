// SPDX-License-Identifier: Apache-2.0
// The same VMCS through the VMCS cache and through a plain port: the same fields and the same processor state.
#include "model/vmcs_cache/cache.hpp"
#include "tests/vmx/machine.hpp"

using namespace vmxsim;
using namespace vmxsim::test;
using namespace vmxsim::vmx;

namespace {

struct Lines : arch::LineMemory {
    memory::PhysicalMemory& ram;
    explicit Lines(memory::PhysicalMemory& r) : ram(r) {}
    Cycles read_line(HostPhysical at, u8 (&bytes)[64]) override {
        ram.read_block(at, bytes);
        return {4};
    }
    Cycles write_line(HostPhysical at, const u8 (&bytes)[64]) override {
        ram.write_block(at, bytes);
        return {4};
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(vmx_with_vmcs_cache)

BOOST_AUTO_TEST_CASE(entry_and_exit_give_the_same_with_contexts_and_without) {
    arch::VmcsLayout mixed;
    for (std::size_t i = 0; i < arch::kFieldCount; ++i) {
        mixed.offset[i] = static_cast<u16>(16 + i / 2 * 8 + i % 2 * 1024);  // line 0 holds fields as well
        mixed.lines[static_cast<std::size_t>(arch::kFields[i].type)] |= arch::LineMask{1} << mixed.offset[i] / 64;
    }
    for (const u64 contexts : {4, 1, 0}) {
        for (const arch::VmcsLayout* layout : {&arch::kGenericLayout, static_cast<const arch::VmcsLayout*>(&mixed)}) {
            Machine plain;
            Lines lines(plain.ram);
            vmcs_cache::VmcsCacheParams params;
            params.contexts = contexts;
            vmcs_cache::VmcsCache cache(params, lines, *layout);
            CpuState cpu = plain.cpu;
            Ledger ledger;
            Vmx vmx({cpu, cache, plain.ram, plain.translations, plain.capabilities, plain.timing, ledger, layout});
            BOOST_REQUIRE((vmx.vmclear(Machine::kVmcs).kind == VmxResult::Succeed));
            BOOST_REQUIRE((vmx.vmptrld(Machine::kVmcs).kind == VmxResult::Succeed));
            for (const auto& f : arch::kFields) {
                const Field field = arch::decode_encoding(f.encoding)->field;
                const VmxResult r = vmx.vmwrite(f.encoding, plain.get(field));
                BOOST_TEST(((r.kind == VmxResult::Succeed) == vmx.field_exists(field)), f.name);
            }
            const EntryResult entered = vmx.vmlaunch();
            BOOST_REQUIRE_MESSAGE(entered.kind == EntryResult::Entered, (entered.violated ? entered.violated : ""));
            plain.enter();
            for (CpuState* c : {&cpu, &plain.cpu}) {
                c->rip = 0x1234;
                c->r[RSP] = 0x5678;
            }
            ExitInfo info;
            BOOST_TEST(vmx.intercept_cpuid(info));
            vmx.exit(info);
            plain.vmx.exit(info);
            for (std::size_t i = 0; i < arch::kFieldCount; ++i) {
                const auto f = static_cast<Field>(i);
                if (!vmx.field_exists(f)) continue;
                u64 value = 0;
                BOOST_TEST((vmx.vmread(arch::encoding_of(f), value).kind == VmxResult::Succeed));
                BOOST_TEST(value == plain.get(f), arch::info(f).name << " with " << contexts << " contexts");
            }
            BOOST_TEST(cpu.rip == plain.cpu.rip);
            BOOST_TEST((vmx.vmresume().kind == EntryResult::Entered));  // the launch state outlived the exit
            BOOST_TEST(plain.ram.read({Machine::kVmcs}, 4) == plain.capabilities.revision_id());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
