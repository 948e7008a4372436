"""The mobile space: 21 inverted residuals, some of them skipped."""

from seminas.spaces.mobilenet.space import MobileNet

__all__ = ["MobileNet"]
