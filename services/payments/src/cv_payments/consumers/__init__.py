"""Entry points other than HTTP and the command line: NATS consumers and the scheduler."""
