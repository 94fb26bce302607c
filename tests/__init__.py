"""Mirrors gatekeeper/ file for file; support/ holds what tests stand on."""
