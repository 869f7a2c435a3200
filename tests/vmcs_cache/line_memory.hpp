// SPDX-License-Identifier: Apache-2.0
// Memory behind a VMCS cache under test: sparse lines, latencies of its own, and a record of what was asked of it.
#pragma once
#include <array>
#include <cstring>
#include <map>
#include <vector>

#include "model/arch/vmcs_port.hpp"

namespace vmxsim::test {

class RecordingMemory : public arch::LineMemory {
public:
    struct Transfer {
        bool write;
        u64 line;
        bool operator==(const Transfer&) const = default;
    };
    u64 read_latency = 7, write_latency = 5;
    bool vary = false;  ///< latency depends on the line and on how many transfers there were: 0 to 6 cycles
    std::vector<Transfer> log;

    Cycles read_line(HostPhysical line, u8 (&bytes)[64]) override {
        log.push_back({false, line.raw});
        std::memcpy(bytes, at(line.raw).data(), 64);
        return {vary ? varied(line.raw) : read_latency};
    }
    Cycles write_line(HostPhysical line, const u8 (&bytes)[64]) override {
        log.push_back({true, line.raw});
        std::memcpy(at(line.raw).data(), bytes, 64);
        return {vary ? varied(line.raw) : write_latency};
    }
    /// A line no one wrote holds a pattern of its address.
    std::array<u8, 64>& at(u64 line) {
        const auto [it, fresh] = lines_.try_emplace(line);
        if (fresh)
            for (std::size_t i = 0; i < 64; ++i) it->second[i] = static_cast<u8>((line >> 6) * 29 + (line >> 12) * 7 + i);
        return it->second;
    }
    template <class T>
    T value(u64 address) {
        T v;
        std::memcpy(&v, at(address & ~u64{63}).data() + (address & 63), sizeof v);
        return v;
    }
    template <class T>
    void set(u64 address, T v) {
        std::memcpy(at(address & ~u64{63}).data() + (address & 63), &v, sizeof v);
    }
    u64 reads() const { return count(false); }
    u64 writes() const { return count(true); }
    const std::map<u64, std::array<u8, 64>>& lines() const { return lines_; }

private:
    u64 varied(u64 line) const { return ((line >> 6) * 5 + log.size() * 3) % 7; }
    u64 count(bool write) const {
        u64 n = 0;
        for (const auto& t : log) n += t.write == write;
        return n;
    }
    std::map<u64, std::array<u8, 64>> lines_;
};

}  // namespace vmxsim::test
