"""OpenVINO: GroupConvolution on channels first; channels last pays for both transposes (which the compiler may move)."""
import numpy as np
import openvino
from openvino import opset13 as op

import worker

NAME = "OpenVINO"


def version():
    return openvino.__version__.split("-")[0]


def forms(case):
    p = case.problem

    def compiled():
        x = op.parameter(list(p.x_shape), np.float32)
        node = x if p.ncl else op.transpose(x, np.array([0, 2, 1]))
        filters = case.by_channel.reshape(p.C, p.M, 1, p.K)
        node = op.group_convolution(node, op.constant(filters), [p.S], [p.PL], [p.PR], [p.D])
        if p.bias:
            node = op.add(node, op.constant(case.b.reshape(1, -1, 1)))
        if p.silu:
            node = op.swish(node)
        if not p.ncl:
            node = op.transpose(node, np.array([0, 2, 1]))
        core = openvino.Core()
        request = core.compile_model(openvino.Model([node], [x]), "CPU", {
            "INFERENCE_NUM_THREADS": case.threads, "INFERENCE_PRECISION_HINT": "f32",
            "ENABLE_CPU_PINNING": False}).create_infer_request()
        request.set_input_tensor(openvino.Tensor(case.x, shared_memory=True))
        def run():
            request.infer()
            return Output(request)
        run()
        return run

    return [("GroupConvolution", compiled)]


class Output:
    """y in OpenVINO's memory, which is read only where the result is compared."""

    def __init__(self, request):
        self.request = request

    def __array__(self, dtype=None, copy=None):
        return self.request.get_output_tensor().data


if __name__ == "__main__":
    import sys
    worker.serve(sys.modules[__name__])
