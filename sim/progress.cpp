// SPDX-License-Identifier: Apache-2.0
#include "sim/progress.hpp"

#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

#include "sim/text.hpp"

namespace vmxsim::sim {
namespace {

constexpr std::chrono::milliseconds kBetween{250};

double in_seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace

std::string progress_line(double host_seconds, const Advance& now, const Advance& before, double seconds,
                          u64 frequency_mhz) {
    const double mips = seconds > 0 ? static_cast<double>(now.instructions - before.instructions) / seconds / 1e6 : 0;
    return fmt::format("{:6.1f} s  {} M instructions  {:.0f} MIPS  {:.3f} s simulated", host_seconds,
                       grouped(now.instructions / 1'000'000), mips,
                       static_cast<double>(now.cycles) / static_cast<double>(frequency_mhz) / 1e6);
}

bool Progress::wanted() { return isatty(STDERR_FILENO) == 1; }

void Progress::update(const Advance& now) {
    const auto time = Clock::now();
    if (time - drawn_ < kBetween || within_line_) return;
    std::fflush(stdout);
    const std::string line =
        progress_line(in_seconds(time - start_), now, at_drawn_, in_seconds(time - drawn_), frequency_mhz_);
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
    drawn_ = time, at_drawn_ = now, shown_ = true;
}

void Progress::before(char c) {
    erase();
    within_line_ = c != '\n';
}

void Progress::erase() {
    if (shown_) std::fputs("\r\033[K", stderr);
    shown_ = false;
}

}  // namespace vmxsim::sim
