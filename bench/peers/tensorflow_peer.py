"""TensorFlow through Keras: the DepthwiseConv1D layer called eagerly and inside tf.function. Channels first is not
computed by TensorFlow on a CPU: both transposes are paid for there."""
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import tensorflow as tf  # noqa: E402

import worker  # noqa: E402

NAME = "Keras (TensorFlow)"
THREADS = []


def version():
    return f"{keras.__version__} ({tf.__version__})"


def forms(case):
    p = case.problem
    if not THREADS:  # may be set once a process
        tf.config.threading.set_intra_op_parallelism_threads(case.threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        THREADS.append(case.threads)
    if p.S > 1 and p.D > 1:
        raise worker.Refused("strides with dilation")
    layer = keras.layers.DepthwiseConv1D(p.K, strides=p.S, dilation_rate=p.D, depth_multiplier=p.M, padding="valid",
                                         use_bias=p.bias, activation="silu" if p.silu else None)
    layer.build((p.N, p.L + p.PL + p.PR, p.C))
    layer.set_weights([case.w] + ([case.b] if p.bias else []))
    x = tf.constant(case.x)

    def call(x):
        if p.ncl:
            x = tf.transpose(x, [0, 2, 1])
        if p.PL or p.PR:
            x = tf.pad(x, [[0, 0], [p.PL, p.PR], [0, 0]])
        y = layer(x)
        return tf.transpose(y, [0, 2, 1]) if p.ncl else y

    def eager():
        call(x)
        return lambda: call(x)

    def graph():
        function = tf.function(call, reduce_retracing=True)
        function(x)
        return lambda: function(x)

    return [("eager", eager), ("tf.function", graph)]


if __name__ == "__main__":
    import sys
    worker.serve(sys.modules[__name__])
