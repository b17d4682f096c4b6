// `dwconv emit`: the kernels of a model's layers, or of problems, as a folder of C that needs nothing else.
#include <cctype>
#include <filesystem>
#include <iostream>
#include <memory>
#include <set>

#include "common.hpp"
#include "emit_options.hpp"
#include "tune.hpp"
#include "tuner/compile.hpp"

namespace cli {

// Names that the header uses itself are taken, and upper case makes no difference: macros are in it.
std::string unique_name(const std::string &wanted, std::set<std::string> *taken) {
    const auto key = [](std::string name) {
        for (char &c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
        return name;
    };
    if (taken->empty()) *taken = {"target", "entry", "layers", "no_target", "not_finite", "h"};
    std::string name = dwc::emit::identifier(wanted);
    for (int i = 2; taken->count(key(name)) || taken->count(key(name) + "_pack"); ++i)
        name = dwc::emit::identifier(wanted) + "_" + std::to_string(i);
    taken->insert(key(name));
    taken->insert(key(name) + "_pack");
    return name;
}

namespace {

using dwc::emit::Layer;

constexpr const char *kFooter = R"(
Examples:
  dwconv emit --model m.keras --target arm-64-linux -o out
  dwconv emit --model m.keras --layer conv --length 384 --embed-weights -o out
  dwconv emit --model m.keras --target x86-64-avx512 --target x86-64-avx2 --target arm-64 --length 384 -o out
  dwconv emit --config layer.json --kernel k.npy --bias b.npy --length 384 -o out
  dwconv emit --problem f32_nlc_n1_l384_c192_k4_m1_s1_d1_pl3_pr0_bias_silu -o out

Writes a folder that is complete in itself: a static archive of kernels for each target, a header with one function a
layer of fixed shape, C11 source, CMakeLists.txt, and an example that computes every layer and compares with outputs
that it carries. Weights are passed in, in Keras' order, or baked in with --embed-weights. With several targets the
functions ask the CPU which one it runs. No compiler is needed here, of any target; the generator program is (installed
with the command where Halide was, or DWC_GENERATOR).)";

void check_name(const std::string &name) {
    const bool fine = !name.empty() && dwc::emit::identifier(name) == name && name.size() <= 60;
    if (!fine)
        throw Failure(kExitInvalid,
                      "--name " + shown(name) + ": must be a C identifier of at most 60 characters, such as my_model");
}

std::string same(const std::string &text) {
    parse_problem(text);
    return text;
}

void add_problems(const EmitOptions &options, std::set<std::string> *taken, std::vector<Layer> *layers) {
    std::vector<std::string> all = options.problems;
    if (!options.problems_file.empty())
        for (std::string &problem : read_problems(options.problems_file, same)) all.push_back(std::move(problem));
    if (options.embed && !all.empty())
        throw Failure(kExitInvalid,
                      "--embed-weights: a problem has no weights; give --model, or --config with --kernel");
    for (size_t i = 0; i < all.size(); ++i) {
        Layer layer;
        layer.problem = parse_problem(all[i]);
        layer.name = unique_name(all.size() == 1 ? "layer" : "layer" + std::to_string(i + 1), taken);
        layers->push_back(std::move(layer));
    }
}

std::vector<Layer> collect_layers(const EmitOptions &options) {
    std::vector<Layer> layers;
    std::set<std::string> taken;
    if (!options.model.empty() || !options.config.empty()) add_model_layers(options, &taken, &layers);
    add_problems(options, &taken, &layers);
    if (layers.empty())
        throw Failure(kExitInvalid, "nothing to emit: give --model, --config with --kernel, --problem or --problems");
    return layers;
}

std::string default_name(const std::string &folder) {
    std::filesystem::path path = std::filesystem::absolute(folder).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    return dwc::emit::identifier(path.filename().string());
}

void print_json(const std::vector<dwc::emit::Emitted> &all, const dwc::emit::Request &request) {
    for (const auto &e : all) {
        JsonObject line;
        line.add("layer", e.layer).add("function", request.name + "_" + e.layer).add("problem", e.problem);
        line.add("target", e.target).add("kernel", e.kernel).add("code_bytes", e.code_bytes);
        line.add("folder", request.folder);
        std::cout << line.str() << '\n';
    }
}

void print_text(const std::vector<dwc::emit::Emitted> &all, const dwc::emit::Request &request) {
    Table table({"function", "problem", "target", "kernel", "bytes of code"});
    for (const auto &e : all)
        table.add({request.name + "_" + e.layer, e.problem, e.target, e.kernel, std::to_string(e.code_bytes)});
    const std::string &folder = request.folder;
    std::cout << table.str() << "written to " << folder << "; try: cmake -S " << folder << " -B " << folder
              << "/build && cmake --build " << folder << "/build && " << folder << "/build/example\n";
}

int run_emit(const EmitOptions &options) {
    dwc::emit::Request request;
    request.folder = options.folder;
    request.name = options.name.empty() ? default_name(options.folder) : options.name;
    check_name(request.name);
    request.targets = options.targets.empty() ? std::vector<std::string>{target_to_tune({})} : options.targets;
    request.embed_weights = options.embed;
    request.force = options.force;
    request.command = command_line();
    request.layers = collect_layers(options);
    try {
        request.generator = dwc::tuner::find_generator(dwc::tuner::this_program());
        const auto emitted = dwc::emit::emit(request, stop_on_signals());
        options.json ? print_json(emitted, request) : print_text(emitted, request);
    } catch (const dwc::emit::InputError &error) {
        throw Failure(kExitInvalid, error.what());
    }
    return kExitOk;
}

void add_layer_options(CLI::App &command, EmitOptions &options) {
    auto *model = command.add_option("--model", options.model, "A model file: its DepthwiseConv1D layers");
    model->type_name("FILE");
    command.add_option("--layer", options.layers, "Only the layer of this name or path; may be repeated")
        ->needs(model)
        ->type_name("NAME");
    auto *config = command.add_option("--config", options.config, "A layer's config, JSON")->type_name("FILE");
    auto *kernel = command.add_option("--kernel", options.kernel, "Its kernel, .npy")->needs(config);
    kernel->excludes(model)->type_name("FILE");
    command.add_option("--bias", options.bias, "Its bias, .npy; absent where use_bias is false")
        ->needs(kernel)
        ->type_name("FILE");
    command.add_option("--problem", options.problems, "Problem string; may be repeated")->type_name("PROBLEM");
    command.add_option("--problems", options.problems_file, "File of problem strings, one a line, # starts a comment")
        ->type_name("FILE");
    command.add_option("--length", options.length, "Steps of the layers' inputs, where the model leaves them open")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
        ->type_name("N");
    command.add_option("--batch", options.batch, "Sequences of one call; 1 where the model leaves it open")
        ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 31))
        ->type_name("N");
}

}  // namespace

void register_emit(CLI::App &app, int &exit_code) {
    auto *command = app.add_subcommand("emit", "Write kernels of given layers as a folder of C");
    command->footer(kFooter);
    auto options = std::make_shared<EmitOptions>();
    add_layer_options(*command, *options);
    command->add_option("--target", options->targets, "Target to emit for; may be repeated; the best of this CPU")
        ->type_name("NAME");
    command->add_option("-o,--out", options->folder, "The folder to write")->required()->type_name("FOLDER");
    command->add_option("--name", options->name, "What every symbol and file begins with; the folder's name")
        ->type_name("NAME");
    command->add_flag("--embed-weights", options->embed, "Bake the weights in");
    command->add_flag("--force", options->force, "Replace a folder that emit wrote before");
    command->add_flag("--json", options->json, "One JSON object a line, layer and target");
    command->callback([options, &exit_code] { exit_code = run_emit(*options); });
}

}  // namespace cli
