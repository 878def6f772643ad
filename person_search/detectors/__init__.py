"""Detectors of people, for annotating pictures: the project's own weight files, and ONNX files of others."""
