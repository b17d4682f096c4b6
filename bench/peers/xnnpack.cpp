// XNNPACK's depthwise convolution, which is channels last only: a 2-D one with the time as its width, or its height.
// It has no SiLU: sigmoid and product are operators of their own.
#include <pthreadpool.h>
#include <xnnpack.h>

#include <cmath>

#include "worker.hpp"

namespace peers {
namespace {

void check(xnn_status status, const char* what) {
    if (status != xnn_status_success) throw Refused(std::string(what) + ": status " + std::to_string(status));
}

using Operator = std::shared_ptr<xnn_operator>;
Operator owned(xnn_operator_t op) {
    return {op, [](xnn_operator_t o) { xnn_delete_operator(o); }};
}

Operator convolution(const Case& c, const std::vector<float>& kernel, bool wide) {
    const dwc_problem& p = c.problem;
    const auto pl = static_cast<uint32_t>(p.pad_left), pr = static_cast<uint32_t>(p.pad_right);
    const auto k = static_cast<uint32_t>(p.kernel_size), s = static_cast<uint32_t>(p.stride);
    const auto d = static_cast<uint32_t>(p.dilation);
    const auto channels = static_cast<size_t>(p.channels), outputs = static_cast<size_t>(c.channels_out());
    const float infinity = HUGE_VALF;
    xnn_operator_t op = nullptr;
    check(xnn_create_convolution2d_nhwc_f32(wide ? 0 : pl, wide ? pr : 0, wide ? 0 : pr, wide ? pl : 0, wide ? 1 : k,
                                            wide ? k : 1, wide ? 1 : s, wide ? s : 1, wide ? 1 : d, wide ? d : 1,
                                            static_cast<uint32_t>(channels), 1,
                                            static_cast<size_t>(p.depth_multiplier), channels, outputs, kernel.data(),
                                            c.b, -infinity, infinity, 0, &op),
          "xnn_create_convolution2d_nhwc_f32");
    return owned(op);
}

std::function<void(float*)> prepared(const Case& c, bool wide) {
    if (c.ncl()) throw Refused("channels last only");
    static const xnn_status initialized = xnn_initialize(nullptr);
    check(initialized, "xnn_initialize");
    const std::shared_ptr<pthreadpool> pool(
        c.threads > 1 ? pthreadpool_create(static_cast<size_t>(c.threads)) : nullptr, pthreadpool_destroy);
    const Operator conv = convolution(c, c.weights_by_channel(), wide);
    Operator sigmoid, product;
    std::shared_ptr<std::vector<float>> gate;
    const auto outputs = static_cast<size_t>(c.channels_out());
    if (c.silu()) {
        xnn_operator_t op = nullptr;
        check(xnn_create_sigmoid_nc_f32(outputs, outputs, outputs, 0, &op), "xnn_create_sigmoid_nc_f32");
        sigmoid = owned(op);
        check(xnn_create_multiply_nd_f32(-HUGE_VALF, HUGE_VALF, 0, &op), "xnn_create_multiply_nd_f32");
        product = owned(op);
        gate = std::make_shared<std::vector<float>>(static_cast<size_t>(c.y_elements()) + 64);
    }
    float* bound = nullptr;  // the output that the operators were set up for
    return [=, &c](float* y) mutable {
        const auto n = static_cast<size_t>(c.problem.batch), l = static_cast<size_t>(c.problem.length);
        const size_t elements = static_cast<size_t>(c.y_elements()), rows = elements / outputs;
        if (bound != y) {
            check(xnn_setup_convolution2d_nhwc_f32(conv.get(), n, wide ? 1 : l, wide ? l : 1, c.x, y, pool.get()),
                  "xnn_setup_convolution2d_nhwc_f32");
            if (sigmoid) {
                check(xnn_setup_sigmoid_nc_f32(sigmoid.get(), rows, y, gate->data(), pool.get()), "sigmoid");
                check(xnn_setup_multiply_nd_f32(product.get(), 1, &elements, 1, &elements, y, gate->data(), y,
                                                pool.get()),
                      "multiply");
            }
            bound = y;
        }
        check(xnn_run_operator(conv.get(), pool.get()), "xnn_run_operator");
        if (sigmoid) {
            check(xnn_run_operator(sigmoid.get(), pool.get()), "sigmoid");
            check(xnn_run_operator(product.get(), pool.get()), "multiply");
        }
    };
}

std::vector<Form> forms(const Case& c) {
    return {form("time as width", [&] { return prepared(c, true); }),
            form("time as height", [&] { return prepared(c, false); })};
}

}  // namespace

Peer peer() { return {"XNNPACK", DWC_XNNPACK_VERSION, forms}; }

}  // namespace peers
