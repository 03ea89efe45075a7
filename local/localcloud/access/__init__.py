"""Who may do what: principals, and RAM policies evaluated for them."""
