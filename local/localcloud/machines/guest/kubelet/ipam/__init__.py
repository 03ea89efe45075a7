"""Pod addresses from Spiderpool's pools."""
