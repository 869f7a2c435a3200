// SPDX-License-Identifier: Apache-2.0
// 5-level paging (SDM 4.5), protection keys (SDM 4.6.2), implicit accesses under SMAP (SDM 4.6.1), as code sees them.
#include <boost/test/unit_test.hpp>

#include "machine.hpp"
#include "model/core/operand.hpp"

namespace vmxsim::core {

namespace {

constexpr u64 kHigh = 0xff00000000000000;      ///< canonical with 57 bits, not with 48; mapped as address 0
constexpr u64 kPml5 = Machine::kTables + 0x8000, kHandlers = 0x1800;
constexpr u8 kGp = 13, kPf = 14, kUd = 6;

struct Bench : Machine {
    explicit Bench(bool five_level, TimingLevel timing = TimingLevel::None) : Machine(timing) {
        cpuid.leaves[2].ecx |= 1u << 3 | 1u << 16;  // PKU, LA57
        cpuid.leaves[2].ebx |= 1u << 0 | 1u << 20;  // FSGSBASE, SMAP
        cpuid.leaves[1].edx |= 1u << 6;             // PAE
        page_tables();
        for (const u64 i : {u64{0}, u64{0x100}}) write(kPml5 + i * 8, kTables | 7);
        if (five_level) s().cr3 = kPml5, s().cr4 |= vmx::cr4::LA57;
        for (const u8 v : {kUd, kGp, kPf}) gate(v, kHandlers + v * 16u), put(kHandlers + v * 16u, {0xf4});
        core->context_changed();
    }
    /// The vector that the code raises, or -1.
    int raises(std::vector<u8> code, u64 at = 0) {
        code.push_back(0xf4);
        place_ += 64;
        put(place_, code);
        s().rip = at ? at | place_ : place_;
        s().r[vmx::RSP] = kStack;
        run(10000);
        const u64 stop = s().rip - 1;
        return stop >= kHandlers && stop < kHandlers + 0x200 ? static_cast<int>((stop - kHandlers) / 16) : -1;
    }
    u64 pushed_error() { return read(s().r[vmx::RSP]); }
    void page(u64 at, unsigned key, u64 rights = 7) {
        map(at, at | rights | u64{key} << 59);
        mmu.flush_everything();
    }

private:
    u64 place_ = kCode;
};

const std::vector<u8> kLoad{0x48, 0x8b, 0x03}, kStore{0x48, 0x89, 0x0b};  // MOV RAX, [RBX]; MOV [RBX], RCX
const std::vector<u8> kRdpkru{0x0f, 0x01, 0xee}, kWrpkru{0x0f, 0x01, 0xef};

}  // namespace

BOOST_AUTO_TEST_SUITE(la57_and_keys)

BOOST_AUTO_TEST_CASE(with_la57_addresses_of_57_bits_are_canonical_in_data_and_code) {
    for (const TimingLevel timing : {TimingLevel::None, TimingLevel::Interval}) {
        Bench m(true, timing);
        m.write(Machine::kData, 0x1234);
        m.s().r[vmx::RBX] = kHigh + Machine::kData;
        BOOST_TEST(m.raises(kLoad) == -1);
        BOOST_TEST(m.s().r[vmx::RAX] == 0x1234u);
        m.s().r[vmx::RCX] = 0x77;
        BOOST_TEST(m.raises(kStore, kHigh) == -1);  // the code itself lies there
        BOOST_TEST(m.read(Machine::kData) == 0x77u);
        BOOST_TEST(m.s().rip > kHigh);
        m.s().r[vmx::RBX] = 0x0100000000000000 + Machine::kData;
        BOOST_TEST(m.raises(kLoad) == kGp);
        // JMP RBX to 57 bits, and to none.
        m.put(0x5000, {0xf4});
        m.s().r[vmx::RBX] = kHigh + 0x5000;
        BOOST_TEST(m.raises({0xff, 0xe3}) == -1);
        BOOST_TEST(m.s().rip == kHigh + 0x5001);
        m.s().r[vmx::RBX] = 0x0100000000005000;
        BOOST_TEST(m.raises({0xff, 0xe3}) == kGp);
    }
    Bench four(false);
    four.s().r[vmx::RBX] = kHigh + Machine::kData;
    BOOST_TEST(four.raises(kLoad) == kGp);
    four.s().r[vmx::RBX] = kHigh + 0x5000;
    BOOST_TEST(four.raises({0xff, 0xe3}) == kGp);
}

BOOST_AUTO_TEST_CASE(bases_and_msrs_take_what_the_processor_can_address_whatever_la57_says) {
    Bench m(false);
    m.s().cr4 |= vmx::cr4::FSGSBASE;
    const std::vector<u8> wrfsbase{0xf3, 0x48, 0x0f, 0xae, 0xd3};  // WRFSBASE RBX
    m.s().r[vmx::RBX] = kHigh;
    BOOST_TEST(m.raises(wrfsbase) == -1);
    BOOST_TEST(m.s().seg[vmx::FS].base == kHigh);
    BOOST_TEST(m.raises({0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0}) == kGp);  // MOV RAX, FS:[0]: 48 bits in use
    m.s().r[vmx::RBX] = 0x0100000000000000;
    BOOST_TEST(m.raises(wrfsbase) == kGp);
    m.cpuid.leaves[2].ecx &= ~(1u << 16);
    m.s().r[vmx::RBX] = kHigh;
    BOOST_TEST(m.raises(wrfsbase) == kGp);  // a processor of 48 bits
}

BOOST_AUTO_TEST_CASE(la57_cannot_change_in_ia_32e_mode_nor_be_set_where_cpuid_lacks_it) {
    for (const bool five : {false, true}) {
        Bench m(five);
        m.s().r[vmx::RBX] = m.s().cr4 ^ vmx::cr4::LA57;
        BOOST_TEST(m.raises({0x0f, 0x22, 0xe3}) == kGp);  // MOV CR4, RBX
        m.s().r[vmx::RBX] = m.s().cr4;
        BOOST_TEST(m.raises({0x0f, 0x22, 0xe3}) == -1);
    }
}

BOOST_AUTO_TEST_CASE(pkru_is_read_and_written_where_cr4_pke_is_set) {
    Bench m(false);
    auto& r = m.s().r;
    r[vmx::RCX] = r[vmx::RDX] = 0, r[vmx::RAX] = 0x55555554;
    BOOST_TEST(m.raises(kRdpkru) == kUd);
    BOOST_TEST(m.raises(kWrpkru) == kUd);
    m.s().cr4 |= vmx::cr4::PKE;
    BOOST_TEST(m.raises(kWrpkru) == -1);
    BOOST_TEST(m.s().pkru == 0x55555554u);
    r[vmx::RAX] = ~u64{0}, r[vmx::RDX] = ~u64{0};
    BOOST_TEST(m.raises(kRdpkru) == -1);
    BOOST_TEST(r[vmx::RAX] == 0x55555554u);
    BOOST_TEST(r[vmx::RDX] == 0u);
    r[vmx::RDX] = 1;
    BOOST_TEST(m.raises(kWrpkru) == kGp);
    r[vmx::RDX] = 0, r[vmx::RCX] = 1;
    BOOST_TEST(m.raises(kWrpkru) == kGp);
    BOOST_TEST(m.raises(kRdpkru) == kGp);
    BOOST_TEST(m.s().pkru == 0x55555554u);
}

BOOST_AUTO_TEST_CASE(a_key_forbids_data_accesses_to_user_pages_and_the_error_code_says_so) {
    Bench m(false);
    m.s().cr4 |= vmx::cr4::PKE;
    m.page(Machine::kData, 5);
    m.s().r[vmx::RBX] = Machine::kData;
    const auto pkru = [&](u32 value) {
        m.s().r[vmx::RAX] = value, m.s().r[vmx::RCX] = m.s().r[vmx::RDX] = 0;
        BOOST_TEST(m.raises(kWrpkru) == -1);
    };
    constexpr u32 kAccess = 1u << 10, kWrite = 2u << 10;
    BOOST_TEST(m.raises(kStore) == -1);
    pkru(kWrite);
    BOOST_TEST(m.raises(kLoad) == -1);
    BOOST_TEST(m.raises(kStore) == kPf);
    BOOST_TEST(m.pushed_error() == 0x23u);  // PK, write, present
    m.s().cr0 &= ~vmx::cr0::WP;
    BOOST_TEST(m.raises(kStore) == -1);  // a supervisor without write protection
    m.s().cr0 |= vmx::cr0::WP;
    pkru(kAccess);
    BOOST_TEST(m.raises(kLoad) == kPf);
    BOOST_TEST(m.pushed_error() == 0x21u);
    pkru(~(kAccess | kWrite));
    BOOST_TEST(m.raises(kLoad) == -1);  // another key's rights
    pkru(kAccess);
    m.page(Machine::kData, 5, 3);
    BOOST_TEST(m.raises(kLoad) == -1);  // a supervisor page has no key
    m.page(Machine::kData, 5);
    m.s().cr4 &= ~vmx::cr4::PKE;
    m.core->context_changed();
    BOOST_TEST(m.raises(kLoad) == -1);
}

BOOST_AUTO_TEST_CASE(under_smap_ac_opens_user_pages_to_code_but_not_to_descriptor_tables) {
    Bench m(false);
    m.s().cr4 |= vmx::cr4::SMAP;
    m.s().rflags |= vmx::rflags::AC;
    m.page(0x9000, 0);  // the GDT's page becomes the user's
    const std::vector<u8> mov_ss{0x8e, 0xd1};  // MOV SS, ECX
    m.s().r[vmx::RBX] = 0x9000, m.s().r[vmx::RCX] = 16;
    BOOST_TEST(m.raises(kLoad) == -1);
    BOOST_TEST(m.s().r[vmx::RAX] == 0u);
    std::vector<u8> both = kLoad;  // the data access first: what it cached must not serve the other
    both.insert(both.end(), mov_ss.begin(), mov_ss.end());
    m.s().rflags |= vmx::rflags::AC;
    m.raises(both);
    BOOST_TEST(m.s().cr2 >> 12 == 9u);  // the descriptor, and then that of the handler
    m.page(0x9000, 0, 3);
    m.s().cr2 = 0;
    m.s().rflags |= vmx::rflags::AC;
    BOOST_TEST(m.raises(both) == -1);
    BOOST_TEST(m.s().cr2 == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
