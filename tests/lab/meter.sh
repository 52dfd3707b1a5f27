#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The meter says what is known of programs whose copies are known (tests/lab/guest/meter_proof.c), on
# NICs that take pages. e1000e's driver pulls some bytes of some packets into their head (a workaround
# for a fault of the hardware), so nothing is less than 0.1 % there.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
bytes=4194304
modes='touch send read_send cached zerocopy'
# Payload bytes loaded and stored for each byte sent; the payload is the buffer that is sent from
# (cached: and the file it was read from).
loads=(1 1 1 2 0)
stores=(0 0 1 1 0)
send=() read_send=()

for nic in virtio-tap e1000e vmxnet3; do
	# shellcheck disable=SC2016 # for the guest's shell
	lab "$nic" --no-driver --nic "$nic" --meter --host "tests/lab/host/receive.py 9000 $bytes 5" -- \
		"for m in $modes; do meter_proof \$m \$LAB_HOST 9000 $bytes 131072; done"
	point $? "$nic: five streams arrive, every byte right"
	mapfile -t rows < <(meter_rows "$out")
	i=0
	for mode in $modes; do
		read -r loaded stored _ <<<"${rows[i]:-9e9 9e9}"
		less "$(apart "$loaded" $((bytes * loads[i])) $bytes)" 0.001 &&
			less "$(apart "$stored" $((bytes * stores[i])) $bytes)" 0.001
		point $? "$nic: $mode: ${loads[i]} load and ${stores[i]} store a byte ($loaded, $stored)"
		touched=$(awk -v t=$((loaded + stored)) -v b=$bytes 'BEGIN { print t / b }')
		case $mode in
		send) send+=("$touched") ;;
		read_send) read_send+=("$touched") ;;
		esac
		i=$((i + 1))
	done
done
tools/result kernel.meter.send loads+stores/byte "${send[@]}" &&
	tools/result kernel.meter.read_send loads+stores/byte "${read_send[@]}"
point $? "figures are recorded"
plan
