"""What listens to a request's events: traces today, metrics and the ledger beside them."""
