#include "problem.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "activation.hpp"
#include "error.hpp"

namespace dwc {
namespace {

__extension__ typedef __int128 Wide;  // products of two int64_t and sums of those products
constexpr Wide kMax = std::numeric_limits<int64_t>::max();

// An enum field as the number the caller stored, whatever it is.
template <class Enum>
int raw(const Enum& field) {
    static_assert(sizeof(Enum) == sizeof(int));
    int value;
    std::memcpy(&value, &field, sizeof value);
    return value;
}

// Printable form of a value that may not fit a printf conversion.
long long ll(int64_t value) { return static_cast<long long>(value); }

dwc_status check_struct(const dwc_problem* given, dwc_error* error) {
    if (given == nullptr) return fail(error, DWC_ERROR_NULL_POINTER, "problem is NULL");
    if (given->struct_size != sizeof(dwc_problem)) {
        return fail(error, DWC_ERROR_STRUCT_SIZE,
                    "struct_size=%zu: dwc_problem has %zu bytes in this version; call dwc_problem_init first",
                    given->struct_size, sizeof(dwc_problem));
    }
    return DWC_OK;
}

dwc_status check_dtype(const char* field, const dwc_dtype& dtype, dwc_error* error) {
    const int value = raw(dtype);
    if (value == DWC_F32 || value == DWC_BF16) return DWC_OK;
    return fail(error, DWC_ERROR_DTYPE, "%s=%d: must be DWC_F32 (0) or DWC_BF16 (1)", field, value);
}

dwc_status check_at_least(const char* field, int64_t value, int64_t least, dwc_status status, dwc_error* error) {
    if (value >= least) return DWC_OK;
    return fail(error, status, "%s=%lld: must be at least %lld", field, ll(value), ll(least));
}

#define DWC_TRY(expression) \
    if (const dwc_status status_ = (expression); status_ != DWC_OK) return status_

// Every field that can be judged alone, but for the activation.
dwc_status check_fields(const dwc_problem& p, dwc_error* error) {
    DWC_TRY(check_dtype("x_dtype", p.x_dtype, error));
    DWC_TRY(check_dtype("w_dtype", p.w_dtype, error));
    DWC_TRY(check_dtype("y_dtype", p.y_dtype, error));
    if (const int layout = raw(p.layout); layout != DWC_NLC && layout != DWC_NCL) {
        return fail(error, DWC_ERROR_LAYOUT, "layout=%d: must be DWC_NLC (0) or DWC_NCL (1)", layout);
    }
    DWC_TRY(check_at_least("batch", p.batch, 0, DWC_ERROR_BATCH, error));
    DWC_TRY(check_at_least("length", p.length, 0, DWC_ERROR_LENGTH, error));
    DWC_TRY(check_at_least("channels", p.channels, 0, DWC_ERROR_CHANNELS, error));
    DWC_TRY(check_at_least("kernel_size", p.kernel_size, 1, DWC_ERROR_KERNEL_SIZE, error));
    DWC_TRY(check_at_least("depth_multiplier", p.depth_multiplier, 1, DWC_ERROR_DEPTH_MULTIPLIER, error));
    DWC_TRY(check_at_least("stride", p.stride, 1, DWC_ERROR_STRIDE, error));
    DWC_TRY(check_at_least("dilation", p.dilation, 1, DWC_ERROR_DILATION, error));
    DWC_TRY(check_at_least("pad_left", p.pad_left, 0, DWC_ERROR_PADDING, error));
    DWC_TRY(check_at_least("pad_right", p.pad_right, 0, DWC_ERROR_PADDING, error));
    return DWC_OK;
}

// The activation's own table knows names, counts, defaults and ranges of parameters; here NaN becomes the default.
dwc_status resolve_activation(dwc_problem& p, dwc_error* error) {
    const int activation = raw(p.activation);
    if (activation < 0 || activation >= DWC_ACTIVATION_COUNT) {
        return fail(error, DWC_ERROR_ACTIVATION, "activation=%d: must be a dwc_activation, 0 to %d", activation,
                    DWC_ACTIVATION_COUNT - 1);
    }
    float defaults[DWC_MAX_ACTIVATION_PARAMS] = {};
    const int count = dwc_activation_params(p.activation, defaults);
    for (int i = 0; i < DWC_MAX_ACTIVATION_PARAMS; ++i) {
        float& value = p.activation_params[i];
        if (i >= count)
            value = 0.0f;
        else if (std::isnan(value))
            value = defaults[i];
    }
    return activation_check(p.activation, p.activation_params, error);
}

// a * b * c * d, or a failure that names what does not fit.
dwc_status product(const char* what, std::array<int64_t, 4> factors, int64_t* result, dwc_error* error) {
    Wide value = 1;
    for (const int64_t factor : factors) {
        if (factor == 0) {
            *result = 0;
            return DWC_OK;
        }
    }
    for (const int64_t factor : factors) {
        value *= factor;  // both below 2^63
        if (value > kMax) {
            return fail(error, DWC_ERROR_OVERFLOW, "%s = %lld * %lld * %lld * %lld: must be less than 2^63", what,
                        ll(factors[0]), ll(factors[1]), ll(factors[2]), ll(factors[3]));
        }
    }
    *result = static_cast<int64_t>(value);
    return DWC_OK;
}

// One tensor while it is being checked: (batch, time, channels) of elements of `size` bytes.
struct Tensor {
    const char* field;     // "x_strides"
    const char* what;      // "bytes of x"
    const int64_t* given;  // strides as given
    int64_t extent[3];     // n, t, c
    int64_t size;
    bool may_overlap;
};

dwc_status dense_strides(const Tensor& tensor, dwc_layout layout, Strides* dense, dwc_error* error) {
    const int64_t t = tensor.extent[1], c = tensor.extent[2];
    int64_t row = 0;  // elements of one batch entry
    DWC_TRY(product(tensor.what, {t, c, tensor.size, 1}, &row, error));
    row /= tensor.size;
    *dense = layout == DWC_NLC ? Strides{row, c, 1} : Strides{row, 1, t};
    return DWC_OK;
}

dwc_status check_given_strides(const Tensor& tensor, dwc_layout layout, dwc_error* error) {
    static constexpr const char* kAxes[3] = {"batch", "time", "channel"};
    for (int axis = 0; axis < 3; ++axis) {
        if (tensor.given[axis] < 0) {
            return fail(error, DWC_ERROR_STRIDES, "%s[%d]=%lld: the %s stride must not be negative", tensor.field, axis,
                        ll(tensor.given[axis]), kAxes[axis]);
        }
    }
    const int inner = layout == DWC_NLC ? 2 : 1;
    if (tensor.given[inner] != 1) {
        return fail(error, DWC_ERROR_STRIDES, "%s[%d]=%lld: the %s stride must be 1 in layout %s", tensor.field, inner,
                    ll(tensor.given[inner]), kAxes[inner], layout == DWC_NLC ? "nlc" : "ncl");
    }
    return DWC_OK;
}

// Elements are apart when, from the smallest stride up, each stride steps over everything the smaller ones reach.
dwc_status check_apart(const Tensor& tensor, const Strides& strides, dwc_error* error) {
    std::array<std::pair<int64_t, int64_t>, 3> axes = {
        {{strides.n, tensor.extent[0]}, {strides.t, tensor.extent[1]}, {strides.c, tensor.extent[2]}}};
    std::sort(axes.begin(), axes.end());
    Wide reach = 1;
    for (const auto& [stride, extent] : axes) {
        if (extent <= 1) continue;
        if (stride < reach) {
            return fail(error, DWC_ERROR_STRIDES, "%s=%lld.%lld.%lld: elements of y overlap (batch.time.channel)",
                        tensor.field, ll(strides.n), ll(strides.t), ll(strides.c));
        }
        reach += static_cast<Wide>(extent - 1) * stride;
    }
    return DWC_OK;
}

// Resolves strides and span of one tensor; strides that spell out the dense ones become zero in `canonical`.
dwc_status resolve_tensor(const Tensor& tensor, dwc_layout layout, int64_t canonical[3], Strides* strides,
                          int64_t* span, dwc_error* error) {
    int64_t total = 0;
    DWC_TRY(product(tensor.what, {tensor.extent[0], tensor.extent[1], tensor.extent[2], tensor.size}, &total, error));
    Strides dense{};
    DWC_TRY(dense_strides(tensor, layout, &dense, error));
    const int64_t* given = tensor.given;
    *strides = dense;
    if (given[0] != 0 || given[1] != 0 || given[2] != 0) {
        DWC_TRY(check_given_strides(tensor, layout, error));
        *strides = Strides{given[0], given[1], given[2]};
        if (total > 0 && !tensor.may_overlap) DWC_TRY(check_apart(tensor, *strides, error));
        if (given[0] == dense.n && given[1] == dense.t && given[2] == dense.c) {
            std::fill(canonical, canonical + 3, int64_t{0});
        }
    }
    *span = 0;
    if (total == 0) return DWC_OK;
    const Wide last = static_cast<Wide>(tensor.extent[0] - 1) * strides->n +
                      static_cast<Wide>(tensor.extent[1] - 1) * strides->t +
                      static_cast<Wide>(tensor.extent[2] - 1) * strides->c;
    if (last >= kMax / tensor.size) {
        return fail(error, DWC_ERROR_OVERFLOW,
                    "%s=%lld.%lld.%lld: the distance from first to last byte must be less than 2^63", tensor.field,
                    ll(strides->n), ll(strides->t), ll(strides->c));
    }
    *span = static_cast<int64_t>(last) + 1;
    return DWC_OK;
}

dwc_status resolve_out_length(const dwc_problem& p, Problem* r, dwc_error* error) {
    const Wide effective = static_cast<Wide>(p.kernel_size - 1) * p.dilation + 1;
    if (effective > kMax) {
        return fail(error, DWC_ERROR_OVERFLOW,
                    "kernel_size=%lld with dilation=%lld: (kernel_size-1)*dilation+1 must be less than 2^63",
                    ll(p.kernel_size), ll(p.dilation));
    }
    const Wide padded = static_cast<Wide>(p.length) + p.pad_left + p.pad_right;
    if (padded > kMax) {
        return fail(error, DWC_ERROR_OVERFLOW,
                    "length=%lld with pad_left=%lld and pad_right=%lld: their sum must be less than 2^63", ll(p.length),
                    ll(p.pad_left), ll(p.pad_right));
    }
    r->effective_kernel = static_cast<int64_t>(effective);
    const auto room = static_cast<int64_t>(padded - effective);
    r->out_length = room < 0 ? 0 : room / p.stride + 1;
    if (r->out_length == 0 && p.length > 0) {
        return fail(error, DWC_ERROR_OUT_LENGTH,
                    "computed output length would be zero or negative: length=%lld with pad_left=%lld and "
                    "pad_right=%lld is shorter than the effective kernel of %lld (kernel_size=%lld, dilation=%lld)",
                    ll(p.length), ll(p.pad_left), ll(p.pad_right), ll(r->effective_kernel), ll(p.kernel_size),
                    ll(p.dilation));
    }
    return DWC_OK;
}

dwc_status resolve_totals(Problem* r, dwc_error* error) {
    const dwc_problem& p = r->given;
    int64_t outputs = 0, weights = 0;
    DWC_TRY(product("flops", {p.batch, r->out_length, r->out_channels, 1}, &outputs, error));
    DWC_TRY(product("flops", {2, outputs, p.kernel_size, 1}, &r->flops, error));
    DWC_TRY(product("bytes of w", {p.kernel_size, r->out_channels, element_size(p.w_dtype), 1}, &weights, error));
    const Wide x = static_cast<Wide>(p.batch) * p.length * p.channels * element_size(p.x_dtype);
    const Wide y = static_cast<Wide>(outputs) * element_size(p.y_dtype);
    const Wide bias = p.has_bias != 0 ? static_cast<Wide>(r->out_channels) * element_size(p.w_dtype) : 0;
    const Wide state = p.stateful != 0 ? 2 * static_cast<Wide>(r->effective_kernel - 1) * p.batch * p.channels *
                                             element_size(p.x_dtype)
                                       : 0;
    const Wide bytes = x + y + weights + bias + state;
    if (bytes > kMax) {
        return fail(error, DWC_ERROR_OVERFLOW,
                    "bytes of x, y, weights, bias and state together: must be less than 2^63");
    }
    r->bytes = static_cast<int64_t>(bytes);
    return DWC_OK;
}

}  // namespace

int64_t element_size(dwc_dtype dtype) { return dtype == DWC_BF16 ? 2 : 4; }

dwc_status resolve(const dwc_problem* given, Problem* problem, dwc_error* error) {
    DWC_TRY(check_struct(given, error));
    DWC_TRY(check_fields(*given, error));
    Problem r{};
    r.given = *given;
    dwc_problem& p = r.given;
    p.has_bias = p.has_bias != 0 ? 1 : 0;
    DWC_TRY(resolve_activation(p, error));
    p.stateful = p.stateful != 0 ? 1 : 0;
    DWC_TRY(resolve_out_length(p, &r, error));
    if (p.stateful != 0 && (p.pad_left != r.effective_kernel - 1 || p.pad_right != 0)) {
        return fail(error, DWC_ERROR_STATE,
                    "stateful=1 with pad_left=%lld and pad_right=%lld: must be (kernel_size-1)*dilation=%lld and 0",
                    static_cast<long long>(p.pad_left), static_cast<long long>(p.pad_right),
                    static_cast<long long>(r.effective_kernel - 1));
    }
    DWC_TRY(product("output channels", {p.channels, p.depth_multiplier, 1, 1}, &r.out_channels, error));
    const Tensor x{
        "x_strides", "bytes of x", given->x_strides, {p.batch, p.length, p.channels}, element_size(p.x_dtype), true};
    const Tensor y{
        "y_strides", "bytes of y", given->y_strides, {p.batch, r.out_length, r.out_channels}, element_size(p.y_dtype),
        false};
    DWC_TRY(resolve_tensor(x, p.layout, p.x_strides, &r.x, &r.x_span, error));
    DWC_TRY(resolve_tensor(y, p.layout, p.y_strides, &r.y, &r.y_span, error));
    DWC_TRY(resolve_totals(&r, error));
    *problem = r;
    return DWC_OK;
}

}  // namespace dwc

