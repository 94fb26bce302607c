"""Fakes that keep the laws of their ports, in memory and without waiting."""

from gatekeeper.testing.clock import ManualClock
from gatekeeper.testing.fakes_engine import EngineMemory, FakeEngine
from gatekeeper.testing.fakes_platform import FakePlatform
from gatekeeper.testing.fakes_store import FakeStore

__all__ = ["EngineMemory", "FakeEngine", "FakePlatform", "FakeStore", "ManualClock"]
