// SPDX-License-Identifier: Apache-2.0
#include "sim/debug/gdb_stub.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "sim/debug/gdb_registers.hpp"
#include "sim/debug/state_report.hpp"
#include "sim/text.hpp"

namespace vmxsim::sim {

namespace {

constexpr std::string_view kDigits = "0123456789abcdef";
constexpr std::string_view kBad = "E22", kUnreadable = "E14";

int digit(char c) {
    const auto lower = static_cast<char>(c | 0x20);
    if (c >= '0' && c <= '9') return c - '0';
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string to_hex(const u8* bytes, std::size_t n) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += {kDigits[bytes[i] >> 4], kDigits[bytes[i] & 15]};
    return out;
}
std::string to_hex(const std::vector<u8>& bytes) { return to_hex(bytes.data(), bytes.size()); }
std::string text_to_hex(const std::string& text) { return to_hex(reinterpret_cast<const u8*>(text.data()), text.size()); }

/// Up to the first character that is no pair of digits.
std::vector<u8> from_hex(std::string_view hex) {
    std::vector<u8> out;
    for (std::size_t i = 0; i + 1 < hex.size() && digit(hex[i]) >= 0 && digit(hex[i + 1]) >= 0; i += 2)
        out.push_back(static_cast<u8>(digit(hex[i]) << 4 | digit(hex[i + 1])));
    return out;
}

/// Takes a hexadecimal number off the front. False: there is none.
bool take_number(std::string_view& text, u64& value) {
    std::size_t n = 0;
    for (value = 0; n < text.size() && n < 16 && digit(text[n]) >= 0; ++n) value = value << 4 | static_cast<u64>(digit(text[n]));
    text.remove_prefix(n);
    return n != 0;
}
bool take(std::string_view& text, std::string_view word) {
    if (!text.starts_with(word)) return false;
    text.remove_prefix(word.size());
    return true;
}

}  // namespace

bool AddressSet::contains(u64 at) const {
    return filter_ & bit(at) && std::binary_search(addresses_.begin(), addresses_.end(), at);
}
void AddressSet::insert(u64 at) {
    const auto place = std::lower_bound(addresses_.begin(), addresses_.end(), at);
    if (place == addresses_.end() || *place != at) addresses_.insert(place, at);
    filter_ |= bit(at);
}
void AddressSet::erase(u64 at) {
    std::erase(addresses_, at);
    filter_ = 0;
    for (const u64 a : addresses_) filter_ |= bit(a);
}

GdbStub::GdbStub(std::unique_ptr<GdbLink> link, std::vector<Inspector> machine)
    : link_(std::move(link)), machine_(std::move(machine)), resumed_at_(machine_.size(), ~u64{0}) {}

std::size_t GdbStub::number_of(const core::Core& core) const {
    std::size_t n = 0;
    while (n + 1 < machine_.size() && &machine_[n].core != &core) ++n;
    return n;
}

/// "1" is processor 0; "0" and "-1", any, leave `number` as it is. False: there is no such one.
bool GdbStub::select(std::string_view thread, std::size_t& number) const {
    if (thread.starts_with('-')) return true;
    u64 value = 0;
    if (!take_number(thread, value) || value > machine_.size()) return false;
    if (value) number = value - 1;
    return true;
}

bool GdbStub::asked_to_stop() {
    for (int c = link_->poll(); c >= 0; c = link_->poll())
        if (c == 3) return true;
    return false;
}

bool GdbStub::before_instruction(core::Core& core) {
    if (detached_) return false;
    const std::size_t at = number_of(core);
    if (!started_) {
        started_ = true;
        return stop(at, "T05");
    }
    const Inspector& here = machine_[at];
    for (Watch& w : watches_) {
        std::vector<u8> now = here.read(w.at, w.value.size());
        // Unreadable in this address space: not the memory that was meant.
        if (now.size() != w.value.size() || now == w.value) continue;
        w.value = std::move(now);
        return stop(at, fmt::format("T05watch:{:x};", w.at));
    }
    const bool moved = core.instructions() != resumed_at_[at];
    if (moved && ((stepping_ && at == stepped_) || (!breakpoints_.empty() && breakpoints_.contains(here.linear_rip()))))
        return stop(at, "T05");
    if (++hooks_ % kPollInterval == 0 && asked_to_stop()) return stop(at, "T02");
    return false;
}

void GdbStub::slice(core::Core& core) {
    if (!detached_ && started_ && asked_to_stop()) stop(number_of(core), "T02");
}

void GdbStub::ended(bool fatal, int status) {
    if (detached_) return;
    if (fatal) stop(stopped_, "T06");
    if (!detached_) reply(fmt::format("W{:02x}", status & 0xff));
}

bool GdbStub::stop(std::size_t at, const std::string& why) {
    const bool first = last_stop_.empty();
    last_stop_ = fmt::format("{}thread:{:x};", why, at + 1);
    stopped_ = selected_ = stepped_ = at;
    stepping_ = changed_ = false;
    if (!first) reply(last_stop_);  // GDB asks for the first one
    for (;;) {
        const std::string packet = receive();
        const Resume next = packet.empty() ? Resume::Gone : serve(packet);
        if (next == Resume::Stay) continue;
        if (next == Resume::Gone) detached_ = true;
        for (std::size_t i = 0; i < machine_.size(); ++i) resumed_at_[i] = machine_[i].core.instructions();
        return changed_ || machine_[at].core.stop_reason() == core::StopReason::Debugger;
    }
}

/// The next packet without its frame, acknowledged; empty: GDB has gone.
std::string GdbStub::receive() {
    for (;;) {
        int c = link_->get();
        while (c != '$') {
            if (c < 0) return {};
            c = link_->get();
        }
        std::string data;
        u8 sum = 0;
        for (c = link_->get(); c >= 0 && c != '#' && c != '$'; c = link_->get()) {
            if (data.size() < kLongestPacket) data += static_cast<char>(c);
            sum = static_cast<u8>(sum + c);
        }
        if (c != '#') continue;
        const int high = link_->get(), low = link_->get();
        if (high < 0 || low < 0) return {};
        const bool good = digit(static_cast<char>(high)) * 16 + digit(static_cast<char>(low)) == sum;
        if (acknowledge_) link_->send(good ? "+" : "-");
        if (good && !data.empty()) return data;
    }
}

void GdbStub::reply(std::string_view data) {
    u8 sum = 0;
    for (const char c : data) sum = static_cast<u8>(sum + static_cast<u8>(c));
    link_->send(fmt::format("${}#{:02x}", data, sum));
}

GdbStub::Resume GdbStub::serve(const std::string& packet) {
    const std::string_view rest = std::string_view(packet).substr(1);
    switch (packet[0]) {
        case '?': reply(last_stop_); break;
        case 'g': reply(read_registers()); break;
        case 'G': reply(write_registers(rest) ? "OK" : kBad); break;
        case 'p': reply(one_register(rest, false)); break;
        case 'P': reply(one_register(rest, true)); break;
        case 'm': reply(memory(rest, false)); break;
        case 'M': reply(memory(rest, true)); break;
        case 'Z': case 'z': reply(point(packet)); break;
        case 'H': {
            std::size_t number = selected_;
            const bool known = rest.size() > 1 && select(rest.substr(1), number);
            if (known && rest[0] == 'g') selected_ = number;
            reply(known ? "OK" : kBad);
            break;
        }
        case 'T': {
            std::size_t number = 0;
            reply(select(rest, number) ? "OK" : kBad);
            break;
        }
        case 'q': case 'Q': reply(query(packet)); break;
        case 'c': case 'C': case 's': case 'S': case 'v': return resume(packet);
        case 'D':
            reply("OK");
            return Resume::Gone;
        case 'k':
            machine_[stopped_].core.request_stop(core::StopReason::Debugger);
            return Resume::Gone;
        default: reply("");
    }
    return Resume::Stay;
}

GdbStub::Resume GdbStub::resume(const std::string& packet) {
    std::string_view rest = packet;
    if (take(rest, "vCont?")) {
        reply("vCont;c;C;s;S");
        return Resume::Stay;
    }
    if (take(rest, "vKill")) {
        reply("OK");
        machine_[stopped_].core.request_stop(core::StopReason::Debugger);
        return Resume::Gone;
    }
    if (take(rest, "vCont;")) {
        const char what = rest.empty() ? '?' : rest[0];
        if (what != 'c' && what != 'C' && what != 's' && what != 'S') {
            reply(kBad);
            return Resume::Stay;
        }
        stepping_ = what == 's' || what == 'S';
        const auto colon = rest.find(':'), semicolon = rest.find(';');
        if (stepping_ && colon < semicolon && !select(rest.substr(colon + 1), stepped_)) {
            reply(kBad);
            return Resume::Stay;
        }
        return Resume::Go;
    }
    if (rest[0] == 'v') {
        reply("");
        return Resume::Stay;
    }
    stepping_ = rest[0] == 's' || rest[0] == 'S';
    const bool with_signal = rest[0] == 'C' || rest[0] == 'S';
    rest.remove_prefix(1);
    if (with_signal) rest = rest.find(';') == std::string_view::npos ? std::string_view{} : rest.substr(rest.find(';') + 1);
    if (u64 at = 0; take_number(rest, at)) {
        machine_[stopped_].core.state.rip = at;
        changed_ = true;
    }
    return Resume::Go;
}

std::string GdbStub::read_registers() const {
    std::string out;
    for (std::size_t i = 0; i < gdb_register_count(); ++i) out += to_hex(gdb_read_register(cpu().core, i));
    return out;
}

bool GdbStub::write_registers(std::string_view hex) {
    const std::vector<u8> bytes = from_hex(hex);
    std::size_t at = 0;
    for (std::size_t i = 0; i < gdb_register_count(); ++i) {
        const std::size_t n = gdb_register_bytes(i);
        if (bytes.size() - at < n) return false;
        const auto from = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        gdb_write_register(cpu().core, i, {from, from + static_cast<std::ptrdiff_t>(n)});  // the read-only ones stay
        at += n;
    }
    changed_ = true;
    return true;
}

std::string GdbStub::one_register(std::string_view packet, bool write) {
    u64 number = 0;
    if (!take_number(packet, number) || number >= gdb_register_count()) return std::string(kBad);
    if (!write) return to_hex(gdb_read_register(cpu().core, number));
    if (!take(packet, "=") || !gdb_write_register(cpu().core, number, from_hex(packet))) return std::string(kBad);
    changed_ = true;
    return "OK";
}

std::string GdbStub::memory(std::string_view packet, bool write) {
    u64 at = 0, bytes = 0;
    if (!take_number(packet, at) || !take(packet, ",") || !take_number(packet, bytes) || bytes > kLongestPacket / 2)
        return std::string(kBad);
    if (!write) {
        const std::vector<u8> data = cpu().read(at, bytes);
        return data.empty() && bytes ? std::string(kUnreadable) : to_hex(data);
    }
    const std::vector<u8> data = take(packet, ":") ? from_hex(packet) : std::vector<u8>{};
    if (data.size() != bytes) return std::string(kBad);
    if (!cpu().write(at, data)) return std::string(kUnreadable);
    for (Watch& w : watches_)
        if (auto now = cpu().read(w.at, w.value.size()); now.size() == w.value.size()) w.value = std::move(now);
    changed_ = true;
    return "OK";
}

/// Z0 and Z1: breakpoints. Z2: a write watchpoint, which stops where the value has changed. Z3, Z4: none.
std::string GdbStub::point(std::string_view packet) {
    const bool set = packet[0] == 'Z';
    const char kind = packet.size() > 1 ? packet[1] : '?';
    if (kind > '2') return "";
    packet.remove_prefix(std::min<std::size_t>(packet.size(), 2));
    u64 at = 0, bytes = 0;
    if (!take(packet, ",") || !take_number(packet, at) || !take(packet, ",") || !take_number(packet, bytes)) return std::string(kBad);
    if (kind < '2') {
        set ? breakpoints_.insert(at) : breakpoints_.erase(at);
        return "OK";
    }
    std::erase_if(watches_, [&](const Watch& w) { return w.at == at && w.value.size() == bytes; });
    if (!set) return "OK";
    if (bytes == 0 || bytes > 64) return std::string(kBad);
    Watch watch{at, cpu().read(at, bytes)};
    if (watch.value.size() != bytes) return std::string(kUnreadable);
    watches_.push_back(std::move(watch));
    return "OK";
}

std::string GdbStub::query(const std::string& packet) {
    std::string_view rest = packet;
    if (take(rest, "qSupported"))
        return fmt::format("PacketSize={:x};qXfer:features:read+;QStartNoAckMode+;vContSupported+", kLongestPacket);
    if (take(rest, "QStartNoAckMode")) {
        acknowledge_ = false;
        return "OK";
    }
    if (take(rest, "qXfer:features:read:target.xml:")) {
        u64 offset = 0, length = 0;
        if (!take_number(rest, offset) || !take(rest, ",") || !take_number(rest, length)) return std::string(kBad);
        const std::string& xml = gdb_target_xml();
        if (offset >= xml.size()) return "l";
        const std::string part = xml.substr(offset, std::min<u64>(length, kLongestPacket - 16));
        return (offset + part.size() < xml.size() ? "m" : "l") + part;
    }
    if (take(rest, "qAttached")) return "1";
    if (rest == "qC") return fmt::format("QC{:x}", selected_ + 1);
    if (rest == "qfThreadInfo") {
        std::string list = "m1";
        for (std::size_t i = 1; i < machine_.size(); ++i) list += fmt::format(",{:x}", i + 1);
        return list;
    }
    if (rest == "qsThreadInfo") return "l";
    if (take(rest, "qThreadExtraInfo,")) {
        std::size_t number = 0;
        if (!select(rest, number)) return std::string(kBad);
        return text_to_hex(fmt::format("CPU {}, {}", number, machine_[number].level_name()));
    }
    if (take(rest, "qRcmd,")) {
        const std::vector<u8> command = from_hex(rest);
        std::string text = monitor({command.begin(), command.end()});
        // A long answer goes in packets of console output, the last of which is followed by OK.
        constexpr std::size_t kPart = kLongestPacket / 2 - 8;
        for (std::size_t at = 0; at < text.size(); at += kPart) reply("O" + text_to_hex(text.substr(at, kPart)));
        return "OK";
    }
    return "";
}

std::string GdbStub::monitor(const std::string& command) const {
    const auto space = command.find(' ');
    const std::string word = command.substr(0, space);
    std::string argument = space == std::string::npos ? "" : command.substr(space + 1);
    std::transform(argument.begin(), argument.end(), argument.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    core::Core& core = cpu().core;
    if (word == "level") return cpu().level_name() + "\n";
    if (word == "cycles") return fmt::format("cycle {}, instruction {}\n", core.state.cycles, core.instructions());
    if (word == "vmcs") return argument.empty() ? vmcs_summary(cpu()) : vmcs_text(cpu(), argument == "ALL" ? "" : argument);
    if (word == "registers") return registers_text(cpu());
    if (word == "events") return trail_text(cpu());
    if (word == "state") return state_report(cpu());
    if (word == "stats") {
        const mmu::MmuStats& m = core.mmu().stats();
        const arch::VmcsCacheStats v = cpu().vmcs.stats();
        return fmt::format("MMU   {} ITLB and {} DTLB misses, {} hits of the second level, {} walks, {} page faults,\n"
                           "      {} EPT violations, {} flushes\n"
                           "VMCS  {} reads, {} writes, {} line hits, {} line misses\n",
                           m.itlb_misses, m.dtlb_misses, m.stlb_hits, m.walks, m.page_faults, m.ept_violations, m.flushes,
                           v.reads, v.writes, v.hits, v.misses);
    }
    if (word == "translate") {
        u64 at = 0;
        std::string_view text = argument;
        if (text.starts_with("0X")) text.remove_prefix(2);
        if (!take_number(text, at)) return "monitor translate ADDRESS\n";
        const auto host = cpu().find(at);
        return host ? fmt::format("{:#x} is host-physical {:#x}\n", at, host->raw) : fmt::format("{:#x} is no RAM here\n", at);
    }
    return "monitor level | cycles | registers | vmcs [all | PART OF A FIELD'S NAME] | events | stats | translate ADDRESS | state\n";
}

}  // namespace vmxsim::sim
