"""AWS's own settings: credentials, profile and region, read as Langfuse's client reads them."""

import os
from functools import cache

import boto3
import botocore.session
from botocore.loaders import Loader


def aws_session() -> boto3.session.Session:
    """A session for which an empty variable counts as unset, and AWS_REGION is a region.

    Langfuse's compose file sets AWS_PROFILE to nothing, which botocore takes for the name of a
    profile; and AWS_REGION, which Amazon's own platforms set, is read by every AWS client except
    botocore.
    """
    session = _session()
    session.register_component("data_loader", _definitions())
    return boto3.session.Session(botocore_session=session)


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
        }
    )


def _set_ones(*names: str) -> list[str]:
    return [name for name in names if os.environ.get(name)]
