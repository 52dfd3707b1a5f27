#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The main job: a device writes into the driver's memory, the program sends it over TCP, a receiver
# outside the guest looks at every byte, and the meter says what the CPU touched on the way.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
bytes=268435456
virtio=() e1000e=() share=() by_reference=() by_copy=()

# More than is taken, from a file: a pipe that runs dry would give short blocks, and those are rightly copied.
feed=$(mktemp build/lab/feed.XXXXXX) || exit 1
trap 'rm -f "$feed"' EXIT
"$DMAFLOW" run --quiet pattern:bytes=$((bytes + (64 << 20))) "file:$feed"
point $? "there is something to acquire"

# acquire NAME NIC MODE OPTION...: one run. Sets touched and said (shares of the bytes), insns (a MiB).
acquire() {
	local name=$1 nic=$2 mode=$3 loaded stored user kernel status
	shift 3
	lab "$name" "$@" --nic "$nic" --device virtio-stream --feed "$feed" \
		--meter --host "'$DMAFLOW' run --quiet tcp-listen:0.0.0.0:9000 verify:" -- \
		"modprobe dmaflow virtio=1
		 dmaflow run --quiet --json --plugin /lab/meter_stage.so dma:/dev/dmaflow0,block=128K,bytes=$bytes \
			meter: tcp:\$LAB_HOST:9000,mode=$mode >/out/run.json"
	status=$?
	read -r loaded stored user kernel _ < <(meter_rows "$out")
	touched=$(apart "$((loaded + stored))" 0 $bytes)
	insns=$(((user + kernel) / (bytes >> 20)))
	said=$(python3 -c 'import json, sys
j = json.load(open(sys.argv[1]))
assert j["bytes"] == int(sys.argv[2]) and j["lost"] == 0 and j["status"] == 0, j
print(sum(j["copies"].values()) / j["bytes"])' "$out/out/run.json" $bytes) || status=1
	[ "$status" -eq 0 ] && [ "${kernel:-0}" -gt 0 ]
}

for nic in virtio-tap e1000e; do
	for iommu in '' --iommu; do
		name=$nic$iommu
		# shellcheck disable=SC2086 # one option, or none
		acquire "$name-copy" $nic copy $iommu
		point $? "$name: mode=copy: $((bytes >> 20)) MiB from the device arrive, every byte right"
		less "$(apart "$touched" 1 1)" 0.001
		point $? "$name: mode=copy: the CPU loads each byte once ($touched), $insns instructions a MiB"
		[ "$name" != virtio-tap ] || by_copy+=("$insns")

		# shellcheck disable=SC2086
		acquire "$name-auto" $nic auto $iommu
		point $? "$name: mode=auto: they arrive"
		# auto copies what is too short to be worth a reference: the rest of a block that was sent in part.
		less "$said" 0.01 && less "$touched" 0.001
		point $? "$name: mode=auto: 99 % are sent by reference; touched $touched, said $said"
		[ $nic != virtio-tap ] || share+=("$(apart 1 "$said" 1)")
		[ "$name" != virtio-tap ] || by_reference+=("$insns")

		# shellcheck disable=SC2086
		acquire "$name-zerocopy" $nic zerocopy $iommu
		point $? "$name: mode=zerocopy: they arrive"
		if [ $nic = virtio-tap ]; then
			virtio+=("$touched")
			[ "$touched" = 0 ]
		else
			e1000e+=("$touched")
			less "$touched" 0.001
		fi
		point $? "$name: mode=zerocopy: the CPU touches $touched of them, $insns instructions a MiB"
	done
done

for again in 2 3; do
	acquire "again-copy-$again" virtio-tap copy && by_copy+=("$insns")
	acquire "again-auto-$again" virtio-tap auto && by_reference+=("$insns")
done
tools/result kernel.payload_touched.virtio share "${virtio[@]}" &&
	tools/result kernel.payload_touched.e1000e share "${e1000e[@]}" &&
	tools/result kernel.auto_zerocopy_share share "${share[@]}" &&
	tools/result kernel.insn_ratio.tcp instructions/MiB --peer mode=copy "${by_reference[@]}" -- "${by_copy[@]}"
point $? "figures are recorded"
ratio=$(python3 -c 'import json; print(json.load(open("build/results/kernel.insn_ratio.tcp.json"))["ratio"])')
less "$ratio" 0.6
point $? "sending by reference takes $ratio of the instructions of copying"
plan
