// oneDNN, for whatever version of it the dynamic linker finds. A convolution of one dimension is what users write; as
// one of two dimensions, the other of extent 1, it has faster code, and which dimension is the time matters. Channels
// first is computed as it is, and in oneDNN's own blocked layout with both reorders inside the measured time.
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "worker.hpp"

namespace peers {
namespace {

using dnnl::memory;
using Dims = memory::dims;

enum class Time { alone, as_width, as_height };

// Dimensions (outer..., time) with the time where `time` says, `other` where it is not.
Dims dims(Dims outer, int64_t length, Time time, int64_t other) {
    if (time == Time::as_width) outer.push_back(other);
    outer.push_back(length);
    if (time == Time::as_height) outer.push_back(other);
    return outer;
}

Dims pair(int64_t value, Time time, int64_t other) { return dims({}, value, time, other); }

// Dense strides of (n, channels, time) with the channels or the time innermost.
memory::desc tensor(int64_t n, int64_t channels, int64_t length, bool ncl, Time time) {
    const int64_t of_channel = ncl ? length : 1, of_time = ncl ? 1 : channels;
    Dims strides = dims({channels * length, of_channel}, of_time, time, time == Time::as_width ? length * of_time : of_time);
    return {dims({n, channels}, length, time, 1), memory::data_type::f32, strides};
}

struct Library {
    dnnl::engine engine{dnnl::engine::kind::cpu, 0};
    dnnl::stream stream{engine};
};
Library& library() {
    static Library it;
    return it;
}

// A tensor of the caller's, and where the convolution wants another layout that copy of it and the reorder between.
struct Operand {
    memory plain, inner;
    dnnl::primitive reorder;
    explicit operator bool() const { return static_cast<bool>(reorder); }
};

struct Convolution {
    dnnl::convolution_forward primitive;
    Operand x, y;
    std::unordered_map<int, memory> arguments;
};

Convolution make(const Case& c, Time time, bool blocked) {
    const dwc_problem& p = c.problem;
    Library& lib = library();
    const auto any = [&](const memory::desc& d) {
        return memory::desc(d.get_dims(), memory::data_type::f32, memory::format_tag::any);
    };
    const memory::desc x_plain = tensor(p.batch, p.channels, p.length, c.ncl(), time);
    const memory::desc y_plain = tensor(p.batch, c.channels_out(), c.out, c.ncl(), time);
    const memory::desc w_plain(dims({p.channels, p.depth_multiplier, 1}, p.kernel_size, time, 1),
                               memory::data_type::f32,
                               dims({p.depth_multiplier * p.kernel_size, p.kernel_size, p.kernel_size}, 1, time, 1));
    const memory::desc bias({c.channels_out()}, memory::data_type::f32, memory::format_tag::a);
    dnnl::primitive_attr attributes;
    if (c.silu()) {
        dnnl::post_ops operations;
        operations.append_eltwise(dnnl::algorithm::eltwise_swish, 1.0f, 0.0f);
        attributes.set_post_ops(operations);
    }
    const dnnl::convolution_forward::primitive_desc description(
        lib.engine, dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
        blocked ? any(x_plain) : x_plain, any(w_plain), c.b ? bias : memory::desc(), blocked ? any(y_plain) : y_plain,
        pair(p.stride, time, 1), pair(p.dilation - 1, time, 0), pair(p.pad_left, time, 0), pair(p.pad_right, time, 0),
        attributes);

    Convolution made;
    made.primitive = dnnl::convolution_forward(description);
    const auto operand = [&](const memory::desc& plain, const memory::desc& wanted, bool output) {
        Operand o;
        o.plain = memory(plain, lib.engine, nullptr);
        o.inner = o.plain;
        if (plain != wanted) {
            o.inner = memory(wanted, lib.engine);
            o.reorder = output ? dnnl::reorder(o.inner, o.plain) : dnnl::reorder(o.plain, o.inner);
        }
        return o;
    };
    made.x = operand(x_plain, description.src_desc(), false);
    made.y = operand(y_plain, description.dst_desc(), true);
    std::vector<float> by_channel = c.weights_by_channel();
    memory w(w_plain, lib.engine, by_channel.data()), packed(description.weights_desc(), lib.engine);
    dnnl::reorder(w, packed).execute(lib.stream, w, packed);
    lib.stream.wait();
    made.x.plain.set_data_handle(const_cast<float*>(c.x));
    made.arguments = {{DNNL_ARG_SRC, made.x.inner}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DST, made.y.inner}};
    if (c.b) made.arguments[DNNL_ARG_BIAS] = memory(bias, lib.engine, const_cast<float*>(c.b));
    return made;
}

std::function<void(float*)> prepared(const Case& c, Time time, bool blocked) {
    const auto conv = std::make_shared<Convolution>(make(c, time, blocked));
    if (blocked && !conv->x && !conv->y) throw Refused("chooses the plain layout itself");
    return [conv](float* y) {
        dnnl::stream& stream = library().stream;
        conv->y.plain.set_data_handle(y);
        if (conv->x) conv->x.reorder.execute(stream, {{DNNL_ARG_FROM, conv->x.plain}, {DNNL_ARG_TO, conv->x.inner}});
        conv->primitive.execute(stream, conv->arguments);
        if (conv->y) conv->y.reorder.execute(stream, {{DNNL_ARG_FROM, conv->y.inner}, {DNNL_ARG_TO, conv->y.plain}});
        stream.wait();
    };
}

std::vector<Form> forms(const Case& c) {
    std::vector<Form> all = {form("1-D", [&] { return prepared(c, Time::alone, false); }),
                             form("2-D, time as width", [&] { return prepared(c, Time::as_width, false); }),
                             form("2-D, time as height", [&] { return prepared(c, Time::as_height, false); })};
    if (c.ncl()) {
        all.push_back(form("1-D and reorders", [&] { return prepared(c, Time::alone, true); }));
        all.push_back(form("2-D and reorders", [&] { return prepared(c, Time::as_width, true); }));
    }
    return all;
}

}  // namespace

Peer peer() {
    const dnnl_version_t* v = dnnl_version();
    const auto number = [](int n) { return std::to_string(n); };
    return {"oneDNN", number(v->major) + "." + number(v->minor) + "." + number(v->patch), forms};
}

}  // namespace peers
