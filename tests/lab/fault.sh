#!/bin/bash
# SPDX-License-Identifier: MIT
# tests/fault's matrix for kinds whose device is here: dma: against faulty: on either side.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

lab matrix --kernel 6.1 --module 'dmaflow pattern=1' --timeout 400 --file tests/fault/matrix.sh --file tests/fault/kinds.sh \
	-- "DMAFLOW=/bin/dmaflow sh matrix.sh dma"
point $? "the guest ends well and its log is clean"
points dma
plan
