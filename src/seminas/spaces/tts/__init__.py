"""The speech space: Transformer-like text-to-speech networks of 12 searched layers."""

from seminas.spaces.tts.space import TTS

__all__ = ["TTS"]
