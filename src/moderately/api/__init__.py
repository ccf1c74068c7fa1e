"""The HTTP API over the use cases."""

from moderately.api.app import ApiOptions, create_app

__all__ = ["ApiOptions", "create_app"]
