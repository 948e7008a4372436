"""The mobile space: networks of up to 21 inverted residual blocks."""

from seminas.spaces.mobilenet.space import MobileNet

__all__ = ["MobileNet"]
