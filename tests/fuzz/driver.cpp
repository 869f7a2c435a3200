// SPDX-License-Identifier: Apache-2.0
// Drives a fuzz target where libFuzzer does not: a fixed sequence of mutations of the target's seeds. It sees no
// coverage; what it has over libFuzzer is that any compiler builds it, and that a seed is a test.
//
//   fuzz_cpu --runs 5000 --seed 1       so many inputs, the same ones each time
//   fuzz_cpu --seconds 60 --seed 7      for so long (soak)
//   fuzz_cpu crash-fuzz_cpu             one input, once more
//   fuzz_cpu --write-seeds FOLDER       for libFuzzer
#include <csignal>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <unistd.h>

#include "tests/fuzz/target.hpp"

using namespace vmxsim;
using namespace vmxsim::fuzz;

// Findings of the sanitizers end in SIGABRT, where the input is kept.
extern "C" const char* __asan_default_options();
extern "C" const char* __ubsan_default_options();
extern "C" const char* __asan_default_options() { return "abort_on_error=1:detect_leaks=1"; }
extern "C" const char* __ubsan_default_options() { return "print_stacktrace=1:abort_on_error=1"; }

namespace {

/// An input that takes longer has hung.
constexpr unsigned kSecondsOfOne = 30;

std::string crash_file;
const Input* running = nullptr;

void keep_input(int signal) {
    if (running) {
        const int file = open(crash_file.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0644);
        const auto written = write(file, running->data(), running->size());
        close(file);
        constexpr char kSaid[] = "\nthe input is kept in ";
        if (written >= 0 && write(2, kSaid, sizeof kSaid - 1) > 0 && write(2, crash_file.data(), crash_file.size()) > 0 &&
            write(2, signal == SIGALRM ? " (hung)\n" : "\n", signal == SIGALRM ? 8 : 1) > 0) {}
    }
    std::signal(signal, SIG_DFL);
    raise(signal);
}

/// SplitMix64: the same numbers everywhere.
struct Random {
    u64 state;
    u64 next() {
        u64 z = state += 0x9e3779b97f4a7c15;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        return z ^ z >> 31;
    }
    std::size_t below(std::size_t n) { return n ? next() % n : 0; }
};

void mutate(Input& input, const std::vector<Input>& pool, Random& r) {
    constexpr std::size_t kLongest = 1 << 16;
    constexpr u64 kEdges[] = {0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
                              0x7fffffffffffffff, 0x8000000000000000, ~u64{0}, 0x1000, 0xfff};
    for (std::size_t changes = 1 + r.below(8); changes; --changes) {
        const std::size_t at = r.below(input.size() + 1);
        const auto where = input.begin() + static_cast<std::ptrdiff_t>(at);
        switch (r.below(7)) {
            case 0: input.insert(where, static_cast<u8>(r.next())); break;
            case 1: if (at < input.size()) input.erase(where); break;
            case 2: if (at < input.size()) *where = static_cast<u8>(r.next()); break;
            case 3: if (at < input.size()) *where = static_cast<u8>(*where ^ 1u << r.below(8)); break;
            case 4: {
                const u64 edge = kEdges[r.below(std::size(kEdges))];
                const std::size_t bytes = std::size_t{1} << r.below(4);
                if (at + bytes <= input.size()) std::memcpy(&*where, &edge, bytes);
                break;
            }
            case 5: {  // a piece of another one
                const Input& other = pool[r.below(pool.size())];
                const std::size_t from = r.below(other.size() + 1), n = r.below(std::min<std::size_t>(other.size() - from, 64) + 1);
                const Input piece(other.begin() + static_cast<std::ptrdiff_t>(from),
                                  other.begin() + static_cast<std::ptrdiff_t>(from + n));
                input.insert(where, piece.begin(), piece.end());
                break;
            }
            default:
                for (std::size_t n = r.below(32); n; --n) input.push_back(static_cast<u8>(r.next()));
        }
    }
    if (input.size() > kLongest) input.resize(kLongest);
}

void run_one(const Input& input) {
    running = &input;
    alarm(kSecondsOfOne);
    LLVMFuzzerTestOneInput(input.data(), input.size());
    alarm(0);
    running = nullptr;
}

Input read_file(const std::string& name) {
    std::ifstream in(name, std::ios::binary);
    if (!in) {
        std::fprintf(stderr, "%s: cannot be read, expected an input\n", name.c_str());
        std::exit(2);
    }
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int main(int argc, char* argv[]) {
    const std::string name = std::filesystem::path(argv[0]).filename().string();
    crash_file = "crash-" + name;
    u64 runs = 1000, seconds = 0, seed = 1;
    std::vector<std::string> files;
    for (int i = 1; i < argc; ++i) {
        const std::string word = argv[i];
        const auto number = [&] { return ++i < argc ? std::strtoull(argv[i], nullptr, 0) : 0; };
        if (word == "--runs") runs = number();
        else if (word == "--seconds") seconds = number();
        else if (word == "--seed") seed = number();
        else if (word == "--write-seeds" && i + 1 < argc) {
            const std::filesystem::path folder = argv[++i];
            std::filesystem::create_directories(folder);
            unsigned n = 0;
            for (const Input& s : seeds())
                std::ofstream(folder / ("seed-" + std::to_string(n++)), std::ios::binary)
                    .write(reinterpret_cast<const char*>(s.data()), static_cast<std::streamsize>(s.size()));
            return 0;
        } else files.push_back(word);
    }
    for (const int signal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM}) std::signal(signal, keep_input);

    if (!files.empty()) {
        for (const auto& file : files) run_one(read_file(file));
        return 0;
    }
    std::vector<Input> pool = seeds();
    for (const Input& s : pool) run_one(s);
    Random r{seed};
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
    u64 done = 0;
    for (; seconds ? std::chrono::steady_clock::now() < end : done < runs; ++done) {
        const std::size_t from = r.below(pool.size());
        Input input = pool[from];
        mutate(input, pool, r);
        run_one(input);
        // Without coverage to tell which are good, some inputs replace others, so that changes add up; seeds stay.
        if (r.below(4) == 0) {
            if (pool.size() < 256) pool.push_back(std::move(input));
            else if (from >= seeds().size()) pool[from] = std::move(input);
        }
    }
    std::printf("%s: %lu inputs of seed %lu, nothing found\n", name.c_str(), done, seed);
    return 0;
}
