// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <systemc>

#include "sim/commands.hpp"

int sc_main(int argc, char* argv[]) {
    using namespace vmxsim::sim;
    // "Simulation stopped by user" and the like: standard output is ours and the image's.
    sc_core::sc_report_handler::set_actions(sc_core::SC_INFO, sc_core::SC_DO_NOTHING);
    try {
        const Parsed parsed = parse_options(argc, argv);
        if (parsed.options) return run_command(*parsed.options);
        std::fputs(parsed.text.c_str(), stdout);
        return 0;
    } catch (const InputError& e) {
        std::fprintf(stderr, "%s\n", e.what());
        return 2;
    } catch (const std::exception& e) {  // a lockstep difference, or a mistake in the model
        std::fprintf(stderr, "vmxsim: fault of the simulator: %s\n", e.what());
        return 4;
    }
}

// libsystemc has a main() that prints a banner first; this one keeps standard output and error ours.
int main(int argc, char* argv[]) {
    setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 0);
    return sc_core::sc_elab_and_sim(argc, argv);
}
