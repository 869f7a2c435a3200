// SPDX-License-Identifier: Apache-2.0
#include "model/devices/keyboard.hpp"

namespace vmxsim::devices {

namespace {
constexpr u8 kReadMode = 0x20, kWriteMode = 0x60, kTestMouse = 0xa9, kSelfTest = 0xaa, kTestKeyboard = 0xab,
             kReadInput = 0xc0, kReadOutput = 0xd0, kWriteOutput = 0xd1, kEchoKeyboard = 0xd2, kEchoMouse = 0xd3,
             kToMouse = 0xd4, kPulse = 0xf0;
constexpr u8 kOutputFull = 1, kSystem = 4, kWasCommand = 8, kNotLocked = 0x10;
constexpr u8 kSelfTestPassed = 0x55, kNoDevice = 0xfe;
}  // namespace

u32 KeyboardController::in(u16 port, unsigned) {
    if (port == kStatus)
        return u32{answers_.empty() ? u8{0} : kOutputFull} | (mode_ & kSystem) |
               (after_command_ ? kWasCommand : 0u) | kNotLocked;
    if (!answers_.empty()) {
        last_ = answers_.front();
        answers_.pop_front();
    }
    return last_;
}

void KeyboardController::out(u16 port, unsigned, u32 value) {
    const u8 byte = static_cast<u8>(value);
    after_command_ = port == kStatus;
    port == kStatus ? command(byte) : data(byte);
}

void KeyboardController::command(u8 value) {
    expecting_ = 0;
    if (value >= kPulse) {  // pulses low the output lines whose bit is 0; line 0 is the processor's reset
        if (!(value & 1) && reset_) reset_();
        return;
    }
    switch (value) {
        case kReadMode: answers_ = {mode_}; break;
        case kSelfTest: answers_ = {kSelfTestPassed}; break;
        case kTestMouse:
        case kTestKeyboard: answers_ = {0}; break;  // no line is stuck
        case kReadInput: answers_ = {0x80}; break;  // not locked
        case kReadOutput: answers_ = {output_port_}; break;
        case 0xa7: mode_ |= 0x20; break;
        case 0xa8: mode_ &= 0xdf; break;
        case 0xad: mode_ |= 0x10; break;
        case 0xae: mode_ &= 0xef; break;
        case kWriteMode:
        case kWriteOutput:
        case kEchoKeyboard:
        case kEchoMouse:
        case kToMouse: expecting_ = value; break;
        default: break;
    }
}

void KeyboardController::data(u8 value) {
    switch (expecting_) {
        case kWriteMode: mode_ = value; break;
        case kWriteOutput:
            output_port_ = value;
            if (!(value & 1) && reset_) reset_();
            break;
        case kEchoKeyboard:
        case kEchoMouse: answers_ = {value}; break;
        default: answers_ = {kNoDevice}; break;  // sent to a device that is not there: the time-out's answer
    }
    expecting_ = 0;
}

}  // namespace vmxsim::devices
