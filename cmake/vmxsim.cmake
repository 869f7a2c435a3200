# SPDX-License-Identifier: Apache-2.0
# Compile options shared by all targets, and the two ways in which this project makes one.

add_library(vmxsim_options INTERFACE)
target_include_directories(vmxsim_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_options(vmxsim_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(VMXSIM_SANITIZE)
  target_compile_options(vmxsim_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(vmxsim_options INTERFACE -fsanitize=address,undefined)
endif()
if(VMXSIM_FUZZ)
  target_compile_options(vmxsim_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(VMXSIM_COVERAGE)
  target_compile_options(vmxsim_options INTERFACE --coverage)
  target_link_options(vmxsim_options INTERFACE --coverage)
endif()

# SystemC as Debian packages it was built as C++17; the definition keeps its version check satisfied under C++20.
add_library(vmxsim_systemc INTERFACE)
target_link_libraries(vmxsim_systemc INTERFACE PkgConfig::systemc)
target_compile_definitions(vmxsim_systemc INTERFACE SC_CPLUSPLUS=201703L SC_INCLUDE_DYNAMIC_PROCESSES)

# vmxsim_sanitized(TEST program): the test is one of those that `make sanitize` builds and runs.
add_custom_target(sanitized)
function(vmxsim_sanitized name program)
  set_tests_properties(${name} PROPERTIES LABELS sanitized)
  add_dependencies(sanitized ${program})
endfunction()

# vmxsim_library(NAME libraries...): all sources of the current folder (and those below it) as one static library.
function(vmxsim_library name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  if(sources)
    add_library(${name} STATIC ${sources})
    target_link_libraries(${name} PUBLIC vmxsim_options ${ARGN})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE vmxsim_options ${ARGN})
  endif()
endfunction()

# vmxsim_test(FOLDER libraries...): tests/FOLDER/*.cpp as one Boost.Test program test_FOLDER, one ctest entry.
# A folder whose libraries include vmxsim_systemc gets the main that SystemC wants.
function(vmxsim_test folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cpp)
  if(NOT sources)
    return()
  endif()
  set(main main.cpp)
  if("vmxsim_systemc" IN_LIST ARGN)
    set(main main_systemc.cpp)
  endif()
  add_executable(test_${folder} ${main} ${sources})
  target_link_libraries(test_${folder} PRIVATE vmxsim_options ${ARGN} Boost::unit_test_framework)
  target_compile_definitions(test_${folder} PRIVATE BOOST_TEST_DYN_LINK VMXSIM_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
    VMXSIM_BINARY_DIR="${PROJECT_BINARY_DIR}")
  add_test(NAME ${folder} COMMAND test_${folder} --log_level=test_suite --color_output=no)
  if(NOT "vmxsim_systemc" IN_LIST ARGN)  # sim and rtl: mostly Verilator's and SystemC's code, and long to build
    vmxsim_sanitized(${folder} test_${folder})
  endif()
endfunction()
