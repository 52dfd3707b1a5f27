#!/bin/bash
# SPDX-License-Identifier: MIT
# A system on a chip: Cortex-A9, PL330, GEM. The DMA engine fills the driver's blocks, the network takes them by reference, a
# receiver outside looks at every byte, and the meter says what the CPU touched. Then the driver's programs and the
# same flow in a kernel that looks for faults.
# shellcheck disable=SC2016,SC2154 # for the guest's shell; $out is set by lab()
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
bytes=16777216
listen="'$DMAFLOW' run --quiet tcp-listen:0.0.0.0:9000 verify:"
flow='dmaflow run --quiet --json dma:/dev/dmaflow0,block=4K,blocks=512,bytes='

# account FILE: "copied-share zerocopied copied" of a run that lost nothing.
account() {
	python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
assert j["lost"] == 0 and j["status"] == 0, j
print(sum(j["copies"].values()) / j["bytes"], j["completions"]["zerocopied"], j["completions"]["copied"])' "$1"
}

for mode in zerocopy copy; do
	lab "$mode" --machine zynq --nic gem --meter --timeout 300 --host "$listen" -- "modprobe dmaflow &&
cat /sys/class/dmaflow/dmaflow0/front &&
${flow/run/run --plugin \/lab\/meter_stage.so}$bytes meter: tcp:\$LAB_HOST:9000,mode=$mode >/out/run.json"
	point $? "$mode: $((bytes >> 20)) MiB by PL330 and GEM arrive, every byte right; the log is clean"
	grep -q '^dmaengine$' "$out/said"
	point $? "$mode: they came from the DMA engine"
	read -r share zerocopied copied < <(account "$out/out/run.json")
	read -r loaded stored _ < <(meter_rows "$out")
	touched=$(apart "$((${loaded:-bytes} + ${stored:-bytes}))" 0 $bytes)
	if [ $mode = zerocopy ]; then
		[ "${zerocopied:-0}" -gt 0 ] && [ "${copied:-1}" -eq 0 ]
		point $? "$mode: all of ${zerocopied:-no} completions say zerocopied"
		less "$touched" 0.001 && tools/result kernel.arm.payload_touched share "$touched" >/dev/null
		point $? "$mode: the CPU touched a share of $touched of the payload"
	else
		less "$(apart "$touched" 1 1)" 0.001
		point $? "$mode: the meter sees each byte read once: $touched"
	fi
	less "$(apart "$touched" "${share:-2}" 1)" 0.001
	point $? "$mode: the program says the same: ${share:-nothing}"
done

# in_guest NAME COMMAND OPTION...: in the kernel that looks for faults.
in_guest() {
	local name=$1 command=$2 status
	shift 2
	lab "$name" --machine zynq-debug --timeout 600 "$@" -- "$command" >/dev/null
	status=$?
	[ "$status" -eq 0 ] || grep -v '^ok ' "$out/said" | sed 's/^/# /'
	point $status "$name: the guest ends well and its log is silent"
}
in_guest debug 'modprobe dmaflow pattern=1 memory=fpga:4M && ls /sys/class/dmaflow &&
of() { f=$(grep -l "^$1" /sys/class/dmaflow/*/front); basename "${f%/front}"; }
engine=/dev/$(of dmaengine) pattern=/dev/$(of pattern) memory=/dev/$(of memory) &&
drv_basic $pattern && drv_stream $engine 4096 16 2000000 && drv_stream $engine 3000 16 300000 &&
dmaflow selftest --seconds 3 dma:$engine,block=4K && drv_life kill $engine 20 &&
drv_life unbind $memory /sys/bus/platform/drivers/dmaflow-memory dmaflow-memory.0 &&
drv_abuse 30 '"$RANDOM$RANDOM"' $engine $pattern $memory && drv_life unload $pattern' --memory 512M
points debug
in_guest debug-flow "modprobe dmaflow && ${flow}2M tcp:\$LAB_HOST:9000,mode=zerocopy >/out/run.json && rmmod dmaflow" \
	--nic gem --host "$listen"
read -r _ zerocopied copied < <(account "$out/out/run.json")
[ "${zerocopied:-0}" -gt 0 ] && [ "${copied:-1}" -eq 0 ]
point $? "debug-flow: all of ${zerocopied:-no} completions say zerocopied"
plan
