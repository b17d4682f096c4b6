"""ONNX Runtime: Conv of one dimension, and of two with height 1; a channels-last tensor pays for both transposes. Input
and output are bound, so that nothing is copied."""
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import worker

NAME = "ONNX Runtime"


def version():
    return onnxruntime.__version__


def model(case, two):
    p = case.problem
    shape = lambda s: [s[0], s[1], 1, s[2]] if two and p.ncl else list(s)  # noqa: E731
    nodes, name = [], "x"
    tensors = [numpy_helper.from_array(case.by_channel[:, :, None, :] if two else case.by_channel, "w")]

    def add(operator, inputs, **attributes):
        nodes.append(helper.make_node(operator, inputs, [f"t{len(nodes)}"], **attributes))
        return nodes[-1].output[0]

    if not p.ncl:
        if two:
            tensors.append(numpy_helper.from_array(np.array([1], np.int64), "axis"))
            name = add("Unsqueeze", [name, "axis"])
        name = add("Transpose", [name], perm=[0, 3, 1, 2] if two else [0, 2, 1])
    inputs = [name, "w"]
    if p.bias:
        tensors.append(numpy_helper.from_array(case.b, "b"))
        inputs.append("b")
    pads = [0, p.PL, 0, p.PR] if two else [p.PL, p.PR]
    one = [1] if two else []
    name = add("Conv", inputs, group=p.C, strides=one + [p.S], dilations=one + [p.D], pads=pads,
               kernel_shape=one + [p.K])
    if p.silu:
        name = add("Mul", [name, add("Sigmoid", [name])])
    if not p.ncl:
        name = add("Transpose", [name], perm=[0, 2, 3, 1] if two else [0, 2, 1])
        if two:
            name = add("Squeeze", [name, "axis"])
    nodes[-1].output[0] = "y"
    graph = helper.make_graph(nodes, "dwconv", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape(p.x_shape))],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape(p.y_shape))], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def forms(case):
    p = case.problem

    def session(two):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = case.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0" if case.threads == 1 else "1")
        built = onnxruntime.InferenceSession(model(case, two), options, providers=["CPUExecutionProvider"])
        shape = lambda s: (s[0], s[1], 1, s[2]) if two and p.ncl else s  # noqa: E731
        x = onnxruntime.OrtValue.ortvalue_from_numpy(case.x.reshape(shape(p.x_shape)))
        y = onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape(p.y_shape), np.float32)
        binding = built.io_binding()
        binding.bind_ortvalue_input("x", x)
        binding.bind_ortvalue_output("y", y)
        def run():
            built.run_with_iobinding(binding)
            return Output(y, built, x)
        return run

    return [("Conv, 1-D", lambda: session(False)), ("Conv, 2-D", lambda: session(True))]


class Output:
    """y in ONNX Runtime's memory, which is read only where the result is compared."""

    def __init__(self, value, *alive):
        self.value, self.alive = value, alive

    def __array__(self, dtype=None, copy=None):
        return self.value.numpy()


if __name__ == "__main__":
    import sys
    worker.serve(sys.modules[__name__])
