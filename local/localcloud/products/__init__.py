"""The products, one to a package; each lists its actions in `PRODUCT`."""
