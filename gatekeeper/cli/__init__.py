"""The `gatekeeper` command.

A command is a process of its own, so that what libraries do when they are brought in counts.
"""

import gc
import os

gc.set_threshold(200_000)  # bringing them in makes a great many things, and no garbage
# Else pydantic would look through every distribution that is installed for plugins of its own.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
