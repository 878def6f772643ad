"""The networks that find and embed people: from a weight file, or from ONNX."""
