// SPDX-License-Identifier: Apache-2.0
// One line on standard error while a long run goes on. It shows the host's time, which nothing else in a run does; the
// run itself never sees it.
#pragma once
#include <chrono>
#include <string>

#include "model/arch/types.hpp"

namespace vmxsim::sim {

/// What a run has done so far.
struct Advance {
    u64 instructions = 0;
    u64 cycles = 0;
};

/// "  4.2 s  1,061 M instructions  248 MIPS  1.382 s simulated": all so far, but the speed, which is of the last `seconds`.
std::string progress_line(double host_seconds, const Advance& now, const Advance& before, double seconds,
                          u64 frequency_mhz);

/// The line, redrawn in its place. It shares the terminal with what the image prints: it is drawn only behind a whole
/// line, and gives way to the next character.
class Progress {
public:
    explicit Progress(u64 frequency_mhz) : frequency_mhz_(frequency_mhz) {}
    ~Progress() { erase(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// Draws the line, but only every quarter of a second, and not in the first.
    void update(const Advance& now);
    /// The image is about to print `c`.
    void before(char c);
    void erase();

    /// Standard error is a terminal: otherwise there is no one to look.
    static bool wanted();

private:
    using Clock = std::chrono::steady_clock;
    u64 frequency_mhz_;
    Clock::time_point start_ = Clock::now(), drawn_ = start_;
    Advance at_drawn_;
    bool shown_ = false, within_line_ = false;
};

}  // namespace vmxsim::sim
