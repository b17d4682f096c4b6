"""XNNPACK of today through LiteRT: a Keras DepthwiseConv1D converted to a model for it. Channels last only."""
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf  # noqa: E402
from ai_edge_litert.interpreter import Interpreter  # noqa: E402

import worker  # noqa: E402

NAME = "LiteRT (XNNPACK)"


def version():
    import importlib.metadata
    return importlib.metadata.version("ai-edge-litert")


def forms(case):
    p = case.problem

    def converted(wide):
        if p.ncl:
            raise worker.Refused("channels last only")
        # depthwise_conv2d takes one stride for both axes, and only one of dilation and stride.
        w = case.w.reshape((1, p.K, p.C, p.M) if wide else (p.K, 1, p.C, p.M))
        pads = [[0, 0], [0, 0], [p.PL, p.PR], [0, 0]] if wide else [[0, 0], [p.PL, p.PR], [0, 0], [0, 0]]
        shape = (p.N, 1, p.L, p.C) if wide else (p.N, p.L, 1, p.C)

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32)])
        def function(x):
            if p.PL or p.PR:
                x = tf.pad(x, pads)
            y = tf.nn.depthwise_conv2d(x, w, [1, p.S, p.S, 1], "VALID",
                                       dilations=(1, p.D) if wide else (p.D, 1))
            if p.bias:
                y = tf.nn.bias_add(y, case.b)
            return tf.nn.silu(y) if p.silu else y

        model = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()]).convert()
        interpreter = Interpreter(model_content=model, num_threads=case.threads)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], case.x.reshape(shape))
        index = interpreter.get_output_details()[0]["index"]
        def run():
            interpreter.invoke()
            return Output(interpreter, index)
        run()
        return run

    return [("time as width", lambda: converted(True)), ("time as height", lambda: converted(False))]


class Output:
    """y in the interpreter's memory, which is read only where the result is compared."""

    def __init__(self, interpreter, index):
        self.interpreter, self.index = interpreter, index

    def __array__(self, dtype=None, copy=None):
        return self.interpreter.get_tensor(self.index)


if __name__ == "__main__":
    import sys
    worker.serve(sys.modules[__name__])
