"""Gatekeeper on Slack: translates and performs; it decides nothing."""

from gatekeeper_slack.platform import SlackPlatform

platform = SlackPlatform

__all__ = ["SlackPlatform", "platform"]
