#!/bin/sh
# SPDX-License-Identifier: MIT
# Bad input: the message on stderr is the reviewed one in tests/golden/messages, nothing comes on
# stdout, the status is 2, and no file is made or changed. `golden.sh --rewrite` writes the file anew,
# for review. $DMAFLOW: the program; $DMAF_SOURCE: the tree.
set -u
golden=${DMAF_SOURCE:?}/tests/golden/messages
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/in" "$tmp/in/dir"
cd "$tmp/in" || exit 1
echo content >f
echo secret >unreadable
chmod 0 unreadable
chmod 777 . dir

# What the file system asks of O_DIRECT differs from machine to machine. Root reads everything, so
# somebody else asks.
try() {
	# shellcheck disable=SC2086 # the words of a command
	if [ "$(id -u)" -eq 0 ]; then
		timeout 10 setpriv --reuid=65534 --regid=65534 --clear-groups "$tmp/dmaflow" $1
	else
		timeout 10 "$tmp/dmaflow" $1
	fi </dev/null >"$tmp/out" 2>"$tmp/err"
	status=$?
	sed -e 's/multiple of [0-9]*, which O_DIRECT on [a-z0-9]*/multiple of N, which O_DIRECT on FS/' \
		-e 's/the next are [0-9]* and [0-9]*$/the next are A and B/' -e 's/the next is [0-9]*$/the next are A and B/' \
		"$tmp/err"
}

cp "$DMAFLOW" "$tmp/dmaflow" && chmod 755 "$tmp/dmaflow" "$tmp"
grep '^\$ ' "$golden" | sed 's/^\$ //' >"$tmp/cases"
before=$(find . -type f ! -name unreadable -exec cksum {} + | sort)
n=0
: >"$tmp/new"
while IFS= read -r words; do
	n=$((n + 1))
	said=$(try "$words")
	printf '$ %s\n%s\n' "$words" "$said" >>"$tmp/new"
	try "$words" >/dev/null
	want=$(awk -v c="\$ $words" '$0 == c { on = 1; next } /^\$ / { on = 0 } on' "$golden")
	if [ "$status" -eq 2 ] && [ ! -s "$tmp/out" ] && [ "$said" = "$want" ]; then
		echo "ok $n - $words"
	else
		echo "not ok $n - $words"
		printf 'status %s (2)\n%s\ninstead of\n%s\n' "$status" "$said" "$want" | sed 's/^/# /'
	fi
done <"$tmp/cases"
n=$((n + 1))
if [ "$before" = "$(find . -type f ! -name unreadable -exec cksum {} + | sort)" ]; then
	echo "ok $n - no file was made or changed"
else
	echo "not ok $n - no file was made or changed"
fi
echo "1..$n"
if [ "${1-}" = --rewrite ]; then
	cp "$tmp/new" "$golden"
fi
