"""Slack's own reference is no part that could be installed: without it, its test is left out."""

import os

collect_ignore = [] if "GATEKEEPER_SLACK_SPEC" in os.environ else ["test_slack_spec.py"]
