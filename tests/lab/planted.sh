#!/bin/bash
# SPDX-License-Identifier: MIT
# Faults planted in copies of the driver (tests/lab/planted), each to be noticed by the test that is there for it. What
# a missing hand-over does shows where everything is bounced; a mapping that is left, in the debug kernel.
# shellcheck disable=SC2016 # for the guest's shell
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
missed=0
stream='drv_stream /dev/dmaflow0 4096 4 8192'
unbind='echo "$(basename /sys/bus/pci/drivers/dmaflow-edu/0000:*)" >/sys/bus/pci/drivers/dmaflow-edu/unbind'

# boot NAME HOW OPTION...: the test that is there for it.
boot() {
	local name=$1 how=$2
	shift 2
	case $how in
	bounced) lab "$name" --swiotlb --device edu "$@" -- \
		"modprobe dmaflow edu_dma_bits=32 && { $stream bounced; $stream from-memory bounced; } | tee /tmp/tap; ! grep '^not ok' /tmp/tap" ;;
	debug) lab "$name" --machine x86-debug --device edu --timeout 240 "$@" -- \
		"modprobe dmaflow edu_dma_bits=32 && $stream; status=\$?; $unbind; sleep 1; exit \$status" ;;
	basic) lab "$name" "$@" -- 'modprobe dmaflow pattern=1 && drv_basic /dev/dmaflow0' ;;
	*) echo "# $how: no such boot" && return 1 ;;
	esac
}

for how in bounced debug basic; do
	boot "$how" $how
	point $? "$how: nothing is found where nothing was planted"
done
for patch in tests/lab/planted/*.patch; do
	name=$(basename "$patch" .patch)
	says=$(sed -n 's/^# says: //p' "$patch")
	boot "$name" "$(sed -n 's/^# boot: //p' "$patch")" --plant "$patch" >/dev/null
	status=$?
	# 124 and above: it didn't get so far as to find anything.
	[ $status -ne 0 ] && [ $status -lt 124 ] && grep -qE -- "$says" "$out/said"
	noticed=$?
	[ $noticed -eq 0 ] || { missed=$((missed + 1)) && sed 's/^/# /' "$out/said"; }
	point $noticed "$name: noticed"
done
tools/result kernel.planted_missed faults "$missed" >/dev/null
point $? "a figure is recorded"
plan
