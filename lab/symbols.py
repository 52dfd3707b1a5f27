# SPDX-License-Identifier: MIT
"""Where the instructions of a measured stretch went, by function: the meter's addresses with names."""

import bisect
import collections
import gzip

ROWS = 60


def _names(folder):
    with gzip.open(folder / "out/kallsyms.gz", "rt") as packed:
        rows = [line.split() for line in packed]
    table = sorted((int(r[0], 16), r[2] + (" " + r[3] if len(r) > 3 else "")) for r in rows)
    return [t[0] for t in table], [t[1] for t in table]


def write(folder):
    """profile.txt from the meter's profile; nothing if the guest measured nothing."""
    raw = folder / "profile"
    if not raw.exists():
        return
    starts, names = _names(folder)
    insns, touched = collections.Counter(), collections.Counter()
    for line in raw.read_text().splitlines():
        address, kernel, count, payload = line.split()
        name = "(user space)"
        if kernel == "1":
            at = bisect.bisect_right(starts, int(address, 16)) - 1
            name = names[at] if at >= 0 else address
        insns[name] += int(count)
        touched[name] += int(payload)
    whole = sum(insns.values()) or 1
    with open(folder / "profile.txt", "w", encoding="utf-8") as out:
        print(f"{'instructions':>14} {'share':>7} {'payload bytes':>14}  function", file=out)
        for name, count in insns.most_common(ROWS):
            print(f"{count:14} {100 * count / whole:6.2f}% {touched[name]:14}  {name}", file=out)
        for name, count in touched.most_common():
            if count and insns[name] < insns.most_common(ROWS)[-1][1]:
                print(f"{insns[name]:14} {100 * insns[name] / whole:6.2f}% {count:14}  {name}", file=out)
