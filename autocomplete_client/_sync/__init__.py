"""The client for threads, generated from that for asyncio."""
