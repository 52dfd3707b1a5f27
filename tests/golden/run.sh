#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad input: what dmaflow says, its exit status, and that nothing was written. One file per case:
#   $ dmaflow ...        what is typed, in a folder with a file `data` and a folder `folder`
#   ? STATUS
#   the lines expected on standard error
# usage: run.sh [--write] [CASE...]; --write renews what is expected: read the difference.
set -u
here=$(cd "$(dirname "$0")" && pwd)
program=${DMAFLOW:?path of the program}
work=$(mktemp -d "${DMAF_BUILD:-/tmp}/golden.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
write=
[ "${1-}" = --write ] && write=1 && shift
[ $# -gt 0 ] || set -- "$here"/cases/*

mkdir "$work/bin" && ln -s "$program" "$work/bin/dmaflow" || exit 1
PATH=$work/bin:$PATH
export PATH

fresh() {
	rm -rf "$work/in" && mkdir "$work/in" "$work/in/folder" &&
		head -c 10000 /dev/zero >"$work/in/data"
}
state() { (cd "$work/in" && find . -type f -exec cksum {} + -o -print | LC_ALL=C sort); }

echo "1..$#"
n=0
for path; do
	n=$((n + 1))
	name=${path##*/}
	line=$(sed -n '1s/^\$ //p' "$path")
	fresh || exit 1
	before=$(state)
	(cd "$work/in" && timeout 20 sh -c "$line") </dev/null >"$work/out" 2>"$work/err"
	status=$?
	{
		printf '$ %s\n? %s\n' "$line" "$status"
		# What O_DIRECT asks for is the file system's; the sums are test_negotiate's.
		sed 's/a multiple of [0-9]*, which O_DIRECT on [a-z0-9]* needs/a multiple of N, which O_DIRECT on FS needs/
			/which O_DIRECT/s/the next \(are\|is\) [0-9].*$/the next .../' "$work/err"
	} >"$work/got"
	[ "$write" ] && cp "$work/got" "$path"
	if ! diff "$path" "$work/got" >"$work/diff"; then
		echo "not ok $n - $name"
		sed 's/^/# /' "$work/diff"
	elif [ "$before" != "$(state)" ]; then
		echo "not ok $n - $name"
		echo "# it left something behind:"
		state | sed 's/^/# /'
	elif [ -s "$work/out" ]; then
		echo "not ok $n - $name"
		echo "# it wrote to standard output"
	else
		echo "ok $n - $name"
	fi
done
