"""Gatekeeper on Slack: translates and performs; it decides nothing."""
