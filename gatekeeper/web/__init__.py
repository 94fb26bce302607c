"""The join form, the standing page, personal links, health and metrics, over HTTP."""
