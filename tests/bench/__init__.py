"""`make bench`: what Gatekeeper takes, beside named floors measured in the same run."""