extern "C" void dwc_problem_init(dwc_problem* problem) {
    if (problem == nullptr) return;
    *problem = dwc_problem{};
    problem->struct_size = sizeof *problem;
    problem->batch = 1;
    problem->kernel_size = problem->depth_multiplier = problem->stride = problem->dilation = 1;
    // NaN is "the default of whichever activation is set": zeros would make a relu with max_value 0.
    for (float& value : problem->activation_params) value = std::numeric_limits<float>::quiet_NaN();
}

extern "C" dwc_status dwc_problem_validate(const dwc_problem* problem, dwc_error* error) {
    dwc::Problem resolved;
    return dwc::resolve(problem, &resolved, error);
}

extern "C" dwc_status dwc_problem_out_length(const dwc_problem* problem, int64_t* out_length, dwc_error* error) {
    if (out_length == nullptr) return dwc::fail(error, DWC_ERROR_NULL_POINTER, "out_length is NULL");
    dwc::Problem resolved;
    DWC_TRY(dwc::resolve(problem, &resolved, error));
    *out_length = resolved.out_length;
    return DWC_OK;
}

extern "C" dwc_status dwc_problem_pad_same(dwc_problem* problem, dwc_error* error) {
    DWC_TRY(dwc::check_struct(problem, error));
    dwc_problem p = *problem;
    p.pad_left = p.pad_right = 0;
    DWC_TRY(dwc::check_fields(p, error));
    const dwc::Wide effective = static_cast<dwc::Wide>(p.kernel_size - 1) * p.dilation + 1;
    const dwc::Wide out_length = (static_cast<dwc::Wide>(p.length) + p.stride - 1) / p.stride;
    const dwc::Wide total = std::max<dwc::Wide>((out_length - 1) * p.stride + effective - p.length, 0);
    if (effective > dwc::kMax || total + p.length > dwc::kMax) {
        return dwc::fail(error, DWC_ERROR_OVERFLOW,
                         "length=%lld, kernel_size=%lld, stride=%lld, dilation=%lld: the padded length must be less "
                         "than 2^63",
                         dwc::ll(p.length), dwc::ll(p.kernel_size), dwc::ll(p.stride), dwc::ll(p.dilation));
    }
    problem->pad_left = static_cast<int64_t>(total / 2);
    problem->pad_right = static_cast<int64_t>(total - total / 2);
    return DWC_OK;
}
