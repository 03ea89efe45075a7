"""Listeners: their certificates, and the health of the servers behind them."""
