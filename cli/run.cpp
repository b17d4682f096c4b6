// `dwconv run`: one Keras layer on one array.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <optional>

#include "check_compare.hpp"
#include "common.hpp"
#include "dwconv/keras.hpp"
#include "model_files.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

struct RunOptions {
    LayerChoice choice;
    std::string kernel, bias, x, y, expect;
    PlanOptions plan;
    bool json = false;
};

// What the user should know about how the inputs were taken.
using Notes = std::vector<std::string>;

keras::Tensor read_noted(const std::string& path, Notes* notes) {
    keras::NpyInfo info;
    keras::Tensor tensor = keras::read_npy(path, &info);
    if (info.converted()) notes->push_back(shown(path) + ": " + info.describe() + ", converted to float32 in C order");
    return tensor;
}

keras::DepthwiseConv1D layer_of(const RunOptions& options, Notes* notes) {
    if (!options.choice.file.empty()) return open_layer(keras::Model::open(options.choice.file), options.choice);
    keras::DepthwiseConv1D layer(keras::read_layer_config(options.choice.config));
    std::optional<keras::Tensor> bias;
    if (!options.bias.empty()) bias = read_noted(options.bias, notes);
    layer.set_weights(read_noted(options.kernel, notes), std::move(bias));
    return layer;
}

// What is not as the problem says.
void note_departures(const keras::DepthwiseConv1D& layer, Notes* notes) {
    const std::string dtype = layer.compute_dtype();
    if (dtype != "float32") {
        notes->push_back("Keras computes this layer in " + dtype + "; here it is float32" +
                         (dtype == "float64" ? "" : ", with x, weights and y rounded to " + dtype));
    }
    const keras::Activation& activation = layer.activation();
    if (!activation.fused) {
        notes->push_back("the activation " + activation.name + " runs after the kernel and is not in the time");
    }
}

// The layer speaks of its input, and the user gave a file.
template <class Body>
auto about_file(const std::string& path, Body&& body) {
    try {
        return body();
    } catch (const dwconv::value_error& error) {
        throw dwconv::value_error(error.status(), shown(path) + ": " + error.what());
    }
}

// CLI11 can say that options need or exclude each other, but not that one of two modes is needed.
void check_mode(const RunOptions& options) {
    const LayerChoice& choice = options.choice;
    if (choice.file.empty() && choice.config.empty()) {
        throw Failure(kExitInvalid, "give either --model m.keras, or --config layer.json with --kernel k.npy");
    }
    if (choice.file.empty() && options.kernel.empty()) {
        throw Failure(kExitInvalid,
                      "--config needs --kernel k.npy, an array (kernel_size, channels, depth_multiplier)");
    }
    if (options.y.empty() && options.expect.empty()) {
        throw Failure(kExitInvalid, "--y is missing: the file to write the output to (only --expect can stand alone)");
    }
}

struct Timing {
    double us_median = 0, us_min = 0;
    size_t repeats = 0;
};

// Hot repeats on the same buffers: at least 3, as many as fit 0.3 s, at most 1001.
template <class Body>
Timing measure(Body&& body) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> us;
    const auto begin = Clock::now();
    while (us.size() < 3 || (us.size() < 1001 && Clock::now() - begin < std::chrono::milliseconds(300))) {
        const auto start = Clock::now();
        body();
        us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    }
    std::sort(us.begin(), us.end());
    return {us[us.size() / 2], us.front(), us.size()};
}

struct RunResult {
    dwconv::plan_info plan;
    keras::Shape x_shape, y_shape;
    std::optional<Timing> timing;  // none for an empty output
    std::optional<Comparison> comparison;
    double tolerance = kTolerance;
    Notes notes;
};

void print_text(const RunResult& result, const RunOptions& options) {
    const dwconv::plan_info& plan = result.plan;
    const bool named_target = plan.target.empty() || plan.kernel.find('@') != std::string::npos;
    std::cout << "problem  " << plan.problem << '\n'
              << "x        " << keras::to_string(result.x_shape) << '\n'
              << "y        " << keras::to_string(result.y_shape) << (options.y.empty() ? "" : " -> " + options.y)
              << '\n'
              << "variant  " << plan.kernel << (named_target ? "" : " on " + plan.target) << '\n'
              << "reason   " << plan.reason << '\n'
              << "threads  " << plan.threads << '\n';
    if (result.timing) {
        const double us = result.timing->us_median;
        std::cout << format("time     %.2f us (median of %zu repeats, buffers in cache where they fit)\n", us,
                            result.timing->repeats)
                  << format("speed    %.1f GF/s, %.1f GB/s\n", plan.flops / us * 1e-3, plan.bytes / us * 1e-3);
    }
    for (const std::string& note : result.notes) std::cout << "note     " << note << '\n';
    if (result.comparison) {
        std::cout << "expected " << options.expect << ": " << result.comparison->text()
                  << (result.comparison->fault.empty() ? format(" of max(1, max|expected|), limit %g", result.tolerance)
                                                       : "")
                  << '\n';
    }
}

