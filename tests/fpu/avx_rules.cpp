// SPDX-License-Identifier: Apache-2.0
// Availability, exceptions and alignment of VEX-encoded instructions (SDM 2A 2.3, 2.4; SDM 1, 14.3), masked moves, gathers.
#include <boost/test/unit_test.hpp>

#include "raises.hpp"

namespace vmxsim::core {

namespace {

const Bytes kVaddps{0xc5, 0xf4, 0x58, 0xc2};              // VADDPS YMM0, YMM1, YMM2
const Bytes kVaddps128{0xc5, 0xf0, 0x58, 0xc2};           // VADDPS XMM0, XMM1, XMM2
const Bytes kVpaddb{0xc5, 0xf5, 0xfc, 0xc2};              // VPADDB YMM0, YMM1, YMM2
const Bytes kVzeroupper{0xc5, 0xf8, 0x77};
const Bytes kVmovupsLoad{0xc5, 0xfc, 0x10, 0x03};         // VMOVUPS YMM0, [RBX]
const Bytes kVgatherdps{0xc4, 0xe2, 0x6d, 0x92, 0x04, 0x8b};  // VGATHERDPS YMM0, [RBX + YMM1 * 4], YMM2

struct AvxBench : Bench {
    explicit AvxBench() {
        core->fpu.offered |= offers::AVX | offers::AVX2 | offers::XSAVE;
        s().cr4 |= vmx::cr4::OSXSAVE;
        s().xcr0 = 7;
    }
    FpuState& f() { return core->fpu; }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(avx_rules)

BOOST_AUTO_TEST_CASE(avx_needs_cpuid_osxsave_and_both_components_in_xcr0) {
    AvxBench m;
    BOOST_TEST(m.raises(kVaddps) == -1);
    BOOST_TEST(m.raises(kVpaddb) == -1);
    m.f().offered &= ~offers::AVX2;
    BOOST_TEST(m.raises(kVpaddb) == vector::UD);
    BOOST_TEST(m.raises(kVaddps) == -1);
    m.f().offered &= ~offers::AVX;
    BOOST_TEST(m.raises(kVaddps) == vector::UD);
    m.f().offered |= offers::AVX | offers::AVX2;
    for (const u64 xcr0 : {1u, 3u, 5u}) {
        m.s().xcr0 = xcr0;
        for (const Bytes& code : {kVaddps, kVaddps128, kVpaddb, kVzeroupper, kVmovupsLoad, kVgatherdps})
            BOOST_TEST(m.raises(code) == vector::UD);
    }
    m.s().xcr0 = 7;
    m.s().cr4 &= ~vmx::cr4::OSXSAVE;
    for (const Bytes& code : {kVaddps, kVaddps128, kVzeroupper}) BOOST_TEST(m.raises(code) == vector::UD);
}

BOOST_AUTO_TEST_CASE(em_and_osfxsr_do_not_matter_to_avx_but_ts_does) {
    AvxBench m;
    m.s().cr4 &= ~vmx::cr4::OSFXSR;
    m.s().cr0 |= vmx::cr0::EM;
    BOOST_TEST(m.raises(kVaddps) == -1);
    m.s().cr0 |= vmx::cr0::TS;
    for (const Bytes& code : {kVaddps, kVpaddb, kVzeroupper, kVmovupsLoad, kVgatherdps})
        BOOST_TEST(m.raises(code) == vector::NM);
}

BOOST_AUTO_TEST_CASE(prefixes_that_vex_replaces_and_unused_fields_are_undefined) {
    AvxBench m;
    for (const unsigned prefix : {0x66u, 0xf2u, 0xf3u, 0xf0u, 0x40u, 0x48u}) {
        Bytes code{static_cast<u8>(prefix)};
        code.insert(code.end(), kVaddps.begin(), kVaddps.end());
        BOOST_TEST(m.raises(code) == vector::UD);
    }
    BOOST_TEST(m.raises({0xc5, 0xfc, 0x28, 0xc1}) == -1);               // VMOVAPS YMM0, YMM1
    BOOST_TEST(m.raises({0xc5, 0xf4, 0x28, 0xc1}) == vector::UD);       // the same with VEX.vvvv = 1
    BOOST_TEST(m.raises({0xc5, 0xf9, 0x6e, 0xc1}) == -1);               // VMOVD XMM0, ECX
    BOOST_TEST(m.raises({0xc5, 0xfd, 0x6e, 0xc1}) == vector::UD);       // with VEX.L
    BOOST_TEST(m.raises({0xc4, 0xe3, 0x75, 0x18, 0xc2, 1}) == -1);      // VINSERTF128 YMM0, YMM1, XMM2, 1
    BOOST_TEST(m.raises({0xc4, 0xe3, 0x71, 0x18, 0xc2, 1}) == vector::UD);  // without VEX.L
    BOOST_TEST(m.raises({0xc4, 0xe3, 0xf5, 0x18, 0xc2, 1}) == vector::UD);  // with VEX.W
    BOOST_TEST(m.raises({0x62, 0xf1, 0x74, 0x28, 0x58, 0xc2}) == vector::UD);  // EVEX: AVX-512 is not there
}

BOOST_AUTO_TEST_CASE(vex_does_not_exist_in_real_and_virtual_8086_mode) {
    for (const bool v8086 : {false, true}) {
        Bench m;
        m.core->fpu.offered |= offers::AVX;
        m.s().cr4 |= vmx::cr4::OSXSAVE;
        m.s().xcr0 = 7;
        Insn insn;
        ZydisDecoder decoder;
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
        BOOST_TEST(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, kVaddps.data(), kVaddps.size(), &insn.z, insn.op)));
        u64 flags = 0;
        bool changed = false;
        BOOST_TEST((execute_fpu(*m.core, insn, flags, changed) == Outcome::Next));
        if (v8086) m.s().rflags |= vmx::rflags::VM;
        else m.s().cr0 &= ~vmx::cr0::PE;
        BOOST_TEST((execute_fpu(*m.core, insn, flags, changed) == Outcome::Fault));
        BOOST_TEST(m.core->fault().vector == vector::UD);
    }
}

BOOST_AUTO_TEST_CASE(only_moves_that_say_so_need_alignment) {
    AvxBench m;
    m.s().r[vmx::RBX] = Machine::kData + 16;
    BOOST_TEST(m.raises({0xc5, 0xfc, 0x28, 0x03}) == vector::GP);  // VMOVAPS YMM0, [RBX]
    BOOST_TEST(m.raises({0xc5, 0xf8, 0x28, 0x03}) == -1);          // VMOVAPS XMM0, [RBX]
    BOOST_TEST(m.raises({0xc5, 0xfd, 0xe7, 0x03}) == vector::GP);  // VMOVNTDQ [RBX], YMM0
    BOOST_TEST(m.raises({0xc4, 0xe2, 0x7d, 0x2a, 0x03}) == vector::GP);  // VMOVNTDQA YMM0, [RBX]
    m.s().r[vmx::RBX] = Machine::kData + 1;
    BOOST_TEST(m.raises(kVmovupsLoad) == -1);
    BOOST_TEST(m.raises({0xc5, 0xf4, 0x58, 0x03}) == -1);          // VADDPS YMM0, YMM1, [RBX]
    BOOST_TEST(m.raises({0xc5, 0xf8, 0x28, 0x03}) == vector::GP);  // VMOVAPS XMM0, [RBX]
}

BOOST_AUTO_TEST_CASE(a_result_of_128_bits_clears_the_upper_half_an_sse_instruction_keeps_it) {
    AvxBench m;
    m.f().ymm_high[0].q = {1, 2};
    m.raises({0x0f, 0x58, 0xc1});  // ADDPS XMM0, XMM1
    BOOST_TEST(m.f().ymm_high[0].q[1] == 2u);
    m.raises(kVaddps128);
    BOOST_TEST(m.f().ymm_high[0].q[0] == 0u);
    BOOST_TEST(m.f().ymm_high[0].q[1] == 0u);
}

BOOST_AUTO_TEST_CASE(an_unmasked_exception_in_either_lane_leaves_the_destination) {
    AvxBench m;
    const Bytes vdivps{0xc5, 0xf4, 0x5e, 0xc2};  // VDIVPS YMM0, YMM1, YMM2
    for (Vector* v : {&m.f().xmm[1], &m.f().ymm_high[1], &m.f().xmm[2]}) v->d.fill(0x3f800000);
    m.f().ymm_high[2].d = {0x3f800000, 0, 0x3f800000, 0x3f800000};
    m.f().xmm[0].q = {7, 7};
    m.f().mxcsr &= ~(mxcsr::ZE << mxcsr::kMaskShift);
    BOOST_TEST(m.raises(vdivps) == vector::XM);
    BOOST_TEST(m.f().xmm[0].q[0] == 7u);
    BOOST_TEST((m.f().mxcsr & mxcsr::kFlags) == mxcsr::ZE);
    m.f().mxcsr |= mxcsr::kMasks;
    BOOST_TEST(m.raises(vdivps) == -1);
    BOOST_TEST(m.f().ymm_high[0].d[1] == 0x7f800000u);
}

BOOST_AUTO_TEST_CASE(masked_moves_fault_for_selected_elements_only) {
    AvxBench m;
    m.page_tables();
    const u64 page = Machine::kData + 0x1000;
    m.map(page, 0);
    m.s().r[vmx::RBX] = page - 8;  // two elements before the page that is not there
    const Bytes load{0xc4, 0xe2, 0x75, 0x2c, 0x03}, store{0xc4, 0xe2, 0x75, 0x2e, 0x03};  // VMASKMOVPS YMM0, YMM1, [RBX]
    m.f().xmm[1].d = {0x80000000, 0x80000000, 0, 0};
    m.f().ymm_high[1] = {};
    m.write(page - 8, 0x2222222211111111);
    BOOST_TEST(m.raises(load) == -1);
    BOOST_TEST(m.f().xmm[0].q[0] == 0x2222222211111111u);
    BOOST_TEST(m.f().xmm[0].q[1] == 0u);
    m.f().xmm[0].q[0] = 0x4444444433333333;
    BOOST_TEST(m.raises(store) == -1);
    BOOST_TEST(m.read(page - 8) == 0x4444444433333333u);
    m.f().ymm_high[1].d[3] = 0x80000000;
    m.f().xmm[0].q[0] = 5;
    BOOST_TEST(m.raises(load) == vector::PF);
    BOOST_TEST(m.f().xmm[0].q[0] == 5u);
    BOOST_TEST(m.raises(store) == vector::PF);
    BOOST_TEST(m.read(page - 8) == 0x4444444433333333u);  // nothing was written before the fault
    BOOST_TEST(m.s().cr2 == page + 20);
}

BOOST_AUTO_TEST_CASE(a_gather_that_faults_keeps_what_it_read_and_its_mask_tells_where_to_go_on) {
    AvxBench m;
    m.page_tables();
    const u64 page = Machine::kData + 0x1000;
    m.map(page, 0);
    m.s().r[vmx::RBX] = page - 4;
    m.write(page - 4, 0x77777777, 4);
    m.write(page - 8, 0x88888888, 4);
    m.f().xmm[0].d.fill(0x11), m.f().ymm_high[0].d.fill(0x11);
    m.f().xmm[1].d = {0, 0xffffffff, 5, 1};  // the fourth lies on the page that is not there; the third is not selected
    m.f().ymm_high[1] = {};
    m.f().xmm[2].d = {0x80000000, 0x80000000, 0, 0x80000000};
    m.f().ymm_high[2].d.fill(0x80000000);
    BOOST_TEST(m.raises(kVgatherdps) == vector::PF);
    BOOST_TEST(m.s().cr2 == page);
    BOOST_TEST((m.f().xmm[0].d == std::array<u32, 4>{0x77777777, 0x88888888, 0x11, 0x11}));
    BOOST_TEST((m.f().xmm[2].d == std::array<u32, 4>{0, 0, 0, 0xffffffff}));
    BOOST_TEST(m.f().ymm_high[2].d[0] == 0xffffffffu);
    m.map(page, page | 3);
    m.write(page, 0x99999999, 4);
    BOOST_TEST(m.raises(kVgatherdps) == -1);
    BOOST_TEST((m.f().xmm[0].d == std::array<u32, 4>{0x77777777, 0x88888888, 0x11, 0x99999999}));
    BOOST_TEST(m.f().ymm_high[0].d[3] == 0x77777777u);
    BOOST_TEST(m.f().xmm[2].q[1] == 0u);
    BOOST_TEST(m.raises({0xc4, 0xe2, 0x75, 0x92, 0x04, 0x8b}) == vector::UD);  // mask and index the same register
    BOOST_TEST(m.raises({0xc4, 0xe2, 0x6d, 0x92, 0x0c, 0x8b}) == vector::UD);  // destination and index
}

BOOST_AUTO_TEST_CASE(direct_handlers_compute_and_cost_what_the_slow_path_does) {
    const Bytes code{0xb9, 0x40, 0, 0, 0,                      // MOV ECX, 64
                     0x0f, 0x10, 0x03,                         // loop: MOVUPS XMM0, [RBX]
                     0x66, 0x0f, 0xd4, 0xc8,                   // PADDQ XMM1, XMM0
                     0x0f, 0x11, 0x4b, 0x11,                   // MOVUPS [RBX + 17], XMM1
                     0xc5, 0xfe, 0x6f, 0x53, 0x20,             // VMOVDQU YMM2, [RBX + 32]
                     0xc5, 0xed, 0xef, 0x5b, 0x29,             // VPXOR YMM3, YMM2, [RBX + 41]
                     0xc5, 0xfd, 0x6f, 0xe3,                   // VMOVDQA YMM4, YMM3
                     0xc5, 0xdd, 0x74, 0xea,                   // VPCMPEQB YMM5, YMM4, YMM2
                     0xc5, 0xfe, 0x7f, 0x5b, 0x4d,             // VMOVDQU [RBX + 77], YMM3
                     0xc5, 0xf9, 0xdf, 0xf5,                   // VPANDN XMM6, XMM0, XMM5
                     0x48, 0x83, 0xc3, 0x0b,                   // ADD RBX, 11
                     0xff, 0xc9, 0x75, 0xd2};                  // DEC ECX; JNZ loop
    const auto run = [&](bool slow, TimingLevel timing, FpuState& state, u64& cycles, u64& sum) {
        FpuMachine m(timing);
        m.params.issue_width = 1;  // blocks of one instruction cost the same then
        m.core->fpu.offered |= offers::AVX | offers::AVX2;
        m.s().cr4 |= vmx::cr4::OSXSAVE;
        m.s().xcr0 = 7;
        if (slow) m.s().dr7 |= 1, m.s().dr[0] = 0x700000;  // a breakpoint elsewhere: each instruction by itself
        for (u64 at = 0; at < 2048; at += 8) m.write(Machine::kData + at, at * 0x0123456789abcdef);
        m.s().r[vmx::RBX] = Machine::kData;
        const u64 before = m.s().cycles;
        BOOST_TEST((m.execute(code) == StopReason::Halted));
        state = m.core->fpu, cycles = m.s().cycles - before, sum = 0;
        for (u64 at = 0; at < 2048; at += 8) sum = sum * 31 + m.read(Machine::kData + at);
    };
    for (const TimingLevel timing : {TimingLevel::None, TimingLevel::Interval}) {
        FpuState fast, slow;
        u64 fast_cycles = 0, slow_cycles = 0, fast_sum = 0, slow_sum = 1;
        run(false, timing, fast, fast_cycles, fast_sum);
        run(true, timing, slow, slow_cycles, slow_sum);
        BOOST_TEST(!std::memcmp(&fast.xmm, &slow.xmm, sizeof fast.xmm));
        BOOST_TEST(!std::memcmp(&fast.ymm_high, &slow.ymm_high, sizeof fast.ymm_high));
        BOOST_TEST(fast_sum == slow_sum);
        BOOST_TEST(fast_cycles == slow_cycles);
        BOOST_TEST(fast.ymm_high[3].q[0] != 0u);
    }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
