#!/bin/bash
# SPDX-License-Identifier: MIT
# Which calls take which mapping: two that drivers commonly make, split pages, and ours.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"

# What 6.1 knows as file-backed may not become a fixed buffer there unless it is shmem.
expected() {
	cat <<-END
		write                      ok         ok         ok         ok
		send                       ok         ok         ok         ok
		io_uring-SEND              ok         ok         ok         ok
		MSG_ZEROCOPY               EFAULT     EFAULT     ok         ok
		io_uring-SEND_ZC           EFAULT     EFAULT     ok         ok
		io_uring-REGISTER_BUFFERS  EFAULT     EFAULT     $1 ok
		vmsplice                   EFAULT     EFAULT     ok         ok
		process_vm_readv           EFAULT     EFAULT     ok         ok
		O_DIRECT-write             EFAULT     EFAULT     ok         ok
		O_DIRECT-read              EFAULT     EFAULT     ok         ok
	END
}

for kernel in 6.1 6.12; do
	lab "$kernel" --kernel "$kernel" --build-module tests/lab/module/maps --disk driver=null-co,size=64M -- '
modprobe maps && modprobe dmaflow pattern=1 &&
mapping /dev/vda /dev/map_pfn /dev/map_coherent /dev/map_pages /dev/dmaflow0 | tee /out/table'
	point $? "Linux $kernel: every call is tried on every mapping"
	case $kernel in
	6.1) expected 'EOPNOTSUPP' ;;
	*) expected 'ok        ' ;;
	esac >"$out/expected"
	while read -r call want; do
		have=$(awk -v c="$call" '$1 == c { $1 = ""; print substr($0, 2) }' "$out/out/table" | sed 's/ *$//')
		[ "$(tr -s ' ' <<<"$have")" = "$(tr -s ' ' <<<"$want")" ]
		point $? "Linux $kernel: $call: pfn, coherent, pages, dmaflow: $have"
	done <"$out/expected"
done
plan
