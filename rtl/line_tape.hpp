// SPDX-License-Identifier: Apache-2.0
// Line transfers of one VMCS cache, recorded, and played to another that must make the same.
#pragma once
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "model/arch/vmcs_port.hpp"

namespace vmxsim::rtl {

/// A transfer of one 64-byte line with memory.
struct LineTransfer {
    bool write;
    HostPhysical line;
    Cycles latency;
    std::array<u8, 64> bytes;
};

/// Two ends on memory: what goes through `recorder()` reaches memory and is remembered; `player()` answers from that, in
/// order, and notes the first transfer that differs. Both are valid as long as the tape is.
class LineTape {
public:
    explicit LineTape(arch::LineMemory& memory) : recorder_(*this, memory), player_(*this) {}
    LineTape(const LineTape&) = delete;
    LineTape& operator=(const LineTape&) = delete;

    arch::LineMemory& recorder() { return recorder_; }
    arch::LineMemory& player() { return player_; }
    /// Forgets the transfers so far: the next operation starts.
    void rewind() {
        transfers_.clear();
        played_ = 0;
        difference_.clear();
    }
    /// What the player was asked for that was not recorded, or was not asked for though it was. Empty: all the same.
    std::string difference() const;
    const std::vector<LineTransfer>& transfers() const { return transfers_; }

private:
    class Recorder : public arch::LineMemory {
    public:
        Recorder(LineTape& tape, arch::LineMemory& memory) : tape_(tape), memory_(memory) {}
        Cycles read_line(HostPhysical line, u8 (&bytes)[64]) override;
        Cycles write_line(HostPhysical line, const u8 (&bytes)[64]) override;

    private:
        LineTape& tape_;
        arch::LineMemory& memory_;
    };
    class Player : public arch::LineMemory {
    public:
        explicit Player(LineTape& tape) : tape_(tape) {}
        Cycles read_line(HostPhysical line, u8 (&bytes)[64]) override;
        Cycles write_line(HostPhysical line, const u8 (&bytes)[64]) override;

    private:
        LineTape& tape_;
    };
    Cycles record(bool write, HostPhysical line, Cycles latency, const u8 (&bytes)[64]);
    const LineTransfer* play(bool write, HostPhysical line);

    Recorder recorder_;
    Player player_;
    std::vector<LineTransfer> transfers_;
    std::size_t played_ = 0;
    std::string difference_;
};

std::string describe(const LineTransfer& transfer);

}  // namespace vmxsim::rtl
