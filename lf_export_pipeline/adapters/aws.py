"""AWS's own settings: credentials, profile, region and authorities; an empty variable is none."""

import os
from functools import cache

import boto3
import botocore.session
from botocore.loaders import Loader

from lf_export_pipeline.core.errors import ConfigurationError
from lf_export_pipeline.settings.values import is_pem_file


def aws_session() -> boto3.session.Session:
    """A session for which an empty variable counts as unset, and AWS_REGION is a region.

    Langfuse's compose file sets AWS_PROFILE to nothing, which botocore takes for the name of a
    profile; and AWS_REGION, which Amazon's own platforms set, is read by every AWS client except
    botocore.
    """
    session = _session()
    session.register_component("data_loader", _definitions())
    return boto3.session.Session(botocore_session=session)


def authorities_of_aws() -> str | None:
    """The PEM file that AWS's own settings name; None: the public authorities are trusted.

    botocore takes an empty variable for the path, or for leave not to verify certificates at all.

    Raises:
        ConfigurationError: It is none.
    """
    path = _session().get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    if path and not is_pem_file(path):
        raise ConfigurationError(
            "AWS_CA_BUNDLE (or REQUESTS_CA_BUNDLE, or ca_bundle of the AWS profile) is not the "
            "path of a PEM file with certificates; correct it, or unset it."
        )
    return path or None


@cache
def _definitions() -> Loader:
    """What botocore knows of AWS's services; to read it takes most of a second per client."""
    loader: Loader = _session().get_component("data_loader")
    return loader


def _session() -> botocore.session.Session:
    return botocore.session.Session(
        session_vars={
            "profile": (None, _set_ones("AWS_PROFILE", "AWS_DEFAULT_PROFILE"), None, None),
            "region": ("region", _set_ones("AWS_REGION", "AWS_DEFAULT_REGION"), None, None),
            "ca_bundle": ("ca_bundle", _set_ones("AWS_CA_BUNDLE"), None, None),
        }
    )


def _set_ones(*names: str) -> list[str]:
    return [name for name in names if os.environ.get(name)]
