// SPDX-License-Identifier: Apache-2.0
#include "sim/options.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "sim/scenario.hpp"
#include "sim/text.hpp"
#include "sim/version.hpp"

namespace vmxsim::sim {

namespace {

/// Options as words, before their meaning is checked.
struct Words {
    std::string append, memory, cpus, l0, policy, profile, vmcs_cache = "tlm", timing = "interval", max_cycles;
    std::string gdb, log_filter, log_range, log_from;
};

[[noreturn]] void fail(std::string_view option, std::string_view value, std::string_view expected) {
    throw InputError(fmt::format("{}: '{}' is not a value of it, expected {}", option, value, expected));
}

void add_machine_options(CLI::App& app, Options& o, Words& w) {
    app.add_option("--append", w.append, "the image's command line")->type_name("TEXT");
    app.add_option("--memory", w.memory, "memory that the image sees, 4M to 16G")->type_name("SIZE");
    app.add_option("--cpus", w.cpus, "processors of the bare machine, 1 to 8")->type_name("N");
    app.add_option("--l0", w.l0,
                   "who is beneath the image: none (it is on the bare machine), or unit (the nested unit)")
        ->type_name("none|unit");
    app.add_option("--policy", w.policy, "how the nested unit works, of `vmxsim list policies`")->type_name("POLICY");
    app.add_option("--profile", w.profile, "the CPU: a name of `vmxsim list profiles`, or a .toml file")
        ->type_name("CPU");
    app.add_option("--vmcs-cache", w.vmcs_cache,
                   "what holds VMCS data: the model, the SystemVerilog design, or both compared at each operation")
        ->type_name("tlm|rtl|lockstep");
    app.add_option("--timing", w.timing, "interval: cycles as the profile says; none: functional, as fast as it goes")
        ->type_name("none|interval");
    app.add_option("--set", o.settings, "change one parameter of the profile, of `vmxsim list knobs`; may be repeated")
        ->type_name("KEY=VALUE")
        ->expected(1)
        ->take_all();
    app.add_option("--stats", o.stats, "write statistics as JSON")->type_name("FILE");
    app.add_option("--max-cycles", w.max_cycles, "end the run after so many cycles (status 3)")->type_name("N");
    app.add_option("--gdb", w.gdb, "wait for gdb on this port of localhost (0: any), and stop before the first instruction")
        ->type_name("PORT");
    app.add_option("--log", o.debug.log.file, "write a line for each event of the run; - is standard error")->type_name("FILE");
    app.add_option("--log-filter", w.log_filter,
                   "which events: insn, exit, entry, interrupt, exception, msr, io, vmcs, cr; all (default: all but insn)")
        ->type_name("KIND,...");
    app.add_option("--log-range", w.log_range, "only where RIP is from A to B (linear, hexadecimal)")->type_name("A-B");
    app.add_option("--log-from", w.log_from, "only from this cycle on")->type_name("CYCLE");
    app.add_flag("--quiet", o.quiet, "no report and no progress");
}

constexpr const char* kExamples =
    "Examples:\n"
    "  vmxsim run nested-exits                        what a nested VM exit costs, beside silicon\n"
    "  vmxsim run nested-exits --l0 none              the same hypervisor on the bare machine\n"
    "  vmxsim run nested-exits --profile haswell --set vmcs_cache.contexts=8\n"
    "  vmxsim boot my.elf --append 'test=all' --stats my.json\n"
    "  vmxsim compare before.json after.json\n"
    "  vmxsim list knobs\n"
    "\n"
    "Status: 0 good; 2 bad option or file; 3 the machine went wrong (its state is printed); 4 fault of the simulator.\n"
    "An image that ends the run through port 0xF4 with V gives (V << 1) | 1, as on QEMU; run gives 0 for V = 0.";

template <class T>
T word_of(std::string_view option, const std::string& word, std::initializer_list<T> values) {
    std::vector<std::string_view> names;
    for (const T v : values) {
        if (word == name_of(v)) return v;
        names.push_back(name_of(v));
    }
    fail(option, word, alternatives(names));
}

void interpret_debug(const CLI::App& sub, const Words& w, DebugOptions& o) {
    const auto said = [&](const char* option) { return sub.get_option(option)->count() != 0; };
    if (said("--gdb")) {
        const auto port = parse_number(w.gdb);
        if (!port || *port > 0xffff) fail("--gdb", w.gdb, "a port from 0 to 65535");
        o.gdb = static_cast<u16>(*port);
    }
    if (said("--log") && o.log.file.empty()) fail("--log", "", "a file, or -");
    for (const char* option : {"--log-filter", "--log-range", "--log-from"})
        if (said(option) && !said("--log")) throw InputError(fmt::format("{}: there is no log, expected --log FILE beside it", option));
    if (said("--log-filter")) {
        const auto kinds = parse_log_kinds(w.log_filter);
        if (!kinds) fail("--log-filter", w.log_filter, "a list of " + alternatives({std::begin(kLogKinds), std::end(kLogKinds)}) + ", or all");
        o.log.kinds = *kinds;
    }
    if (said("--log-range") && !parse_log_range(w.log_range, o.log))
        fail("--log-range", w.log_range, "two hexadecimal addresses, the lower one first: 101000-101fff");
    if (said("--log-from")) {
        const auto cycle = parse_number(w.log_from);
        if (!cycle) fail("--log-from", w.log_from, "a cycle");
        o.log.from = *cycle;
    }
}

/// Turns words into values.
void interpret(const CLI::App& sub, const Words& w, Options& o) {
    const auto said = [&](const char* option) { return sub.get_option(option)->count() != 0; };
    if (said("--append")) o.append = w.append;
    if (said("--memory")) {
        o.memory_bytes = parse_size(w.memory);
        if (!o.memory_bytes || *o.memory_bytes < kMinMemory || *o.memory_bytes > kMaxMemory)
            fail("--memory", w.memory, "a size from 4M to 16G");
    }
    if (said("--cpus")) {
        const auto n = parse_number(w.cpus);
        if (!n || *n == 0 || *n > kMaxCpus) fail("--cpus", w.cpus, fmt::format("a number from 1 to {}", kMaxCpus));
        o.cpus = static_cast<unsigned>(*n);
    }
    if (said("--l0")) o.l0 = word_of("--l0", w.l0, {L0Mode::None, L0Mode::Unit});
    if (said("--policy")) {
        const auto known = nested::policies();
        if (!is_policy(w.policy)) fail("--policy", w.policy, alternatives({known.begin(), known.end()}));
        o.policy = w.policy;
    }
    if (said("--profile")) o.profile = w.profile;
    o.vmcs_cache =
        word_of("--vmcs-cache", w.vmcs_cache, {VmcsCacheKind::Tlm, VmcsCacheKind::Rtl, VmcsCacheKind::Lockstep});
    o.timing = word_of("--timing", w.timing, {core::TimingLevel::None, core::TimingLevel::Interval});
    if (said("--max-cycles")) {
        const auto n = parse_number(w.max_cycles);
        if (!n || *n == 0) fail("--max-cycles", w.max_cycles, "a number of cycles from 1");
        o.max_cycles = *n;
    }
    interpret_debug(sub, w, o.debug);
}

/// CLI11's messages, some of which have several lines, as one.
std::string one_line(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    for (char& c : text)
        if (c == '\n') c = ' ';
    return text;
}

}  // namespace

std::vector<std::string_view> list_topics() {
    return {"scenarios", "profiles", "policies", "fields", "layouts", "knobs"};
}

Parsed parse_options(int argc, const char* const* argv) {
    Options o;
    Words w;
    CLI::App app{"vmxsim simulates the VMX hardware (Intel VT-x) with its cycles, and nested virtualization on it.",
                 "vmxsim"};
    app.footer(kExamples);
    app.set_version_flag("--version", std::string("vmxsim ") + kVersion);
    app.require_subcommand(1);

    auto* run = app.add_subcommand("run", "run a scenario and print its cycles beside published ones");
    run->add_option("scenario", o.scenario, "a name of `vmxsim list scenarios`, or a .toml file")
        ->required()
        ->type_name("SCENARIO");
    add_machine_options(*run, o, w);
    run->add_flag("--console", o.console, "show what the image prints");
    run->footer("Example:\n  vmxsim run nested-exits --stats nested.json --set nested.exit_software=900");

    Words boot_words;
    auto* boot = app.add_subcommand("boot", "boot an unmodified multiboot image or Linux kernel; its serial port is standard output");
    boot->add_option("image", o.image, "a multiboot ELF, bzImage or vmlinux file, or the name of one of the project's guests")
        ->required()
        ->type_name("IMAGE");
    add_machine_options(*boot, o, boot_words);
    boot->add_option("--initrd", o.modules, "load a file as a multiboot module ('FILE ARGS' with its command line), or as the kernel's initramfs; may be repeated")
        ->type_name("FILE")
        ->expected(1)
        ->take_all();
    boot->footer("Example:\n  vmxsim boot my.elf --l0 unit --append 'vmx=1' --memory 128M; echo $?");

    auto* compare =
        app.add_subcommand("compare", "two statistics files side by side, or one against published figures");
    compare->add_option("a", o.a, "statistics of one run")->required()->type_name("A.json");
    compare->add_option("b", o.b, "statistics of another, or the word hardware")
        ->required()
        ->type_name("B.json|hardware");
    compare->footer("Examples:\n  vmxsim compare before.json after.json\n  vmxsim compare nested.json hardware");

    auto* list = app.add_subcommand("list", "what there is: scenarios, profiles, policies, fields, layouts or knobs");
    list->add_option("topic", o.topic, alternatives(list_topics()))->required()->type_name("TOPIC");

    if (argc < 2) throw InputError("vmxsim: no command, expected run, boot, compare or list (see `vmxsim --help`)");
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        const CLI::App* shown = &app;
        for (const auto* sub : app.get_subcommands()) shown = sub;
        return {std::nullopt, shown == &app ? app.help() : shown->help("vmxsim")};
    } catch (const CLI::CallForVersion&) {
        return {std::nullopt, std::string("vmxsim ") + kVersion + "\n"};
    } catch (const CLI::RequiredError& e) {
        // CLI11 sees a word that is no command as a missing command.
        if (app.get_subcommands().empty() && argc > 1 && argv[1][0] != '-')
            throw InputError(fmt::format("vmxsim: {}: no such command, expected run, boot, compare or list", argv[1]));
        throw InputError(fmt::format("vmxsim: {}, expected what `vmxsim --help` shows", one_line(e.what())));
    } catch (const CLI::ParseError& e) {
        throw InputError(fmt::format("vmxsim: {}, expected what `vmxsim --help` shows", one_line(e.what())));
    }
    if (run->parsed()) {
        o.command = Command::Run;
        interpret(*run, w, o);
    } else if (boot->parsed()) {
        o.command = Command::Boot;
        interpret(*boot, boot_words, o);
    } else if (compare->parsed()) {
        o.command = Command::Compare;
    } else {
        o.command = Command::List;
        const auto topics = list_topics();
        if (std::find(topics.begin(), topics.end(), o.topic) == topics.end())
            fail("list", o.topic, alternatives(topics));
    }
    return {o, ""};
}

}  // namespace vmxsim::sim
