// SPDX-License-Identifier: Apache-2.0
// The law of model/core/engine, checked on the program itself: hot handlers jump, they never call.
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "model/core/engine/handler.hpp"

namespace vmxsim::core {

BOOST_AUTO_TEST_SUITE(handlers)

BOOST_AUTO_TEST_CASE(hot_handlers_contain_no_call) {
    BOOST_TEST(true);
    if (!VMXSIM_THREADED) return;
    char self[4096] = {};
    if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0) return;
    const std::string command = std::string("objdump -d --no-show-raw-insn -C '") + self + "' 2>/dev/null";
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    char line[1024];
    std::string function;
    bool hot = false;
    unsigned handlers = 0;
    std::set<std::string> offenders;
    static const char* const kKinds[] = {"alu_load<",
                                         "alu_update<",
                                         "alu_register<",
                                         "unary_",
                                         "shift_register<",
                                         "move_",
                                         "extend_register<",
                                         "extend_load<",
                                         "lea<",
                                         "setcc<",
                                         "cmov<",
                                         "misc<",
                                         "jcc<",
                                         "jump<",
                                         "jump_register<",
                                         "jump_memory<",
                                         "run_on<",
                                         "call<",
                                         "call_register<",
                                         "ret<",
                                         "push<",
                                         "pop<",
                                         "leave<",
                                         "multiply_register<"};
    while (std::fgets(line, sizeof line, pipe.get())) {
        if (std::strstr(line, ">:") && std::strchr(line, '<')) {
            function = line;
            hot = false;
            // "... void vmxsim::core::engine::(anonymous namespace)::alu_load<...>(CpuState*, Op const*, Hot*)"
            if (std::strstr(line, "vmxsim::core::engine::") &&
                std::strstr(line, "engine::Op const*, vmxsim::core::engine::Hot*)>:"))
                for (const char* kind : kKinds) hot = hot || std::strstr(line, (std::string("::") + kind).c_str());
            handlers += hot;
            continue;
        }
        if (hot && std::strstr(line, "\tcall")) offenders.insert(function);
    }
    BOOST_TEST_MESSAGE(handlers << " handlers looked at");
    if (handlers == 0) return;  // no objdump here
    BOOST_TEST(handlers > 500u);
    for (const std::string& o : offenders) BOOST_ERROR("calls: " + o);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace vmxsim::core
