"""Access: principals, and RAM policies evaluated for them."""
