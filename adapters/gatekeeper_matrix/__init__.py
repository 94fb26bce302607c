"""Gatekeeper on Matrix: translates and performs; it decides nothing."""

from gatekeeper_matrix.platform import MatrixPlatform

platform = MatrixPlatform

__all__ = ["MatrixPlatform", "platform"]
