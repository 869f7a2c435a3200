// SPDX-License-Identifier: Apache-2.0
#include "model/devices/serial.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

using namespace vmxsim;
using namespace vmxsim::devices;

namespace {

struct Machine {
    std::string sent;
    std::vector<bool> line;
    Serial device{[this](char c) { sent += c; }, Serial::kCom1, [this](bool high) { line.push_back(high); }};
    IoBus bus;
    Machine() { bus.attach(device.first(), device.last(), device); }
    u32 in(unsigned reg) { return bus.in(static_cast<u16>(0x3f8 + reg), 1); }
    void out(unsigned reg, u32 value) { bus.out(static_cast<u16>(0x3f8 + reg), 1, value); }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(serial, Machine)

BOOST_AUTO_TEST_CASE(bytes_written_are_sent_at_once) {
    for (const char c : std::string("hello\n")) {
        BOOST_TEST((in(5) & 0x60) == 0x60u);
        out(0, static_cast<u8>(c));
    }
    BOOST_TEST(sent == "hello\n");
}

BOOST_AUTO_TEST_CASE(with_dlab_the_first_two_registers_are_the_divisor) {
    out(1, 5);
    out(3, 0x83);
    out(0, 0x34);
    out(1, 0x12);
    BOOST_TEST(in(0) == 0x34u);
    BOOST_TEST(in(1) == 0x12u);
    BOOST_TEST(bus.in(0x3f8, 2) == 0x1234u);
    BOOST_TEST(sent.empty());
    out(3, 3);
    BOOST_TEST(in(3) == 3u);
    BOOST_TEST(in(1) == 5u);
    out(0, 'x');
    BOOST_TEST(sent == "x");
}

BOOST_AUTO_TEST_CASE(registers_keep_the_bits_that_a_16550_has) {
    out(1, 0xff);
    BOOST_TEST(in(1) == 0x0fu);
    out(4, 0xff);
    BOOST_TEST(in(4) == 0x1fu);
    out(7, 0xa5);
    BOOST_TEST(in(7) == 0xa5u);
    out(5, 0);
    BOOST_TEST(in(5) == 0x60u);
}

BOOST_AUTO_TEST_CASE(fifos_show_in_the_interrupt_identification) {
    BOOST_TEST(in(2) == 0x01u);
    out(2, 0x01);
    BOOST_TEST(in(2) == 0xc1u);
    out(2, 0);
    BOOST_TEST(in(2) == 0x01u);
}

BOOST_AUTO_TEST_CASE(received_bytes_come_in_order_and_beyond_the_fifo_are_an_overrun) {
    out(2, 0x01);
    for (u8 i = 0; i < 17; ++i) device.receive(i);
    BOOST_TEST(in(5) == 0x63u);
    BOOST_TEST(in(5) == 0x61u);  // reading took the overrun
    for (u8 i = 0; i < 16; ++i) BOOST_TEST(in(0) == i);
    BOOST_TEST(in(5) == 0x60u);
    device.receive(1);
    out(2, 0x03);
    BOOST_TEST(in(5) == 0x60u);
}

BOOST_AUTO_TEST_CASE(without_fifo_a_second_byte_overwrites_the_first) {
    device.receive('a');
    device.receive('b');
    BOOST_TEST(in(5) == 0x63u);
    BOOST_TEST(in(0) == static_cast<u32>('b'));
    BOOST_TEST(in(5) == 0x60u);
}

BOOST_AUTO_TEST_CASE(loopback_feeds_the_receiver_and_the_modem_lines) {
    BOOST_TEST(in(6) == 0xb0u);
    out(4, 0x1a);  // loop, OUT2, RTS: what Linux probes with
    BOOST_TEST((in(6) & 0xf0) == 0x90u);
    BOOST_TEST(in(6) == 0x90u);  // deltas are gone after a read
    out(0, 'q');
    BOOST_TEST(sent.empty());
    BOOST_TEST(in(0) == static_cast<u32>('q'));
    out(4, 0x1b);
    BOOST_TEST(in(6) == 0xb2u);  // DSR changed
}

BOOST_AUTO_TEST_CASE(interrupts_have_their_priority_and_reach_the_pin_through_out2) {
    out(1, 0x0f);
    BOOST_TEST(line.empty());
    out(4, 0x08);
    BOOST_TEST(line == std::vector<bool>{true}, boost::test_tools::per_element());
    device.receive(1);
    device.receive(2);
    BOOST_TEST(in(2) == 0x06u);  // line status
    in(5);
    BOOST_TEST(in(2) == 0x04u);  // data
    in(0);
    BOOST_TEST(in(2) == 0x02u);  // transmitter empty; this read acknowledges it
    BOOST_TEST(in(2) == 0x01u);
    BOOST_TEST(line == (std::vector<bool>{true, false}), boost::test_tools::per_element());
    out(0, 'x');
    BOOST_TEST(line.size() == 3u);
    out(4, 0);
    BOOST_TEST(line == (std::vector<bool>{true, false, true, false}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_fifo_trigger_tells_data_from_a_time_out) {
    out(1, 1);
    out(2, 0x81);  // FIFO on, trigger at 8
    for (u8 i = 0; i < 7; ++i) device.receive(i);
    BOOST_TEST(in(2) == 0xccu);
    device.receive(7);
    BOOST_TEST(in(2) == 0xc4u);
}

BOOST_AUTO_TEST_SUITE_END()
