"""The parts of the suite: a module each, whose `measure` gives figures and curves; `__main__` lists them."""
