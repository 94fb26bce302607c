"""Fakes and the contract of every port, for our tests and for authors of other adapters."""
