#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a 4 KiB page costs to pin, in memory of the driver's, huge pages, and base pages. Times are those of an
# emulated processor: they are good for a comparison. Instructions are what they are.
# shellcheck source=tests/lab/lib.sh
. "$(dirname "$0")/lib.sh"
pages=16384
command='echo 32 >/proc/sys/vm/nr_hugepages; modprobe maps && modprobe dmaflow pattern=1 && pin /dev/dmaflow0 5'

column() { awk -v k="$1" '$1 == k { print $2 }' "$out/said"; }

for kernel in 6.1 6.12; do
	lab "$kernel" --kernel "$kernel" --memory 1G --build-module tests/lab/module/maps -- "$command"
	point $? "Linux $kernel: 64 MiB of each sort are pinned"
	[ "$(column pfn)" = refused ]
	point $? "Linux $kernel: a PFN map is refused"
	mapfile -t driver < <(column driver)
	mapfile -t huge < <(column huge)
	mapfile -t base < <(column base)
	mapfile -t anonymous < <(column anonymous)
	[ ${#driver[@]} -eq 5 ] && [ ${#huge[@]} -eq 5 ] && [ ${#base[@]} -eq 5 ] && [ ${#anonymous[@]} -eq 5 ]
	point $? "Linux $kernel: ns a page: driver ${driver[*]}; huge ${huge[*]}; base ${base[*]}; anonymous ${anonymous[*]}"
	if [ $kernel = 6.1 ]; then
		tools/result kernel.pin_ns_per_page.driver ns --peer anonymous "${driver[@]}" -- "${anonymous[@]}" &&
			tools/result kernel.pin_ns_per_page.huge ns --peer anonymous "${huge[@]}" -- "${anonymous[@]}"
		point $? "figures are recorded"
	fi
	lab "$kernel-insns" --kernel "$kernel" --memory 1G --meter --build-module tests/lab/module/maps -- "$command"
	point $? "Linux $kernel: and counted"
	mapfile -t insns < <(meter_rows "$out" | awk -v p=$pages '{ printf "%.1f\n", ($3 + $4) / p }')
	# Five lines each of driver, base, huge, anonymous; then the refusal.
	[ ${#insns[@]} -eq 21 ] && less "$(awk -v a="${insns[2]}" -v b="${insns[17]}" 'BEGIN { print a / b }')" 0.5
	point $? "Linux $kernel: instructions a page: driver ${insns[2]}, base ${insns[7]}, huge ${insns[12]}, anonymous ${insns[17]}"
done
plan
