"""What is kept of users in the SQLite file of the live state."""

HISTORY_SCHEMA = """
CREATE TABLE IF NOT EXISTS secret (one INTEGER PRIMARY KEY, value TEXT NOT NULL);
"""
