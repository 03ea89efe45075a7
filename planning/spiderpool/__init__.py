"""Spiderpool: chart values, pools and the rules that its webhook checks."""
