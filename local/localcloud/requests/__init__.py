"""What every product's requests have in common, from the socket to the action and back."""
