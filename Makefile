# SPDX-License-Identifier: MIT
#
# A thin front: meson and ninja build, tools/ does the rest. `make help` lists what there is.

BUILD := build
NINJA := ninja --quiet -C $(BUILD)
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := all
.PHONY: all configure run test test-lab test-kernels lab check bench figures install clean fuzz mutants cross help

all: configure ## build everything
	@$(NINJA)

configure:
	@tools/setup core
	@tools/configure $(BUILD)

run: configure ## set up what the core needs, build, and run the main job
	@$(NINJA) dmaflow
	@$(BUILD)/dmaflow demo

test: ## build and run every test, with sanitizers, fuzzers and planted faults
	@tools/setup test
	@tools/run-tests

test-lab: ## the tests in emulated machines, or one: T=name
	@tools/setup test lab
	@tools/run-tests lab --only "$(T)"

test-kernels: ## those with kernels built for them, from the cache if they are there, or one: T=name
	@tools/setup test kernels
	@tools/run-tests kernels --only "$(T)"

lab: all ## a shell in an emulated machine; LAB="--iommu --nic e1000e" for another one
	@tools/setup lab
	@lab/run --shell $(LAB)

check: ## format, static checks, layers, scripts, man pages, README
	@tools/setup check
	@tools/check

bench: ## compare with peers, in turn, in one run
	@tools/setup bench
	@tools/configure $(BUILD) -Dbenches=true
	@$(NINJA)
	@bench/run

figures: ## print the measured figures
	@tools/figures

install: all ## install under the prefix meson was given (/usr/local)
	@meson install --no-rebuild -C $(BUILD)

fuzz: ## run each fuzzer for FUZZ_SECONDS (60)
	@tools/setup test
	@tools/run-tests fuzz --fuzz-seconds $(FUZZ_SECONDS)

mutants: ## see every planted fault caught by its test
	@tools/setup test
	@tests/mutants/run

cross: ## build for armhf and aarch64 and run the result under emulation
	@tools/setup cross
	@tools/cross/build

clean: ## remove build/
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1	\2/p' Makefile | expand -t 16
