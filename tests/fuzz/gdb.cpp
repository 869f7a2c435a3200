// SPDX-License-Identifier: Apache-2.0
// What GDB could send: any bytes. Input: packets, one a line; a line that begins with ! is sent as it is, without frame.
#include <cstring>

#include <fmt/format.h>

#include "sim/debug/gdb_registers.hpp"
#include "sim/debug/gdb_stub.hpp"
#include "tests/core/machine.hpp"
#include "tests/fuzz/target.hpp"

using namespace vmxsim;
using namespace vmxsim::sim;
using namespace vmxsim::test;

namespace {

/// GDB that says all that it has, and then goes.
class Script : public GdbLink {
public:
    explicit Script(std::string bytes) : bytes_(std::move(bytes)) {}
    void send(std::string_view bytes) override {
        // Frames are whole, and their checksums right.
        if (bytes.starts_with('$')) {
            VMXSIM_HOLDS(bytes.size() >= 4 && bytes[bytes.size() - 3] == '#');
            u8 sum = 0;
            for (const char c : bytes.substr(1, bytes.size() - 4)) sum = static_cast<u8>(sum + static_cast<u8>(c));
            VMXSIM_HOLDS(bytes.substr(bytes.size() - 2) == fmt::format("{:02x}", sum));
        }
    }
    int get() override { return at_ < bytes_.size() ? static_cast<u8>(bytes_[at_++]) : -1; }
    int poll() override { return -1; }

private:
    std::string bytes_;
    std::size_t at_ = 0;
};

std::string framed(std::string_view text) {
    std::string all;
    while (!text.empty()) {
        const auto end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        if (line.starts_with('!')) {
            all += line.substr(1);
        } else {
            u8 sum = 0;
            for (const char c : line) sum = static_cast<u8>(sum + static_cast<u8>(c));
            all += fmt::format("${}#{:02x}", line, sum);
        }
        text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    }
    return all;
}

}  // namespace

std::vector<fuzz::Input> fuzz::seeds() {
    std::string all_registers = "G";
    for (std::size_t i = 0; i < gdb_register_count(); ++i) all_registers += std::string(gdb_register_bytes(i) * 2, '0');
    return {text("qSupported:multiprocess+\n?\nHg0\nqXfer:features:read:target.xml:0,400\ng\np10\nm20000,10\ns\ns\nvCont;s:1;c\n"),
            text("Z0,20001,1\nc\nP0=0102030405060708\nP10=0000020000000000\ns\nz0,20001,1\nD\n"),
            text("Z2,40000,4\nc\nM40000,4:01020304\nc\nvCont;c\n"), text("qRcmd,766d637320616c6c\nqRcmd,7374617465\nqRcmd,7472616e736c61746520\nk\n"),
            text("!+$g#67\x03!$$#00\n!$m0,1#aa\nvCont?\nqC\nqfThreadInfo\nqThreadExtraInfo,1\nT1\nT9\nX0,0:\n"),
            text(all_registers + "\nc20000\nC05;20000\nS05\nQStartNoAckMode\ng\nc\n")};
}

int LLVMFuzzerTestOneInput(const u8* data, std::size_t size) {
    Machine m;
    m.long64();
    // inc rax; mov [rsi], eax; cpuid; jmp back
    const u8 code[] = {0x48, 0xff, 0xc0, 0x89, 0x06, 0x0f, 0xa2, 0xeb, 0xf7};
    m.ram.write_block({kCode}, code);
    m.r(vmx::RSI) = kData;
    m.vmxon();
    m.core.context_changed();
    const std::string script = framed({reinterpret_cast<const char*>(data), size});
    GdbStub stub(std::make_unique<Script>(script), {{m.core, m.vmcs, {}}});
    m.core.attach(&stub);
    m.core.run(m.core.state.cycles + 5000);
    stub.ended(m.core.stop_reason() != core::StopReason::Debugger, 3);
    m.core.attach(static_cast<core::Observer*>(nullptr));
    VMXSIM_HOLDS(m.core.state.r[16] == 0);
    return 0;
}
