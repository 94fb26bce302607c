"""The ports: what the core calls (Platform, Store, Vault, Engine, Clock) and what calls it.

Laws that every implementation keeps stand in `gatekeeper.testing.contract`.
"""

from gatekeeper.ports.clock import Clock
from gatekeeper.ports.desk import FrontDesk
from gatekeeper.ports.engine import Engine, Fate, Job
from gatekeeper.ports.platform import (
    ByHand,
    Called,
    Carrier,
    Check,
    Guest,
    Health,
    Paced,
    Platform,
    Profile,
    Standing,
    Survey,
)
from gatekeeper.ports.store import PAGE, Insider, Store, Tx, Vault

__all__ = [
    "PAGE",
    "ByHand",
    "Called",
    "Carrier",
    "Check",
    "Clock",
    "Engine",
    "Fate",
    "FrontDesk",
    "Guest",
    "Health",
    "Insider",
    "Job",
    "Paced",
    "Platform",
    "Profile",
    "Standing",
    "Store",
    "Survey",
    "Tx",
    "Vault",
]
