"""Gatekeeper on Matrix: translates and performs; it decides nothing."""
