"""The evaluation report: measured here, drawn and written as one HTML page and one JSON file."""
