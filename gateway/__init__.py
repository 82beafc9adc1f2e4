"""The HTTP gateway: a client of the gRPC server that speaks JSON, and the page to try it."""
