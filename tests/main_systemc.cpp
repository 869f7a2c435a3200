// SPDX-License-Identifier: Apache-2.0
// libsystemc brings its own main(), which calls sc_main().
#define BOOST_TEST_MODULE vmxsim
#define BOOST_TEST_NO_MAIN
#define BOOST_TEST_ALTERNATIVE_INIT_API
#include <boost/test/unit_test.hpp>

extern "C" int sc_main(int argc, char* argv[]) { return boost::unit_test::unit_test_main(&init_unit_test, argc, argv); }
