"""Where the live state is kept: SQLite and Redis, behind one set of protocols."""
