# SPDX-License-Identifier: MIT
"""run-tests counts what was printed, setup names what is missing, result and figures agree. Prints TAP."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(os.environ["DMAF_SOURCE"])
TOOLS = ROOT / "tools"
number = failures = 0


def ok(condition, name, detail=""):
    global number, failures
    number += 1
    failures += not condition
    print(f"{'ok' if condition else 'not ok'} {number} - {name}")
    if not condition:
        print(f"# {detail}")


def load(path):
    loader = importlib.machinery.SourceFileLoader(path.name.replace("-", "_"), str(path))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def run(*argv, **env):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, env={**os.environ, **env})
    return done.returncode, done.stdout, done.stderr


def tap():
    read = load(TOOLS / "run-tests").read_tap
    for text, died, want, name in [
            ("1..2\nok 1 - a\nok 2 - b\n", False, (2, 0, 0), "points are counted"),
            ("1..2\nok 1 - a\nnot ok 2 - b\n", True, (1, 1, 0), "a failed point is one failure"),
            ("1..3\nok 1 - a\n", True, (1, 2, 0), "a program that dies early fails the rest"),
            ("1..1\nok 1 - a\n", True, (1, 1, 0), "a sanitizer's exit status is a failure"),
            ("1..2\nok 1 - a\nok 2 # SKIP no x\n", False, (1, 0, 1), "a skip is not a pass"),
            ("1..2\nok 1 - a\nnot ok 2 # SKIP b\n", False, (1, 0, 1), "cmocka's skip is a skip"),
            ("1..0 # SKIP no x\n", False, (0, 0, 1), "a skipped program is one skip"),
            ("ok 1 - a\nok 2 - b\n1..2\n", False, (2, 0, 0), "the plan may come last")]:
        got = read(text, died)
        ok(got is not None and got[:3] == want, f"run-tests: {name}", f"{got} != {want}")
    ok(read("hello\n", False) is None, "run-tests: what isn't TAP is not read as TAP")


def setup(scratch):
    code, out, err = run(TOOLS / "setup", "nonsense")
    ok(code == 2 and "core" in err, "setup: an unknown group lists the groups", err)
    code, out, err = run(TOOLS / "setup", "core")
    ok(code == 0 and not out + err, "setup: nothing missing, nothing said", out + err)

    tools = scratch / "bin"  # a system without dpkg
    tools.mkdir()
    for name in ["sh", "sort", "id", "cat", "ninja"]:
        found = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True,
                               check=True).stdout.strip()
        (tools / name).symlink_to(found)
    code, out, err = run(TOOLS / "setup", "core", PATH=str(tools))
    ok(code == 1 and "meson" in err and "ninja" not in err and "not Debian" in err,
       "setup: not Debian: names what is missing and no more", out + err)

    fake = scratch / "dpkg"  # Debian where one package is missing, and not root
    fake.mkdir()
    for name, text in {"id": "echo 1000", "apt-get": "echo called >&2; exit 9",
                       "dpkg-query": 'for p; do [ "$p" = liburing-dev ] || '
                                     'echo "$p installed"; done'}.items():
        (fake / name).write_text(f"#!/bin/sh\n{text}\n")
        (fake / name).chmod(0o755)
    code, out, err = run(TOOLS / "setup", "core", PATH=f"{fake}:{os.environ['PATH']}")
    ok(code == 1 and "apt-get install -y --no-install-recommends liburing-dev\n" in out
       and "called" not in err and "sudo" not in out,
       "setup: not root: prints the one line and runs nothing", out + err)
    (fake / "id").write_text("#!/bin/sh\necho 0\n")
    code, out, err = run(TOOLS / "setup", "core", PATH=f"{fake}:{os.environ['PATH']}")
    ok(code == 1 and "could not install: liburing-dev" in err,
       "setup: a failing apt-get is said", out + err)


def figures(scratch):
    results = str(scratch / "results")
    code, out, err = run(TOOLS / "figures", DMAF_RESULTS=results)
    ok(code == 1 and "none in" in err, "figures: none measured is said", out + err)
    run(TOOLS / "result", "a.b", "ns", 3, 1, 2, "--peer", "iperf3", "--", 8, 4, 1,
        DMAF_RESULTS=results)
    line = json.loads((pathlib.Path(results) / "a.b.json").read_text())
    ok(line == {"figure": "a.b", "value": 2, "unit": "ns", "peer": "iperf3", "ratio": 0.5, "n": 3},
       "result: medians and their ratio", line)
    ok((pathlib.Path(results) / "a.b.samples").read_text()
       == "3\n1\n2\niperf3\t8\niperf3\t4\niperf3\t1\n", "result: raw samples beside it")
    code, out, err = run(TOOLS / "figures", DMAF_RESULTS=results)
    ok(code == 0 and out.splitlines()[1].split() == ["a.b", "2", "ns", "iperf3", "0.5", "3"],
       "figures: a row for it", out + err)
    (pathlib.Path(results) / "bad.json").write_text('{"figure": "x"}\n')
    code, out, err = run(TOOLS / "figures", DMAF_RESULTS=results)
    ok(code == 1 and "bad.json:1: no value" in err, "figures: a broken line is named", out + err)


def main():
    with tempfile.TemporaryDirectory() as scratch:
        tap()
        setup(pathlib.Path(scratch))
        figures(pathlib.Path(scratch))
    print(f"1..{number}")
    return 1 if failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
