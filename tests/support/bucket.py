"""S3 on this machine (moto), that can be told to answer 500 or slowly."""

from __future__ import annotations

import hashlib
import threading
import time
from contextlib import contextmanager

import boto3
from s3fs import S3FileSystem


class Buckets:
    """`faults` maps the number of a request (from now on) to 500, 503 or "slow"; `always` goes for all.
    `puts` are the keys put.
    """

    def __init__(self, application):
        self.application, self.faults, self.always, self.puts, self.number = application, {}, None, [], 0
        self.address, self._lock, self._own = "", threading.Lock(), threading.local()

    def __call__(self, environ, start):
        with self._lock:
            mine = environ.get("HTTP_X_MINE") == "1"
            self.number += not mine
            fault = None if mine else self.faults.pop(self.number, self.always)
            if environ["REQUEST_METHOD"] == "PUT" and fault is None:
                self.puts.append(environ["PATH_INFO"])
        if fault == "slow":
            time.sleep(1.0)
        elif fault:
            start(f"{fault} Internal Error", [("Content-Type", "application/xml")])
            return [
                b"<Error><Code>InternalError</Code><Message>We encountered an internal error. Please "
                b"try again.</Message></Error>"
            ]
        return self.application(environ, start)

    @property
    def client(self):
        client = boto3.client(
            "s3", endpoint_url=self.address, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
        )
        client.meta.events.register("before-send.s3", lambda request, **_: request.headers.__setitem__("X-Mine", "1"))
        return client

    def point_to(self, monkeypatch):
        """Have every S3 client of this process and its children speak to this server."""
        for name, value in {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)

    def make(self, name):
        self.client.create_bucket(Bucket=name)

    def remove(self, name, key):
        self.client.delete_object(Bucket=name, Key=key)

    def contents(self, name, prefix):
        """Hash of every object below a prefix, by its key without the prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix=prefix)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        client = self.client
        return {
            key[len(prefix) :]: hashlib.blake2b(client.get_object(Bucket=name, Key=key)["Body"].read()).hexdigest()
            for key in keys
        }


@contextmanager
def serving_buckets():
    """A server that listens on 127.0.0.1 only, with no buckets."""
    from moto.backends import get_backend
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Silent(WSGIRequestHandler):
        def log(self, *_):
            pass

    buckets = Buckets(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, buckets, threaded=True, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    buckets.address = f"http://127.0.0.1:{server.server_port}"
    S3FileSystem.clear_instance_cache()  # a client of another server, under the same name, is none of ours
    try:
        yield buckets
    finally:
        S3FileSystem.clear_instance_cache()
        server.shutdown()
        for backend in get_backend("s3").values():
            for one in backend.values():
                one.reset()
