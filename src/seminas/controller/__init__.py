"""The SemiNAS controller: encoder, predictor and decoder (Luo et al., NeurIPS 2020)."""

from seminas.controller.fit import Controller, ControllerSettings, fit_controller

__all__ = ["Controller", "ControllerSettings", "fit_controller"]
