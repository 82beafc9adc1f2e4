"""How fast and how economically the server answers: every figure beside an empty handler's in the same run."""
