"""`gatekeeper demo` in a checkout: plays a club's whole story, asserts and tells each step."""

import argparse
import asyncio
import os
import traceback
from collections.abc import Sequence

from tests.demo.stage import Program, Stage
from tests.demo.story import Story


def main(argv: Sequence[str] | None = None) -> int:
    """Play the story; 0 when every step passed."""
    parser = argparse.ArgumentParser(prog="gatekeeper demo")
    parser.add_argument("--keep", action="store_true", help="leave it running afterwards")
    parser.add_argument("--platform", default="matrix", choices=["matrix"])
    return asyncio.run(play(parser.parse_args(argv)))


async def play(wanted: argparse.Namespace) -> int:
    """Play; with `keep`, leave everything running until Ctrl-C, and say how to look around."""
    program = Program()
    try:
        async with Stage(program) as stage:
            await Story(stage).play()
            if wanted.keep:
                await _keep(stage)
    except Exception:
        program.failed = program.failed or 1
        traceback.print_exc()
    return program.end()


async def _keep(stage: Stage) -> None:
    await stage.service.start()
    print(f"\nRunning. Homeserver {stage.synapse.url}, web {stage.service.base_url}/join")
    print(f"Data and logs: {stage.folder}")
    for name, person in sorted(stage.people.items()):
        print(f"  {person.id}  access token {person.token}  ({name})")
    print(f"Commands: cd {stage.service.folder} and run gatekeeper with:")
    for key, value in sorted(stage.service.environment.items()):
        if key.startswith("GATEKEEPER_"):
            print(f"  export {key}={value}")
    print("Ctrl-C ends it.", flush=True)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("ending", flush=True)


if __name__ == "__main__":
    os._exit(main())
