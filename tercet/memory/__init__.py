"""What is kept: the stores, the database and the vector index beneath them."""
