#include "halide_glue.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "halide_buffer.hpp"

namespace dwc {
namespace {

using ConvSignature = int (*)(const void* user_context, halide_buffer_t* x, halide_buffer_t* w, halide_buffer_t* b,
                              halide_buffer_t* taps, int32_t max_tap, int32_t step, float p0, float p1, float p2,
                              halide_buffer_t* y);
using ActivationSignature = int (*)(const void* user_context, halide_buffer_t* x, float p0, float p1, float p2,
                                    halide_buffer_t* y);

// Halide's own handler prints and aborts. The user context of every call is its KernelError.
void record_error(void* user_context, const char* message) {
    if (!user_context) return;
    auto* error = static_cast<KernelError*>(user_context);
    std::snprintf(error->message, sizeof error->message, "%s", message);
    for (char* c = error->message; *c; ++c)
        if (*c == '\n') *c = ' ';
}

void ignore_print(void*, const char*) {}

// Non-temporal stores fault where a vector does not start on a multiple of its size.
bool may_stream(const View& y, const ConvKernel& kernel) {
    const auto whole_lines = [](int64_t elements) { return elements * static_cast<int64_t>(sizeof(float)) % 64 == 0; };
    const Axis &m = y.axis[0], &i = y.axis[1], &j = y.axis[2], &n = y.axis[3];
    return reinterpret_cast<uintptr_t>(y.data) % 64 == 0 && i.stride == 1 && i.extent % kernel.v == 0 &&
           (m.extent == 1 || whole_lines(m.stride)) && (j.extent == 1 || whole_lines(j.stride)) &&
           (n.extent == 1 || whole_lines(n.stride));
}

KernelFunction function_of(const ConvKernel& kernel, const ConvCall& call, Form form) {
    if (form == Form::stream && kernel.stream && may_stream(call.y, kernel)) return kernel.stream;
    if (form != Form::plain && kernel.ahead) return kernel.ahead;
    return kernel.function;
}

template <size_t>
using BufferPointer = halide_buffer_t*;

// Every row of the state is a buffer of its own.
template <size_t... row>
int call_rows(const ConvKernel::Step& step, const StepCall& call, KernelError& error, std::index_sequence<row...>) {
    using InPlace = int (*)(const void* user_context, halide_buffer_t* x, halide_buffer_t* w, halide_buffer_t* b,
                            float p0, float p1, float p2, halide_buffer_t* y, BufferPointer<row>... rows);
    using Apart =
        int (*)(const void* user_context, halide_buffer_t* x, halide_buffer_t* w, halide_buffer_t* b, float p0,
                float p1, float p2, BufferPointer<row>... rows, halide_buffer_t* y, BufferPointer<row>... next);
    // Kernels write through none of those that they only read.
    const auto lines = [&](const char* data, int64_t count, int64_t stride) {
        return View{const_cast<char*>(data), {{call.channels, 1}, {count, stride}}};
    };
    const halide_type_t type = type_of(DWC_F32);
    const int64_t row_bytes = call.row * static_cast<int64_t>(sizeof(float));
    Buffer x(lines(call.x, call.sequences, call.x_next), 2, type), w(lines(call.w, call.taps, call.row), 2, type);
    Buffer b(lines(call.b, 1, 0), 1, type), y(lines(call.y, call.sequences, call.y_next), 2, type);
    Buffer next[] = {Buffer(lines(call.next + row * row_bytes, call.sequences, call.slot), 2, type)...};
    const float* p = call.parameters;
    if (call.state == call.next)
        return reinterpret_cast<InPlace>(step.in_place)(&error, &x.raw, &w.raw, &b.raw, p[0], p[1], p[2], &y.raw,
                                                        &next[row].raw...);
    Buffer rows[] = {Buffer(lines(call.state + row * row_bytes, call.sequences, call.slot), 2, type)...};
    return reinterpret_cast<Apart>(step.apart)(&error, &x.raw, &w.raw, &b.raw, p[0], p[1], p[2], &rows[row].raw...,
                                               &y.raw, &next[row].raw...);
}

}  // namespace

void install_handlers() {
    static const bool done = [] {
        halide_set_error_handler(record_error);
        halide_set_custom_print(ignore_print);
        return true;
    }();
    (void)done;
}

void finish_streaming() {
#if defined(__x86_64__)
    __builtin_ia32_sfence();
#endif
}

int call_conv(const ConvKernel& kernel, const ConvCall& call, Form form, KernelError& error) {
    install_handlers();
    error.message[0] = 0;
    const halide_type_t type = type_of(kernel.dtype);
    Buffer x(call.x, 3, type), w(call.w, 3, type), b(call.b, 2, type), y(call.y, 4, type);
    for (int d : {0, 1}) x.dims[d].min = static_cast<int32_t>(call.x_first[d]);
    static int32_t none = 0;
    View offsets{const_cast<int32_t*>(call.taps ? call.taps : &none), {{std::max(call.tap_count, 1), 1}}};
    Buffer taps(offsets, 1, halide_type_t(halide_type_int, 32, 1));
    const float* p = call.parameters;
    const auto function = reinterpret_cast<ConvSignature>(function_of(kernel, call, form));
    return function(&error, &x.raw, &w.raw, &b.raw, &taps.raw, call.max_tap, call.step, p[0], p[1], p[2], &y.raw);
}

int call_step(const ConvKernel& kernel, const StepCall& call, KernelError& error) {
    install_handlers();
    error.message[0] = 0;
    const ConvKernel::Step step = kernel.step(call.taps);
    if (call.taps == 2) return call_rows(step, call, error, std::make_index_sequence<1>());
    if (call.taps == 3) return call_rows(step, call, error, std::make_index_sequence<2>());
    return call_rows(step, call, error, std::make_index_sequence<3>());
}

int call_activation(const ActivationRow& kernel, const float* p, float* values, int64_t count, int64_t rows,
                    int64_t row_stride, KernelError& error) {
    install_handlers();
    error.message[0] = 0;
    // Rows without a gap are one row, with one tail.
    if (row_stride == count) count *= rows, rows = 1;
    const View view{values, {{count, 1}, {rows, row_stride}}};
    Buffer in(view, 2, type_of(DWC_F32)), out(view, 2, type_of(DWC_F32));
    return reinterpret_cast<ActivationSignature>(kernel.function)(&error, &in.raw, p[0], p[1], p[2], &out.raw);
}

}  // namespace dwc