void print_json(const RunResult& result) {
    JsonObject line;
    line.add("problem", result.plan.problem).add("variant", result.plan.kernel).add("target", result.plan.target);
    line.add("reason", result.plan.reason).add("threads", result.plan.threads);
    line.add("x_shape", keras::to_string(result.x_shape)).add("y_shape", keras::to_string(result.y_shape));
    if (result.timing) {
        const double us = result.timing->us_median;
        line.add("us_min", result.timing->us_min).add("us_median", us);
        line.add("repeats", static_cast<int64_t>(result.timing->repeats));
        line.add("gflops", result.plan.flops / us * 1e-3).add("gbs", result.plan.bytes / us * 1e-3);
    }
    std::string notes;
    for (const std::string& note : result.notes) notes += (notes.empty() ? "" : "; ") + note;
    if (!notes.empty()) line.add("notes", notes);
    if (result.comparison) {
        line.add("max_error", result.comparison->error);  // null for an infinite one
        if (!result.comparison->fault.empty()) line.add("fault", result.comparison->fault);
    }
    std::cout << line.str() << '\n';
}

// The kernels alone, on this layer's weights: time of the plan, in which an activation that is not fused has no part.
std::optional<Timing> time_of(const dwconv::plan& plan, const keras::DepthwiseConv1D& layer, const keras::Tensor& x) {
    const dwconv::keras::Shape shape = layer.compute_output_shape(x.shape);
    std::vector<float> y(static_cast<size_t>(keras::element_count(shape)));
    if (y.empty()) return std::nullopt;
    const float* bias = layer.bias() ? layer.bias()->data.data() : nullptr;
    const dwconv::weights weights = plan.pack(layer.kernel().data.data(), bias);
    plan.execute(x.data.data(), weights, y.data());
    return measure([&] { plan.execute(x.data.data(), weights, y.data()); });
}

int run(const RunOptions& options) {
    check_mode(options);
    options.plan.check_values();
    RunResult result;
    keras::DepthwiseConv1D layer = layer_of(options, &result.notes);
    const keras::Tensor x = read_noted(options.x, &result.notes);
    std::optional<keras::Tensor> expected;
    if (!options.expect.empty()) expected = keras::read_npy(options.expect);
    note_departures(layer, &result.notes);

    dwconv::options how;
    how.threads = options.plan.threads;
    how.force_kernel = options.plan.force_kernel;
    how.force_target = options.plan.force_target;
    const dwconv::plan plan(about_file(options.x, [&] { return layer.problem(x.shape); }), how);
    const keras::Tensor y = about_file(options.x, [&] { return layer(x, how); });
    result.timing = time_of(plan, layer, x);
    if (!options.y.empty()) keras::write_npy(options.y, y);

    result.plan = plan.describe();
    result.x_shape = x.shape;
    result.y_shape = y.shape;
    result.tolerance = tolerance_of(layer.compute_dtype());
    if (expected) result.comparison = compare(y, *expected);
    if (options.json) {
        print_json(result);
    } else {
        print_text(result, options);
    }
    return result.comparison && !result.comparison->within(result.tolerance) ? kExitFailure : kExitOk;
}

}  // namespace

void register_run(CLI::App& app, int& exit_code) {
    auto* command = app.add_subcommand("run", "Compute one Keras DepthwiseConv1D layer on an array");
    command->footer(
        "\nExamples:\n"
        "  dwconv run --model m.keras --layer conv --x x.npy --y y.npy\n"
        "  dwconv run --model model.weights.h5 --config layer.json --x x.npy --y y.npy\n"
        "  dwconv run --config layer.json --kernel k.npy --bias b.npy --x x.npy --y y.npy --threads 2\n"
        "  dwconv run --model m.keras --x x.npy --expect keras_y.npy\n"
        "\nModel files: .keras, .h5 (Keras 2 and 3), .weights.h5, sharded .weights.json, .safetensors. Files of "
        "weights\n"
        "alone need --config; --layer may then be left out where the config fits one layer. With a whole model "
        "--config\n"
        "stands in place of the layer's own.\n"
        "\nArrays are .npy files: x (batch, steps, channels), or (batch, channels, steps) where the layer's\n"
        "data_format is channels_first; kernel (kernel_size, channels, depth_multiplier); bias one value an output\n"
        "channel. layer.json holds the layer's arguments, e.g. {\"kernel_size\": 3, \"padding\": \"same\"}.");
    auto options = std::make_shared<RunOptions>();
    LayerChoice& choice = options->choice;
    auto* model = command->add_option("--model", choice.file, "A model file")->type_name("FILE");
    command->add_option("--layer", choice.layer, "Name or path of its layer, where it has several DepthwiseConv1D")
        ->needs(model)
        ->type_name("NAME");
    command->add_option("--call", choice.call, "Which call of a layer that the model calls several times, from 0")
        ->needs(model)
        ->type_name("N");
    auto* config = command->add_option("--config", choice.config, "The layer's config, JSON")->type_name("FILE");
    auto* kernel = command->add_option("--kernel", options->kernel, "The kernel, .npy")->needs(config);
    kernel->excludes(model)->type_name("FILE");
    command->add_option("--bias", options->bias, "The bias, .npy; absent where use_bias is false")
        ->needs(kernel)
        ->type_name("FILE");
    command->add_option("--x", options->x, "The input, .npy")->required()->type_name("FILE");
    command->add_option("--y", options->y, "Where to write the output, .npy")->type_name("FILE");
    command
        ->add_option("--expect", options->expect,
                     "Compare with this output, .npy; exit 1 beyond 1e-5 (float16 2e-3, bfloat16 2e-2)")
        ->type_name("FILE");
    options->plan.add_to(*command);
    command->add_flag("--json", options->json, "One JSON object");
    command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace cli
