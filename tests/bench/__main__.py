"""`python -m tests.bench [--only app,matrix]`: measure, show a table, write build/bench.json.

A benchmark is no test: a bar that is missed is shown, and ends nothing. The exit code is 0 once
everything could be measured, 1 when a group failed, 2 for an unknown group.
"""

import argparse
import asyncio
import gc
import sys
import time
import traceback

import gatekeeper.cli  # noqa: F401 - as in the service, garbage is looked for only now and then
from tests.bench import app, frame, intake, matrix, policy, slack, sweep

GROUPS = {
    "app": app.rows,
    "matrix": matrix.rows,
    "policy": policy.rows,
    "intake": intake.rows,
    "sweep": sweep.rows,
    "slack": slack.rows,
}


async def measure(names: list[str]) -> int:
    """Measure these groups, one after another: what runs beside a measurement is part of it."""
    rows: list[frame.Row] = []
    failed = 0
    for name in names:
        began = time.monotonic()
        print(f"{name}: measuring", flush=True)
        gc.collect()
        gc.freeze()  # as the service does once it has started; the floors profit too
        try:
            rows += await GROUPS[name](lambda text: print(f"  {text}", flush=True))
        except Exception:
            traceback.print_exc()
            failed = 1
            continue
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    if rows:
        print(f"\n{frame.table(rows)}\n\nwritten to {frame.write(rows)}", flush=True)
    return failed


def main() -> int:
    """Read the command line, then measure."""
    parser = argparse.ArgumentParser(prog="make bench ONLY=")
    parser.add_argument("--only", default="", help="groups with commas: " + ", ".join(GROUPS))
    only = [name.strip() for name in parser.parse_args().only.split(",") if name.strip()]
    unknown = [name for name in only if name not in GROUPS]
    if unknown:
        print(f"no such group: {', '.join(unknown)}; there are {', '.join(GROUPS)}")
        return 2
    return asyncio.run(measure(only or list(GROUPS)))


if __name__ == "__main__":
    sys.exit(main())
