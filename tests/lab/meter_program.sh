#!/bin/bash
# SPDX-License-Identifier: MIT
# What dmaflow says that was copied is what the meter saw, in every mode of sending.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
bytes=33554432
differ=()

for nic in virtio-tap e1000e; do
	for mode in copy zerocopy sendzc copy,frame zerocopy,frame auto; do
		frame=
		[[ $mode == *,frame ]] && frame=,frame
		lab "$nic-${mode/,/-}" --no-driver --nic "$nic" --meter --host \
			"'$DMAFLOW' run tcp-listen:0.0.0.0:9000$frame verify: --quiet" -- \
			"dmaflow run --quiet --json --plugin /lab/meter_stage.so pattern:bytes=$bytes,block=128K meter: \
			 tcp:\$LAB_HOST:9000,mode=$mode >/out/run.json"
		point $? "$nic: $mode: $((bytes >> 20)) MiB arrive, every byte right"
		read -r loaded _ < <(meter_rows "$out")
		# The source's stores are its own; what the sink sends from is only read.
		said=$(python3 -c 'import json, sys
print(sum(json.load(open(sys.argv[1]))["sinks"][0]["copies"].values()))' "$out/out/run.json")
		apart=$(apart "$loaded" "$said" $bytes)
		less "$apart" 0.001
		point $? "$nic: $mode: the program says $said bytes copied, the meter ${loaded:-nothing}"
		differ+=("$apart")
	done
done
worst=$(printf '%s\n' "${differ[@]}" | sort -g | tail -n 1)
less "$worst" 0.001 && tools/result kernel.meter_vs_program share "$worst"
point $? "figures are recorded"
plan
