"""TensorRT engines: made from an ONNX file for a card, kept, and known again."""
