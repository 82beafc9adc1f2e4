"""A real S3 API on the loopback interface: moto's server, and a bucket of one's own in it."""

from __future__ import annotations

import uuid

import fsspec
from moto.server import ThreadedMotoServer


class S3Server:
    """Moto's server in a thread.

    Attributes:
        environment: what s3fs has to find to reach it.
    """

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        self._port = self._server.get_host_and_port()[1]
        self.environment = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": f"http://127.0.0.1:{self._port}",
        }

    def bucket(self) -> str:
        """The URL of a prefix in a new bucket; wants `environment` to be set."""
        name = f"bucket-{uuid.uuid4().hex}"
        fsspec.get_filesystem_class("s3").clear_instance_cache()  # one of another test knows another environment
        fsspec.filesystem("s3").mkdir(name)
        return f"s3://{name}/models"

    def stop(self) -> None:
        """Ends it."""
        self._server.stop()
