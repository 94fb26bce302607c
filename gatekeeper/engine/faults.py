"""What can go wrong with the engine itself."""

from gatekeeper.domain.errors import StorageError


class EngineLocked(StorageError):
    """Another process works on the engine's file; `path` says which."""

    code = "engine-locked"


class EngineFault(StorageError):
    """The engine cannot be used like this: `detail` says why."""

    code = "engine-fault"
