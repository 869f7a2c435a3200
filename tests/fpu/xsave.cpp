// SPDX-License-Identifier: Apache-2.0
// The XSAVE family with AVX and PKRU state (SDM 1, chapter 13): formats, headers, initial state, CPUID leaf 0DH.
#include <boost/test/unit_test.hpp>

#include "raises.hpp"

namespace vmxsim::core {

namespace {

using namespace arch::xsave;

const Bytes kXsave{0x0f, 0xae, 0x23}, kXrstor{0x0f, 0xae, 0x2b}, kXsaveopt{0x0f, 0xae, 0x33};  // [RBX]
const Bytes kXsavec{0x0f, 0xc7, 0x23}, kXsaves{0x0f, 0xc7, 0x2b}, kXrstors{0x0f, 0xc7, 0x1b};
const Bytes kXgetbv{0x0f, 0x01, 0xd0}, kCpuid{0x0f, 0xa2};
constexpr u64 kArea = Machine::kData, kHeader = kArea + 512, kStandardPkru = 0xa80, kCompactPkru = 576 + 256;

struct XsaveBench : Bench {
    XsaveBench() {
        // Leaf 0DH as Intel's CPUs with AVX and PKRU have it.
        cpuid.leaves[0].eax = 0xd;
        cpuid.leaves[1].ecx |= 1u << 26;
        cpuid.leaves[2].ecx |= 1u << 3;  // PKU
        cpuid.leaves.push_back({0xd, 0, false, 0x207, 0x240, 0xa88, 0});
        cpuid.leaves.push_back({0xd, 1, false, 0xf, 0, 0, 0});
        cpuid.leaves.push_back({0xd, 2, false, 0x100, 0x240, 0, 0});
        cpuid.leaves.push_back({0xd, 9, false, 8, 0xa80, 0, 0});
        f().offered = fpu_offers(cpuid) | offers::AVX;
        f().extended = xsave_places(cpuid);
        s().cr4 |= vmx::cr4::OSXSAVE;
        s().xcr0 = 0x207;
        ask(~u64{0});
        raises({0xdb, 0xe3});  // FNINIT
    }
    FpuState& f() { return core->fpu; }
    void ask(u64 components) { s().r[vmx::RAX] = components & 0xffffffff, s().r[vmx::RDX] = components >> 32; }
    void fill(u64 value) {
        for (u64 at = 0; at < 0xb00; at += 8) write(kArea + at, value);
    }
    u64 xgetbv(u64 index) {
        s().r[vmx::RCX] = index;
        const int vector = raises(kXgetbv);
        const u64 value = s().r[vmx::RAX];
        ask(~u64{0});
        return vector == -1 ? value : ~u64{0};
    }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(xsave)

BOOST_AUTO_TEST_CASE(the_standard_format_has_components_where_cpuid_says) {
    XsaveBench m;
    m.f().ymm_high[15].q = {0x1234, 0x5678};
    m.s().pkru = 0x55;
    m.fill(0xeeeeeeeeeeeeeeee);
    for (u64 at = 0; at < 64; at += 8) m.write(kHeader + at, 0);
    BOOST_TEST(m.raises(kXsave) == -1);
    BOOST_TEST(m.read(kHeader) == 0x204u);
    BOOST_TEST(m.read(kHeader + 8) == 0u);
    BOOST_TEST(m.read(kArea + 576 + 15 * 16) == 0x1234u);
    BOOST_TEST(m.read(kArea + 576 + 15 * 16 + 8) == 0x5678u);
    BOOST_TEST(m.read(kArea + 576) == 0u);
    BOOST_TEST(m.read(kArea + kStandardPkru) == 0x55u);
    BOOST_TEST(m.read(kArea + 576 + 256) == 0xeeeeeeeeeeeeeeeeu);  // between the components nothing is written
    m.f().ymm_high[15] = {}, m.f().ymm_high[0].q = {9, 9}, m.s().pkru = 0;
    BOOST_TEST(m.raises(kXrstor) == -1);
    BOOST_TEST(m.f().ymm_high[15].q[1] == 0x5678u);
    BOOST_TEST(m.f().ymm_high[0].q[0] == 0u);
    BOOST_TEST(m.s().pkru == 0x55u);
    m.ask(kAvx);
    m.write(kHeader, kPkru);  // AVX in its initial state; PKRU not asked for
    m.s().pkru = 3;
    BOOST_TEST(m.raises(kXrstor) == -1);
    BOOST_TEST(m.f().ymm_high[15].q[0] == 0u);
    BOOST_TEST(m.s().pkru == 3u);
}

BOOST_AUTO_TEST_CASE(the_compacted_format_packs_what_is_asked_for) {
    XsaveBench m;
    m.f().xmm[1].q = {5, 6};
    m.s().pkru = 0x77;
    m.fill(0xeeeeeeeeeeeeeeee);
    BOOST_TEST(m.raises(kXsavec) == -1);
    BOOST_TEST(m.read(kHeader) == (kSse | kPkru));
    BOOST_TEST(m.read(kHeader + 8) == (kCompacted | 0x207));
    BOOST_TEST(m.read(kHeader + 16) == 0xeeeeeeeeeeeeeeeeu);  // the rest of the header stays (SDM 1, 13.10)
    BOOST_TEST(m.read(kArea + 576) == 0xeeeeeeeeeeeeeeeeu);   // AVX is initial, yet has its place
    BOOST_TEST(m.read(kArea + kCompactPkru) == 0x77u);
    BOOST_TEST(m.read(kArea + 160 + 16) == 5u);
    BOOST_TEST(m.read(kArea) == 0xeeeeeeeeeeeeeeeeu);         // x87 state is initial
    m.fill(0);
    m.ask(kSse | kPkru);
    BOOST_TEST(m.raises(kXsavec) == -1);
    BOOST_TEST(m.read(kArea + 576) == 0x77u);                 // AVX was not asked for: PKRU comes first
    m.f().xmm[1] = {}, m.s().pkru = 0, m.f().mxcsr = 0x1fa0, m.f().ymm_high[2].q = {1, 1};
    m.ask(~u64{0});
    BOOST_TEST(m.raises(kXrstor) == -1);
    BOOST_TEST(m.f().xmm[1].q[1] == 6u);
    BOOST_TEST(m.s().pkru == 0x77u);
    BOOST_TEST(m.f().mxcsr == 0x1f80u);
    BOOST_TEST(m.f().ymm_high[2].q[0] == 0u);                 // what the area does not hold becomes initial
}

BOOST_AUTO_TEST_CASE(mxcsr_is_sse_state_in_the_compacted_format_and_always_there_in_the_standard_one) {
    XsaveBench m;
    m.f().mxcsr = 0x1fa0;
    m.fill(0);
    m.ask(kAvx);
    BOOST_TEST(m.raises(kXsave) == -1);
    BOOST_TEST(m.read(kArea + 24, 4) == 0x1fa0u);
    m.fill(0);
    m.ask(kAvx);
    BOOST_TEST(m.raises(kXsavec) == -1);
    BOOST_TEST(m.read(kArea + 24, 4) == 0u);
    m.ask(kSse | kAvx);
    BOOST_TEST(m.raises(kXsavec) == -1);
    BOOST_TEST(m.read(kHeader) == kSse);  // XMM registers are zero, MXCSR is not what it was after reset
    BOOST_TEST(m.read(kArea + 24, 4) == 0x1fa0u);
    m.write(kHeader, 0);
    BOOST_TEST(m.raises(kXrstor) == -1);
    BOOST_TEST(m.f().mxcsr == 0x1f80u);
    m.fill(0);
    m.write(kArea + 24, 0x1f90, 4);
    m.ask(kAvx);
    BOOST_TEST(m.raises(kXrstor) == -1);
    BOOST_TEST(m.f().mxcsr == 0x1f90u);
    m.write(kArea + 24, 0x10000, 4);
    BOOST_TEST(m.raises(kXrstor) == vector::GP);
}

BOOST_AUTO_TEST_CASE(headers_that_do_not_fit_raise_gp) {
    XsaveBench m;
    const auto restore = [&](u64 state, u64 format, u64 third = 0, u64 eighth = 0) {
        m.fill(0);
        m.write(kArea + 24, 0x1f80, 4);
        m.write(kHeader, state), m.write(kHeader + 8, format), m.write(kHeader + 16, third), m.write(kHeader + 56, eighth);
        return m.raises(kXrstor);
    };
    BOOST_TEST(restore(7, 0) == -1);
    BOOST_TEST(restore(0x20, 0) == vector::GP);          // not in XCR0
    BOOST_TEST(restore(0, 1) == vector::GP);             // XCOMP_BV without its bit 63
    BOOST_TEST(restore(0, 0, 1) == vector::GP);
    BOOST_TEST(restore(0, 0, 0, 1) == -1);               // the standard format looks at 24 bytes
    BOOST_TEST(restore(7, kCompacted | 7) == -1);
    BOOST_TEST(restore(7, kCompacted | 3) == vector::GP);     // state that the format lacks
    BOOST_TEST(restore(0, kCompacted | 0x20) == vector::GP);  // a format beyond XCR0
    BOOST_TEST(restore(0, kCompacted, 0, 1) == vector::GP);
    m.f().offered &= ~offers::XSAVEC;
    BOOST_TEST(restore(7, kCompacted | 7) == vector::GP);
}

BOOST_AUTO_TEST_CASE(xsaves_and_xrstors_are_the_supervisor_s_and_compacted_only) {
    XsaveBench m;
    m.f().ymm_high[3].q = {3, 3};
    m.fill(0);
    BOOST_TEST(m.raises(kXsaves) == -1);
    BOOST_TEST(m.read(kHeader) == kAvx);
    BOOST_TEST(m.read(kHeader + 8) == (kCompacted | 0x207));
    m.f().ymm_high[3] = {};
    BOOST_TEST(m.raises(kXrstors) == -1);
    BOOST_TEST(m.f().ymm_high[3].q[0] == 3u);
    m.write(kHeader + 8, 0);
    BOOST_TEST(m.raises(kXrstors) == vector::GP);  // the standard format
    BOOST_TEST(m.raises(kXrstor) == -1);
    m.s().r[vmx::RBX] = kArea + 32;
    BOOST_TEST(m.raises(kXsaves) == vector::GP);
    m.s().r[vmx::RBX] = kArea;
    m.f().offered &= ~offers::XSAVES;
    BOOST_TEST(m.raises(kXsaves) == vector::UD);
    BOOST_TEST(m.raises(kXrstors) == vector::UD);
    m.f().offered |= offers::XSAVES;
    m.s().cr4 &= ~vmx::cr4::OSXSAVE;
    for (const Bytes& code : {kXsave, kXsavec, kXsaveopt, kXsaves, kXrstor, kXrstors, kXgetbv})
        BOOST_TEST(m.raises(code) == vector::UD);
    m.s().cr4 |= vmx::cr4::OSXSAVE;
    m.s().cr0 |= vmx::cr0::TS;
    for (const Bytes& code : {kXsave, kXsavec, kXsaves, kXrstors}) BOOST_TEST(m.raises(code) == vector::NM);
}

BOOST_AUTO_TEST_CASE(xsaveopt_leaves_initial_components_in_memory_as_they_were) {
    XsaveBench m;
    m.fill(0);
    m.write(kArea + 576, 0x99);
    m.write(kHeader, 0x206);
    m.ask(kSse | kAvx);
    BOOST_TEST(m.raises(kXsaveopt) == -1);
    BOOST_TEST(m.read(kArea + 576) == 0x99u);
    BOOST_TEST(m.read(kHeader) == kPkru);  // bits not asked for stay
    BOOST_TEST(m.raises(kXsave) == -1);
    BOOST_TEST(m.read(kArea + 576) == 0u);
}

BOOST_AUTO_TEST_CASE(xgetbv_1_tells_what_is_in_use) {
    XsaveBench m;
    BOOST_TEST(m.xgetbv(0) == 0x207u);
    BOOST_TEST(m.xgetbv(1) == 0u);
    m.f().ymm_high[4].q = {1, 0};
    m.s().pkru = 1;
    BOOST_TEST(m.xgetbv(1) == (kAvx | kPkru));
    m.f().mxcsr = 0x1f81;
    BOOST_TEST(m.xgetbv(1) == (kSse | kAvx | kPkru));
    m.s().xcr0 = 3;
    BOOST_TEST(m.xgetbv(1) == kSse);
    BOOST_TEST(m.xgetbv(2) == ~u64{0});  // #GP
    m.f().offered &= ~offers::XGETBV1;
    BOOST_TEST(m.xgetbv(1) == ~u64{0});
}

BOOST_AUTO_TEST_CASE(cpuid_0dh_gives_the_size_of_what_xcr0_enables) {
    XsaveBench m;
    const auto ebx = [&](u64 xcr0, u64 subleaf) {
        m.s().xcr0 = xcr0;
        m.s().r[vmx::RAX] = 0xd, m.s().r[vmx::RCX] = subleaf;
        m.raises(kCpuid);
        const u64 value = m.s().r[vmx::RBX];
        m.s().r[vmx::RBX] = kArea;
        return value;
    };
    BOOST_TEST(ebx(1, 0) == 576u);
    BOOST_TEST(ebx(7, 0) == 576u + 256);
    BOOST_TEST(ebx(0x207, 0) == 0xa88u);
    BOOST_TEST(ebx(3, 1) == 576u);
    BOOST_TEST(ebx(0x207, 1) == 576u + 256 + 8);
    BOOST_TEST(ebx(0x203, 1) == 576u + 8);
    BOOST_TEST(ebx(1, 2) == 576u);  // AVX state's offset
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
