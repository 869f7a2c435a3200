// SPDX-License-Identifier: Apache-2.0
#include "model/arch/controls.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <set>
#include <string>

using namespace vmxsim;
using namespace vmxsim::arch;

BOOST_AUTO_TEST_SUITE(control_words)

BOOST_AUTO_TEST_CASE(bits_and_names_are_unique_within_a_word_and_fit_it) {
    std::set<std::pair<ControlWord, u8>> bits;
    std::set<std::pair<ControlWord, std::string_view>> names;
    for (const auto& c : kControls) {
        BOOST_TEST(bits.insert({c.word, c.bit}).second, c.name);
        BOOST_TEST(names.insert({c.word, c.name}).second, c.name);
        const bool wide = c.word == ControlWord::Tertiary || c.word == ControlWord::Exit2;
        BOOST_TEST(c.bit < (wide ? 64 : 32), c.name);
        BOOST_TEST(!c.sdm_name.empty());
        BOOST_TEST(!c.meaning.empty());
    }
}

BOOST_AUTO_TEST_CASE(default1_masks_are_those_of_appendix_a) {
    std::map<ControlWord, u64> mask;
    for (const auto& c : kControls)
        if (c.default1) mask[c.word] |= u64{1} << c.bit;
    BOOST_TEST(mask[ControlWord::Pin] == 0x16u);
    BOOST_TEST(mask[ControlWord::Primary] == 0x0401e172u);
    BOOST_TEST(mask[ControlWord::Exit] == 0x00036dffu);
    BOOST_TEST(mask[ControlWord::Entry] == 0x000011ffu);
    BOOST_TEST(mask[ControlWord::Secondary] == 0u);
    BOOST_TEST(mask[ControlWord::Tertiary] == 0u);
    BOOST_TEST(mask[ControlWord::Exit2] == 0u);
}

BOOST_AUTO_TEST_CASE(enumerators_are_the_bits_of_the_tables) {
    BOOST_TEST(PinControls::mask(PinControl::NMIExiting) == 1u << 3);
    BOOST_TEST(PrimaryControls::mask(PrimaryControl::UseMSRBitmaps) == 1u << 28);
    BOOST_TEST(PrimaryControls::mask(PrimaryControl::ActivateSecondaryControls) == 1u << 31);
    BOOST_TEST(SecondaryControls::mask(SecondaryControl::EnableEPT) == 2u);
    BOOST_TEST(SecondaryControls::mask(SecondaryControl::VMCSShadowing) == 1u << 14);
    BOOST_TEST(ExitControls::mask(ExitControl::HostAddressSpaceSize) == 1u << 9);
    BOOST_TEST(EntryControls::mask(EntryControl::IA32eModeGuest) == 1u << 9);
    BOOST_TEST(TertiaryControls::mask(TertiaryControl::EnableHLAT) == 2u);
    BOOST_TEST(Exit2Controls::mask(Exit2Control::LoadFRED) == 2u);
}

BOOST_AUTO_TEST_CASE(a_word_sets_clears_and_combines_bits) {
    PrimaryControls w;
    w.set(PrimaryControl::HLTExiting);
    BOOST_TEST(w.has(PrimaryControl::HLTExiting));
    BOOST_TEST(w.raw == 0x80u);
    BOOST_TEST(w.with(PrimaryControl::RDTSCExiting).raw == 0x1080u);
    BOOST_TEST(w.raw == 0x80u);
    BOOST_TEST(w.without(PrimaryControl::HLTExiting).raw == 0u);
    BOOST_TEST((w | PrimaryControls{1}).raw == 0x81u);
    w.clear(PrimaryControl::HLTExiting);
    BOOST_TEST((w == PrimaryControls{}));
}

BOOST_AUTO_TEST_SUITE_END()
