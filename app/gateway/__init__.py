"""The HTTP front: bytes in, bytes out, one error shape. What is done in between is the pipeline's."""
