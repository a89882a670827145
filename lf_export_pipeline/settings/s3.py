"""The bucket's settings, with Langfuse's names."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_core import PydanticCustomError

from lf_export_pipeline.settings.values import PublicUrl, authorities, credential

_ONLY_S3 = "`true` is refused: only S3 is supported."


class S3Settings(BaseModel):
    """The bucket of the finished files: AWS S3 or a service that speaks its protocol."""

    langfuse_s3_batch_export_enabled: bool = Field(
        default=False, description="Exports fail with a sentence unless this is `true`."
    )
    langfuse_s3_batch_export_bucket: str | None = Field(
        default=None, description="Name of the bucket. Exports fail with a sentence without one."
    )
    langfuse_s3_batch_export_prefix: str = Field(
        default="", description="Put in front of each object's key as it is."
    )
    langfuse_s3_batch_export_region: str | None = Field(default=None, description="AWS region.")
    langfuse_s3_batch_export_endpoint: PublicUrl | None = Field(
        default=None, repr=False, description="Address of a service other than AWS."
    )
    langfuse_s3_batch_export_external_endpoint: PublicUrl | None = Field(
        default=None,
        repr=False,
        description="Address at which browsers reach the same service; links are made for it.",
    )
    langfuse_s3_batch_export_access_key_id: Annotated[str, credential()] | None = Field(
        default=None, repr=False, description="Default: AWS's own credential chain."
    )
    langfuse_s3_batch_export_secret_access_key: Annotated[SecretStr, credential()] | None = Field(
        default=None, description="Belongs to the access key id."
    )
    lf_export_s3_ca_file: Annotated[str, authorities()] | None = Field(
        default=None,
        description="PEM file of the CAs that may sign the certificate of an `https://` "
        "endpoint. Default: `AWS_CA_BUNDLE`, or the public CAs. `lf-export doctor` opens a "
        "download link with these, the public ones and the system's.",
    )
    langfuse_s3_batch_export_force_path_style: bool = Field(
        default=False, description="Bucket in the path instead of the host name (MinIO, SeaweedFS)."
    )
    langfuse_s3_batch_export_sse: Literal["AES256", "aws:kms"] | None = Field(
        default=None,
        description="Server-side encryption of the object, and of a spool that is a bucket.",
    )
    langfuse_s3_batch_export_sse_kms_key_id: str | None = Field(
        default=None, description="Key for `aws:kms`."
    )
    batch_export_s3_part_size_mib: int = Field(
        default=10,
        ge=5,
        le=100,
        description="Size of a part of an upload, in MiB; grows with the file.",
    )
    langfuse_s3_upload_max_part_attempts: int = Field(
        default=3, ge=1, le=10, description="Attempts of each request to the bucket."
    )
    langfuse_s3_upload_max_concurrent_parts: int = Field(
        default=3, ge=1, le=10, description="Parts of one upload that are sent at the same time."
    )

    langfuse_use_azure_blob: bool = Field(default=False, description=_ONLY_S3)
    langfuse_use_google_cloud_storage: bool = Field(default=False, description=_ONLY_S3)
    langfuse_use_oci_native_object_storage: bool = Field(default=False, description=_ONLY_S3)

    @model_validator(mode="after")
    def _stores_with_other_protocols_are_refused(self) -> Self:
        for name in ("azure_blob", "google_cloud_storage", "oci_native_object_storage"):
            if getattr(self, f"langfuse_use_{name}"):
                raise PydanticCustomError(
                    "sentence",
                    "LANGFUSE_USE_{name} is true, but exports go to S3 or a service with its "
                    "protocol; unset it and name such a bucket in LANGFUSE_S3_BATCH_EXPORT_BUCKET.",
                    {"name": name.upper()},
                )
        return self

    @model_validator(mode="after")
    def _keys_come_in_pairs(self) -> Self:
        access, secret = (
            self.langfuse_s3_batch_export_access_key_id,
            self.langfuse_s3_batch_export_secret_access_key,
        )
        if (access is None) != (secret is None):
            raise PydanticCustomError(
                "sentence",
                "LANGFUSE_S3_BATCH_EXPORT_ACCESS_KEY_ID and "
                "LANGFUSE_S3_BATCH_EXPORT_SECRET_ACCESS_KEY belong together; set both or neither.",
            )
        return self
