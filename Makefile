# SPDX-License-Identifier: Apache-2.0
# The door to CMake: `make run` and `make test` do everything on a fresh Debian 12.
PRESET ?= release
BUILD := $(if $(filter release,$(PRESET)),build,build-$(PRESET))
SCENARIO ?= nested-exits
ARGS ?=
SECONDS ?= 60
# Debian's own Python: pandas and matplotlib from its packages belong to it.
PYTHON ?= /usr/bin/python3

.PHONY: help run test sanitize soak bench build linux report packages configure clean
help:
	@echo "make run     build, then run the scenario SCENARIO=$(SCENARIO) (ARGS='--policy kvm-2011 ...')"
	@echo "make test    build, then run every test (C++ and Python)"
	@echo "make sanitize   the C++ tests, a scenario and the fuzz targets' slices under ASan and UBSan, in build-asan"
	@echo "make soak    fuzz each target for SECONDS=$(SECONDS) under sanitizers (libFuzzer where there is clang)"
	@echo "make bench   measure speed: parts, and whole images beside Bochs on the same images"
	@echo "make report  run the default scenario and draw its comparison with silicon"
	@echo "make build   leave the program at $(BUILD)/vmxsim"
	@echo "make linux   fetch Debian's kernel, for the scenarios of that name, to $(BUILD)/linux"
	@echo "make clean   remove $(BUILD)"
	@echo "PRESET=release|debug|asan|fuzz|coverage chooses the build"

packages:
ifndef SKIP_PACKAGES
	@scripts/install-packages
endif

$(BUILD)/build.ninja: CMakeLists.txt CMakePresets.json | packages
	cmake --preset $(PRESET)

build: packages $(BUILD)/build.ninja
	@cmake --build $(BUILD)

linux: packages
	@scripts/fetch-linux --to $(BUILD)/linux

run: build $(if $(filter linux-%,$(SCENARIO)),linux)
	@$(BUILD)/vmxsim run $(SCENARIO) $(ARGS)

test: build
	-@scripts/fetch-linux --to $(BUILD)/linux || echo "vmxsim: the tests that boot it are skipped"
	@ctest --test-dir $(BUILD) --output-on-failure --no-tests=error

# What can go wrong in memory or in arithmetic without a test seeing it.
sanitize: packages
	@cmake --preset asan >/dev/null
	@cmake --build build-asan --target sanitized
	@ctest --test-dir build-asan --output-on-failure --no-tests=error -L sanitized

soak: packages
	@scripts/soak $(SECONDS)

bench: build
	@cmake --build $(BUILD) --target vmxsim_bench
	@$(BUILD)/vmxsim_bench
	@$(PYTHON) bench/images --program $(BUILD)/vmxsim $(ARGS)

report: build
	@$(PYTHON) -m analysis report --program $(BUILD)/vmxsim --out $(BUILD)/report

clean:
	rm -rf $(BUILD)
