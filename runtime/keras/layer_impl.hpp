// What a DepthwiseConv1D holds.
#pragma once

#include <atomic>
#include <mutex>

#include "arguments.hpp"
#include "dwconv/keras/layer.hpp"
#include "layer_shapes.hpp"
#include "plan_cache.hpp"

namespace dwconv::keras {
namespace detail {

// Throws value_error where the tensor does not hold as many values as its shape says.
void check_size(const char* what, const Tensor& tensor);

}  // namespace detail

struct DepthwiseConv1D::Impl {
    explicit Impl(detail::CheckedArguments given);

    bool built() const { return channels.load(std::memory_order_acquire) > 0; }
    Shape output_shape(const Shape& input) const;
    dwconv::problem problem(const Shape& input) const;

    // Shapes of kernel and bias for so many channels; value_error where they would not fit any memory.
    Shape kernel_shape(std::int64_t of_channels) const;
    Shape bias_shape(std::int64_t of_channels) const;
    void check_weights(const Tensor& new_kernel, const std::optional<Tensor>& new_bias) const;
    // Takes weights of checked shapes, rounded to the type that the layer keeps them in.
    void store(Tensor new_kernel, std::optional<Tensor> new_bias, Shape input);
    void require_built(const char* what) const;

    // `input`: of x; `chunk`: x is a chunk of a longer sequence.
    std::shared_ptr<const detail::PreparedCall> prepare(const Shape& input, bool chunk, const options& how,
                                                        std::shared_ptr<const detail::PreparedCall> found);
    // The input shape of a chunk together with the steps before it. value_error for padding that looks ahead.
    Shape with_past(const Shape& chunk) const;
    // The shape of the state of a chunk of this shape.
    Shape state_shape(const Shape& chunk) const;
    std::shared_ptr<const dwconv::weights> pack(const dwconv::plan& plan) const;
    // What the kernels have not done: other activations, narrow types, the activity's penalty.
    void finish(Tensor* y, std::int64_t batch);

    detail::CheckedArguments arguments;  // all of them set
    LayerConfig config;                  // the same for the user
    detail::ShapeRule rule;
    std::string variable_dtype, compute_dtype;
    bool narrow;  // x, weights and y are rounded to compute_dtype
    bool needs_finish;

    std::mutex building;
    std::atomic<std::int64_t> channels{0};  // 0: not built. Set after the three below, which are then there to be read.
    Shape built_shape;
    Tensor kernel;
    std::optional<Tensor> bias;

    detail::PlanCache calls;
    std::atomic<bool> called{false};
    std::atomic<float> activity_loss{0};
};

}  // namespace dwconv::keras
