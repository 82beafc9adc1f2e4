"""How well typed text finds what was meant: a table of asks, put to this project and to other engines."""
