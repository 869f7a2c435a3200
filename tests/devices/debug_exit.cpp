// SPDX-License-Identifier: Apache-2.0
#include "model/devices/debug_exit.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

using namespace vmxsim;
using namespace vmxsim::devices;

BOOST_AUTO_TEST_SUITE(debug_exit)

BOOST_AUTO_TEST_CASE(a_written_value_becomes_an_odd_exit_status) {
    std::vector<int> statuses;
    DebugExit device([&](int status) { statuses.push_back(status); });
    IoBus bus;
    bus.attach(DebugExit::kFirst, DebugExit::kLast, device);
    bus.out(0xf4, 4, 0);
    bus.out(0xf4, 1, 0x10);
    bus.out(0xf4, 1, 0xffffff7f);  // AL only
    bus.out(0xf4, 4, 0x1234);
    BOOST_TEST(statuses == (std::vector<int>{1, 0x21, 0xff, 0x2469}), boost::test_tools::per_element());
    BOOST_TEST(bus.in(0xf4, 4) == 0u);
}

BOOST_AUTO_TEST_CASE(the_debug_console_takes_text_and_says_that_it_is_there) {
    std::string text;
    DebugConsole console([&](char c) { text += c; });
    console.out(0xe9, 1, 'o');
    console.out(0xe9, 1, 'k');
    BOOST_TEST(text == "ok");
    BOOST_TEST(console.in(0xe9, 1) == 0xe9u);
}

BOOST_AUTO_TEST_CASE(the_word_shutdown_ends_the_run_and_nothing_less) {
    int ends = 0;
    ShutdownPort device([&] { ++ends; });
    IoBus bus;
    bus.attach(ShutdownPort::kPort, ShutdownPort::kPort, device);
    const auto write = [&](const std::string& word) {
        for (const char c : word) bus.out(ShutdownPort::kPort, 1, static_cast<u8>(c));
    };
    write("Shutdow");
    write("x");
    write("nShut down");
    BOOST_TEST(ends == 0);
    write("SShutdown");
    BOOST_TEST(ends == 1);
    write("n");
    BOOST_TEST(ends == 1);
    write("Shutdown");
    BOOST_TEST(ends == 2);
}

BOOST_AUTO_TEST_SUITE_END()
