"""Working memory: typed JSON documents of the task at hand, with versions, owners and constraints."""
