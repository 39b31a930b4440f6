"""People's accounts: who is declared, who was here before, and what is to be done about it."""
