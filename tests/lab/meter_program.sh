#!/bin/bash
# SPDX-License-Identifier: MIT
# What dmaflow says that was copied is what the meter saw, in every mode of sending.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
bytes=33554432
modes=(copy zerocopy sendzc auto "copy,frame" "zerocopy,frame")
differ=()

# A listener for each, all of them there before the guest is.
listen='status=0; pids='
send='set -e'
port=9000
for mode in "${modes[@]}"; do
	frame=
	[[ $mode == *,frame ]] && frame=,frame
	listen+="
		'$DMAFLOW' run tcp-listen:0.0.0.0:$port$frame verify: --quiet & pids=\"\$pids \$!\""
	send+="
		dmaflow run --quiet --json --plugin /lab/meter_stage.so pattern:bytes=$bytes,block=128K meter: \
			tcp:\$LAB_HOST:$port,mode=$mode >/out/$mode.json"
	port=$((port + 1))
done
# shellcheck disable=SC2016 # for the other shell
listen+='
	for pid in $pids; do wait "$pid" || status=1; done
	exit $status'

for nic in virtio-tap e1000e; do
	lab "$nic" --no-driver --nic "$nic" --meter --host "$listen" -- "$send"
	point $? "$nic: ${#modes[@]} times $((bytes >> 20)) MiB arrive, every byte right"
	mapfile -t rows < <(meter_rows "$out")
	for i in "${!modes[@]}"; do
		mode=${modes[i]}
		# The source's stores are its own; what the sink sends from is only read.
		read -r loaded _ <<<"${rows[i]:-}"
		said=$(python3 -c 'import json, sys
print(sum(json.load(open(sys.argv[1]))["sinks"][0]["copies"].values()))' "$out/out/$mode.json")
		apart=$(apart "$loaded" "$said" $bytes)
		less "$apart" 0.001
		point $? "$nic: $mode: the program says $said bytes copied, the meter ${loaded:-nothing}"
		differ+=("$apart")
		case $mode in
		copy*) less "$(apart "$loaded" $bytes $bytes)" 0.001 ;;
		*) less "$(apart "$loaded" 0 $bytes)" 0.001 ;;
		esac
		point $? "$nic: $mode: that is what the mode promises"
	done
done
worst=$(printf '%s\n' "${differ[@]}" | sort -g | tail -n 1)
less "$worst" 0.001 && tools/result kernel.meter_vs_program share "$worst"
point $? "figures are recorded"
plan
