"""Tools: typed functions that a model may ask for, and what is known about each before it runs."""
