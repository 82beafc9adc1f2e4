"""Where suggested queries come from: a file for each source, all of one protocol, see `suggest.sources.source`."""
