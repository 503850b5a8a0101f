"""The whole system on one machine: for `make run`, and for tests that look at it from outside."""
