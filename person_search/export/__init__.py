"""From a student's weight file to one ONNX file that finds and embeds people by itself."""
