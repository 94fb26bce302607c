"""The laws of the ports: inherit a class, give it its fixtures, and your part is held to them."""

from gatekeeper.testing.engine_contract import EngineContract
from gatekeeper.testing.platform_contract import PlatformContract
from gatekeeper.testing.store_contract import StoreContract

__all__ = ["EngineContract", "PlatformContract", "StoreContract"]
