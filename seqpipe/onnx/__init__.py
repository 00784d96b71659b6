"""The nets as ONNX graphs: drawn from their weights, and run without torch."""
