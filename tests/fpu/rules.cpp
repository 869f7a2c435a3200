// SPDX-License-Identifier: Apache-2.0
// Exceptions and availability (SDM 3A 2.5, 13.1; SDM 1, 8.7, 11.5), and what the comparison with the host leaves out.
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "raises.hpp"

namespace vmxsim::core {

namespace {

const Bytes kAddps{0x0f, 0x58, 0xc1};                    // ADDPS XMM0, XMM1
const Bytes kMovapsLoad{0x0f, 0x28, 0x03};               // MOVAPS XMM0, [RBX]
const Bytes kMovupsLoad{0x0f, 0x10, 0x03};               // MOVUPS XMM0, [RBX]
const Bytes kPaddbMmx{0x0f, 0xfc, 0xc1};                 // PADDB MM0, MM1
const Bytes kFadd{0xdc, 0xc1};                           // FADD ST(1), ST(0)
const Bytes kFwait{0x9b};
const Bytes kFnstsw{0xdf, 0xe0};
const Bytes kFxsave{0x0f, 0xae, 0x03};

}  // namespace

BOOST_AUTO_TEST_SUITE(rules)

BOOST_AUTO_TEST_CASE(without_osfxsr_or_with_em_sse_is_undefined) {
    Bench m;
    BOOST_TEST(m.raises(kAddps) == -1);
    m.s().cr4 &= ~vmx::cr4::OSFXSR;
    BOOST_TEST(m.raises(kAddps) == vector::UD);
    BOOST_TEST(m.raises(kPaddbMmx) == -1);
    m.s().cr4 |= vmx::cr4::OSFXSR;
    m.s().cr0 |= vmx::cr0::EM;
    BOOST_TEST(m.raises(kAddps) == vector::UD);
    BOOST_TEST(m.raises(kPaddbMmx) == vector::UD);
    BOOST_TEST(m.raises(kFadd) == vector::NM);
    BOOST_TEST(m.raises(kFxsave) == vector::NM);
}

BOOST_AUTO_TEST_CASE(with_ts_all_raise_nm_and_fwait_only_with_mp) {
    Bench m;
    m.s().cr0 |= vmx::cr0::TS;
    for (const Bytes& code : {kAddps, kMovapsLoad, kPaddbMmx, kFadd, kFxsave, kFnstsw, kFwait})
        BOOST_TEST(m.raises(code) == vector::NM);
    m.s().cr0 &= ~vmx::cr0::MP;
    BOOST_TEST(m.raises(kFwait) == -1);
}

BOOST_AUTO_TEST_CASE(what_cpuid_does_not_offer_is_undefined) {
    Bench m;
    const Bytes pcmpgtq{0x66, 0x0f, 0x38, 0x37, 0xc1}, pabsb{0x66, 0x0f, 0x38, 0x1c, 0xc1}, paddb{0x66, 0x0f, 0xfc, 0xc1};
    for (const Bytes& code : {pcmpgtq, pabsb, paddb}) BOOST_TEST(m.raises(code) == -1);
    m.core->fpu.offered &= ~offers::SSE42;
    BOOST_TEST(m.raises(pcmpgtq) == vector::UD);
    m.core->fpu.offered &= ~offers::SSSE3;
    BOOST_TEST(m.raises(pabsb) == vector::UD);
    m.core->fpu.offered &= ~offers::SSE2;
    BOOST_TEST(m.raises(paddb) == vector::UD);
    BOOST_TEST(m.raises({0xc5, 0xf8, 0x58, 0xc1}) == vector::UD);  // VADDPS
}

BOOST_AUTO_TEST_CASE(sixteen_bytes_need_alignment_except_where_the_name_says_otherwise) {
    Bench m;
    BOOST_TEST(m.raises(kMovapsLoad) == -1);
    m.s().r[vmx::RBX] = Machine::kData + 8;
    BOOST_TEST(m.raises(kMovapsLoad) == vector::GP);
    BOOST_TEST(m.raises({0x0f, 0x58, 0x03}) == vector::GP);        // ADDPS XMM0, [RBX]
    BOOST_TEST(m.raises({0x0f, 0x29, 0x03}) == vector::GP);        // MOVAPS [RBX], XMM0
    BOOST_TEST(m.raises(kFxsave) == vector::GP);
    BOOST_TEST(m.raises(kMovupsLoad) == -1);
    BOOST_TEST(m.raises({0xf3, 0x0f, 0x58, 0x03}) == -1);          // ADDSS XMM0, [RBX]
    BOOST_TEST(m.raises({0x66, 0x0f, 0x3a, 0x63, 0x03, 0}) == -1);  // PCMPISTRI XMM0, [RBX], 0
}

BOOST_AUTO_TEST_CASE(an_unmasked_sse_exception_leaves_the_destination_and_sets_its_flag) {
    Bench m;
    FpuState& f = m.core->fpu;
    const Bytes divps{0x0f, 0x5e, 0xc1};
    const auto set = [&] {
        f.mxcsr = 0x1f80;
        f.xmm[0].d = {0x3f800000, 0x00000001, 0x3f800000, 0x3f800000};  // 1, denormal, 1, 1
        f.xmm[1].d = {0, 0x3f800000, 0x40400000, 0x3f800000};           // 0, 1, 3, 1
    };
    set();
    BOOST_TEST(m.raises(divps) == -1);
    BOOST_TEST(f.mxcsr == (0x1f80u | mxcsr::ZE | mxcsr::DE | mxcsr::PE));
    set();
    f.mxcsr &= ~(mxcsr::ZE << mxcsr::kMaskShift);
    BOOST_TEST(m.raises(divps) == vector::XM);
    BOOST_TEST((f.mxcsr & mxcsr::kFlags) == (mxcsr::ZE | mxcsr::DE));  // the inexact third element was not computed
    BOOST_TEST(f.xmm[0].d[0] == 0x3f800000u);
    set();
    f.mxcsr &= ~(mxcsr::PE << mxcsr::kMaskShift);
    BOOST_TEST(m.raises(divps) == vector::XM);
    BOOST_TEST((f.mxcsr & mxcsr::kFlags) == (mxcsr::ZE | mxcsr::DE | mxcsr::PE));
    BOOST_TEST(f.xmm[0].d[2] == 0x3f800000u);
    set();
    f.mxcsr &= ~(mxcsr::ZE << mxcsr::kMaskShift);
    m.s().cr4 &= ~vmx::cr4::OSXMMEXCPT;
    BOOST_TEST(m.raises(divps) == vector::UD);
}

BOOST_AUTO_TEST_CASE(unmasked_underflow_reports_exact_tiny_results_masked_does_not) {
    Bench m;
    FpuState& f = m.core->fpu;
    const Bytes mulss{0xf3, 0x0f, 0x59, 0xc1};
    f.xmm[0].d[0] = 0x00800000, f.xmm[1].d[0] = 0x3f000000;  // smallest normal times one half
    BOOST_TEST(m.raises(mulss) == -1);
    BOOST_TEST(f.xmm[0].d[0] == 0x00400000u);
    BOOST_TEST((f.mxcsr & mxcsr::kFlags) == 0u);
    f.xmm[0].d[0] = 0x00800000;
    f.mxcsr &= ~mxcsr::UM;
    BOOST_TEST(m.raises(mulss) == vector::XM);
    BOOST_TEST((f.mxcsr & mxcsr::kFlags) == mxcsr::UE);
    BOOST_TEST(f.xmm[0].d[0] == 0x00800000u);
}

BOOST_AUTO_TEST_CASE(an_x87_exception_is_raised_by_the_next_waiting_instruction) {
    Bench m;
    FpuState& f = m.core->fpu;
    BOOST_TEST(m.raises({0xdb, 0xe3}) == -1);  // FNINIT
    f.control = 0x37b;                         // divisions by zero unmasked
    const Bytes one_by_zero{0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9};  // FLD1; FLDZ; FDIVP
    BOOST_TEST(m.raises(one_by_zero) == -1);
    BOOST_TEST((f.status & x87::ES) != 0);
    BOOST_TEST((f.status & 4) != 0);
    BOOST_TEST(f.st[0][9] == 0u);  // operands as they were: FLDZ's zero, no pop
    BOOST_TEST(f.top() == 6u);
    BOOST_TEST(m.raises(kFnstsw) == -1);
    BOOST_TEST(m.s().r[vmx::RAX] == f.status);
    for (const Bytes& code : {kFwait, kFadd, kPaddbMmx}) BOOST_TEST(m.raises(code) == vector::MF);
    m.s().cr0 &= ~vmx::cr0::NE;
    BOOST_TEST(m.raises(kFwait) == -1);
    m.s().cr0 |= vmx::cr0::NE;
    BOOST_TEST(m.raises({0xdb, 0xe2}) == -1);  // FNCLEX
    BOOST_TEST(m.raises(kFwait) == -1);
}

BOOST_AUTO_TEST_CASE(reserved_bits_of_mxcsr_raise_gp) {
    Bench m;
    m.write(Machine::kData, 0x10000, 4);
    BOOST_TEST(m.raises({0x0f, 0xae, 0x13}) == vector::GP);  // LDMXCSR [RBX]
    m.write(Machine::kData, 0xffff, 4);
    BOOST_TEST(m.raises({0x0f, 0xae, 0x13}) == -1);
    BOOST_TEST(m.core->fpu.mxcsr == 0xffffu);
    m.raises({0x0f, 0xae, 0x5b, 0x10});  // STMXCSR [RBX + 16]
    BOOST_TEST(m.read(Machine::kData + 16, 4) == 0xffffu);
    m.write(Machine::kData + 24, 0x10000, 4);
    BOOST_TEST(m.raises({0x0f, 0xae, 0x0b}) == vector::GP);  // FXRSTOR [RBX]
}

BOOST_AUTO_TEST_CASE(fnsave_and_frstor_keep_everything_fnstenv_masks) {
    Bench m;
    FpuState& f = m.core->fpu;
    m.raises({0xdb, 0xe3, 0xd9, 0xe8, 0xd9, 0xeb});  // FNINIT; FLD1; FLDPI
    f.control = 0x360;
    const FpuState before = f;
    m.raises({0xdd, 0x33});  // FNSAVE [RBX]
    BOOST_TEST(f.control == 0x37fu);
    BOOST_TEST(f.tags == 0u);
    BOOST_TEST(m.read(Machine::kData, 2) == 0x360u);
    BOOST_TEST(m.read(Machine::kData + 8, 2) == 0x0fffu);  // R7 and R6 valid, the others empty
    m.raises({0xdd, 0x23});  // FRSTOR [RBX]
    BOOST_TEST(f.control == before.control);
    BOOST_TEST(f.status == before.status);
    BOOST_TEST(f.tags == before.tags);
    BOOST_TEST((f.st == before.st));
    m.raises({0xd9, 0x73, 0x10});  // FNSTENV [RBX + 16]
    BOOST_TEST(f.control == 0x37fu);
    BOOST_TEST(f.tags == before.tags);
}

BOOST_AUTO_TEST_CASE(xsave_and_xrstor_move_the_components_asked_for) {
    Bench m;
    FpuState& f = m.core->fpu;
    const Bytes xsave{0x0f, 0xae, 0x23}, xrstor{0x0f, 0xae, 0x2b}, xsaveopt{0x0f, 0xae, 0x33};
    m.s().r[vmx::RAX] = 3, m.s().r[vmx::RDX] = 0;
    BOOST_TEST(m.raises(xsave) == vector::UD);  // not offered
    f.offered |= offers::XSAVE | offers::XSAVEOPT;
    BOOST_TEST(m.raises(xsave) == vector::UD);  // not enabled
    m.s().cr4 |= vmx::cr4::OSXSAVE;
    m.s().xcr0 = 3;
    m.raises({0xdb, 0xe3, 0xd9, 0xe8});  // FNINIT; FLD1
    f.xmm[3].q = {1, 2};
    const FpuState before = f;
    BOOST_TEST(m.raises(xsave) == -1);
    BOOST_TEST(m.read(Machine::kData + 512) == 3u);
    f.xmm[3].q = {7, 7};
    m.raises({0xdb, 0xe3});
    m.s().r[vmx::RAX] = 2;
    BOOST_TEST(m.raises(xrstor) == -1);
    BOOST_TEST(f.xmm[3].q[1] == 2u);
    BOOST_TEST(f.tags == 0u);  // x87 was not asked for
    m.s().r[vmx::RAX] = 3;
    BOOST_TEST(m.raises(xrstor) == -1);
    BOOST_TEST(f.tags == before.tags);
    BOOST_TEST((f.st == before.st));
    m.write(Machine::kData + 512, 1);  // SSE in its initial configuration
    BOOST_TEST(m.raises(xrstor) == -1);
    BOOST_TEST(f.xmm[3].q[0] == 0u);
    m.write(Machine::kData + 160 + 48, 0x55);
    BOOST_TEST(m.raises(xsaveopt) == -1);
    BOOST_TEST(m.read(Machine::kData + 160 + 48) == 0x55u);  // initial: left out
    BOOST_TEST(m.read(Machine::kData + 512) == 1u);
    BOOST_TEST(m.raises(xsave) == -1);
    BOOST_TEST(m.read(Machine::kData + 160 + 48) == 0u);
    m.write(Machine::kData + 512, 4);  // AVX, which XCR0 lacks
    BOOST_TEST(m.raises(xrstor) == vector::GP);
    m.s().r[vmx::RBX] = Machine::kData + 16;
    BOOST_TEST(m.raises(xsave) == vector::GP);
}

BOOST_AUTO_TEST_CASE(reciprocals_are_within_the_bound_of_the_manual_on_every_host) {
    Bench m;
    FpuState& f = m.core->fpu;
    constexpr double kBound = 1.5 / 4096;
    for (const float x : {1.0f, 3.0f, 0.7f, 1e20f, 2e-20f, 12345.0f}) {
        f.xmm[1].f = {x, x, x, x};
        m.raises({0x0f, 0x53, 0xc1});  // RCPPS XMM0, XMM1
        BOOST_TEST(std::abs(double{f.xmm[0].f[0]} * double{x} - 1) <= kBound);
        m.raises({0x0f, 0x52, 0xd1});  // RSQRTPS XMM2, XMM1
        BOOST_TEST(std::abs(double{f.xmm[2].f[3]} * double{f.xmm[2].f[3]} * double{x} - 1) <= 2 * kBound);
    }
    f.xmm[1].d = {0x80000000, 0x7f800000, 0xbf800000, 0x7f800001};
    m.raises({0x0f, 0x52, 0xd1});
    BOOST_TEST(f.xmm[2].d[0] == 0xff800000u);
    BOOST_TEST(f.xmm[2].d[1] == 0u);
    BOOST_TEST(f.xmm[2].d[2] == 0xffc00000u);
    BOOST_TEST(f.xmm[2].d[3] == 0x7fc00001u);
}

BOOST_AUTO_TEST_CASE(latencies_are_the_profile_s) {
    const auto cycles = [](u64 vector, u64 x87, const Bytes& code) {
        FpuMachine m(TimingLevel::Interval);
        m.params.vector = vector, m.params.x87 = x87;
        m.execute(code);
        return m.s().cycles;
    };
    BOOST_TEST(cycles(50, 0, kAddps) - cycles(0, 0, kAddps) == 50u);
    BOOST_TEST(cycles(0, 70, kFadd) - cycles(0, 0, kFadd) == 70u);
    const Bytes paddb{0x66, 0x0f, 0xfc, 0xc1};
    BOOST_TEST(cycles(50, 70, paddb) == cycles(0, 0, paddb));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
