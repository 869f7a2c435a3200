// SPDX-License-Identifier: Apache-2.0
// SystemC's library refers to the program's sc_main. No fuzz target starts its kernel.
extern "C" int sc_main(int, char**) { return 0; }
