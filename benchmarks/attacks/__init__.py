"""A small office, what its people ask an agent for, and what an attacker wants of it. Driven by ../injection.py."""
