"""BssOpenApi: what the account has bought."""
