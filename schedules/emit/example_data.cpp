// example_data.h: what the example of an emitted folder computes and should get.
#include <algorithm>
#include <stdexcept>

#include "sources.hpp"

namespace dwc::emit {
namespace {

// Outputs of a layer that are compared, about.
constexpr int64_t most_outputs = 8192;

// As in folder/example.c.
float value(uint32_t i) {
    i ^= i >> 16;
    i *= 0x7feb352du;
    i ^= i >> 15;
    i *= 0x846ca68bu;
    i ^= i >> 16;
    return static_cast<float>(i >> 8) * (2.0f / 16777216) - 1;
}

// `count` numbers below `end`, from the first to the last.
std::vector<int64_t> spread(int64_t end, int64_t count) {
    std::vector<int64_t> all;
    count = std::min(end, std::max<int64_t>(count, 2));
    for (int64_t i = 0; i < count; ++i) all.push_back(count == 1 ? 0 : i * (end - 1) / (count - 1));
    return all;
}

// All of a short row; of a long one its ends, where padding shows, and some between.
std::vector<int64_t> times(int64_t length) {
    constexpr int64_t end = 128;
    std::vector<int64_t> all;
    if (length <= 1024) return spread(length, length);
    for (int64_t t = 0; t < end; ++t) all.push_back(t);
    for (const int64_t t : spread(length - 2 * end, 2 * end)) all.push_back(end + t);
    for (int64_t t = length - end; t < length; ++t) all.push_back(t);
    return all;
}

struct Expected {
    std::vector<int64_t> batches, channels, times;
    std::vector<float> outputs;
};

// One channel after the other by the library's reference.
Expected expected(const Layer &layer) {
    const dwc_problem &p = layer.problem;
    const int64_t C = p.channels, M = p.depth_multiplier, K = p.kernel_size, L = p.length;
    int64_t out = 0;
    dwc_problem_out_length(&p, &out, nullptr);
    Expected e;
    e.batches = spread(p.batch, 4);
    e.times = times(out);
    e.channels = spread(C, most_outputs / static_cast<int64_t>(e.batches.size() * e.times.size()) / M);
    dwc_problem one = p;
    one.batch = one.channels = 1;
    one.layout = DWC_NLC;
    const auto weight = [&](int64_t i) {
        return layer.kernel.empty() ? value(static_cast<uint32_t>(i) + 1000003u) : layer.kernel[static_cast<size_t>(i)];
    };
    std::vector<float> x(static_cast<size_t>(L)), w(static_cast<size_t>(K * M)), b(static_cast<size_t>(M)),
        y(static_cast<size_t>(out * M));
    for (const int64_t n : e.batches)
        for (const int64_t c : e.channels) {
            for (int64_t t = 0; t < L; ++t)
                x[static_cast<size_t>(t)] =
                    value(static_cast<uint32_t>(p.layout == DWC_NLC ? (n * L + t) * C + c : (n * C + c) * L + t));
            for (int64_t j = 0; j < K; ++j)
                for (int64_t m = 0; m < M; ++m) w[static_cast<size_t>(j * M + m)] = weight((j * C + c) * M + m);
            for (int64_t m = 0; m < M; ++m)
                b[static_cast<size_t>(m)] = layer.kernel.empty()
                                                ? value(static_cast<uint32_t>(c * M + m) + 2000003u)
                                                : (p.has_bias ? layer.bias[static_cast<size_t>(c * M + m)] : 0);
            dwc_error error{};
            if (dwc_reference(&one, x.data(), w.data(), p.has_bias ? b.data() : nullptr, y.data(), DWC_WEIGHTS_KERAS, 1,
                              &error) != DWC_OK)
                throw std::runtime_error(error.message);
            for (const int64_t t : e.times)
                for (int64_t m = 0; m < M; ++m) e.outputs.push_back(y[static_cast<size_t>(t * M + m)]);
        }
    return e;
}

std::string list(const std::string &name, const std::vector<int64_t> &values) {
    std::string text = "static const int64_t " + name + "[] = {";
    for (size_t i = 0; i < values.size(); ++i)
        text += (i == 0 ? "" : i % 20 == 0 ? ",\n    " : ", ") + std::to_string(values[i]);
    return text + "};\n";
}

std::string floats(const std::string &name, const std::vector<float> &values) {
    return "static const float " + name + "[] = {\n    " + float_list(values) + "};\n";
}

}  // namespace

std::string example_data(const Folder &folder) {
    const Request &request = *folder.request;
    std::string text = "/* Written by dwconv emit. */\n", rows;
    if (request.embed_weights) text += "#define EMBEDDED_WEIGHTS\n";
    for (const Layer &layer : request.layers) {
        const dwc_problem &p = layer.problem;
        const Expected e = expected(layer);
        int64_t out = 0;
        dwc_problem_out_length(&p, &out, nullptr);
        const std::string &name = layer.name;
        text += list(name + "_batches", e.batches) + list(name + "_picked", e.channels) +
                list(name + "_times", e.times) + floats(name + "_outputs", e.outputs);
        const bool carried = !layer.kernel.empty() && !request.embed_weights;
        if (carried) text += floats(name + "_kernel", layer.kernel);
        if (carried && p.has_bias) text += floats(name + "_bias", layer.bias);
        const auto count = [](const std::vector<int64_t> &all) { return std::to_string(all.size()); };
        rows += "    {" + (carried ? name + "_kernel" : "NULL") + ", " +
                (carried && p.has_bias ? name + "_bias" : "NULL") + ", " + std::to_string(out) + ", " +
                std::to_string(p.channels) + ", " + std::to_string(p.depth_multiplier) + ", " +
                (p.layout == DWC_NCL ? "1" : "0") + ",\n     " + name + "_batches, " + name + "_picked, " + name +
                "_times, " + count(e.batches) + ", " + count(e.channels) + ", " + count(e.times) + ", " + name +
                "_outputs},\n";
    }
    return text + "static const struct expectation expectations[] = {\n" + rows + "};\n";
}

}  // namespace dwc::emit
