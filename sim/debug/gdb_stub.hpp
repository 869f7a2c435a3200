// SPDX-License-Identifier: Apache-2.0
// GDB's remote protocol, spoken by the simulated machine (GDB manual, appendix "GDB Remote Serial Protocol"). It stops the
// machine between two instructions, in the middle of a decoded block if need be, so that a run that is stopped and goes on
// takes the same cycles as one that is not.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "sim/debug/inspector.hpp"

namespace vmxsim::sim {

/// Bytes to and from GDB.
class GdbLink {
public:
    virtual ~GdbLink() = default;
    virtual void send(std::string_view bytes) = 0;
    /// The next byte; waits for it. -1: GDB has gone.
    virtual int get() = 0;
    /// The next byte if there is one already; -1: none.
    virtual int poll() = 0;
};

/// Waits for GDB on 127.0.0.1; says so, and how GDB is to be started, in one line on standard error. Port 0: any free one.
/// Throws InputError where the port cannot be had.
std::unique_ptr<GdbLink> wait_for_gdb(u16 port, const std::string& program);

/// Linear addresses, sorted, with a word in front that most addresses fail to pass.
class AddressSet {
public:
    bool contains(u64 at) const;
    void insert(u64 at);
    void erase(u64 at);
    bool empty() const { return addresses_.empty(); }

private:
    static u64 bit(u64 at) { return u64{1} << ((at ^ at >> 6) & 63); }
    std::vector<u64> addresses_;
    u64 filter_ = 0;
};

class GdbStub : public core::Observer {
public:
    /// The machine stops before its first instruction.
    GdbStub(std::unique_ptr<GdbLink> link, std::vector<Inspector> machine);

    bool wants_instructions() const override { return true; }
    bool before_instruction(core::Core&) override;
    void slice(core::Core&) override;
    /// The run is over. `fatal`: GDB may look at what is left. `status`: of the program.
    void ended(bool fatal, int status);

private:
    static constexpr u64 kPollInterval = 4096;
    static constexpr std::size_t kLongestPacket = 0x4000;
    struct Watch {
        u64 at;
        std::vector<u8> value;
    };
    enum class Resume : u8 { Stay, Go, Gone };

    bool asked_to_stop();
    /// Serves GDB until it lets the machine go on. True: the state of processor `at`, where it stopped, was changed.
    /// `why`: the stop's packet up to its thread.
    bool stop(std::size_t at, const std::string& why);
    /// The processor that GDB looks at, or steps: a thread of its, number + 1.
    const Inspector& cpu() const { return machine_[selected_]; }
    std::size_t number_of(const core::Core& core) const;
    bool select(std::string_view thread, std::size_t& number) const;
    std::string receive();
    void reply(std::string_view data);
    Resume serve(const std::string& packet);
    Resume resume(const std::string& packet);
    std::string read_registers() const;
    bool write_registers(std::string_view hex);
    std::string one_register(std::string_view packet, bool write);
    std::string memory(std::string_view packet, bool write);
    std::string point(std::string_view packet);
    std::string query(const std::string& packet);
    std::string monitor(const std::string& command) const;

    std::unique_ptr<GdbLink> link_;
    std::vector<Inspector> machine_;
    AddressSet breakpoints_;
    std::vector<Watch> watches_;
    std::string last_stop_;
    u64 hooks_ = 0;
    std::vector<u64> resumed_at_;  ///< instructions executed when the machine went on: there it does not stop again
    std::size_t stopped_ = 0, selected_ = 0, stepped_ = 0;  ///< processors
    bool started_ = false, stepping_ = false, changed_ = false, detached_ = false, acknowledge_ = true;
};

}  // namespace vmxsim::sim
