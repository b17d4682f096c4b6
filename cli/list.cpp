// `dwconv list`: the targets of the table the library was built from, and every compiled kernel.
#include <iostream>

#include "common.hpp"

namespace cli {
namespace {

std::string yes_no(int32_t value) { return value ? "yes" : "no"; }
// 0 stands for "any, at run time" in dwc_kernel_info.
std::string fixed_or_any(int64_t value) { return value == 0 ? "any" : std::to_string(value); }

void print_json() {
    for (const auto &target : all_targets()) {
        JsonObject line;
        line.add("type", "target").add("name", target.name).add("parent", target.parent);
        line.add("built", target.built != 0).add("supported", target.supported != 0).add("fma", target.fma != 0);
        std::cout << line.str() << '\n';
    }
    for (const auto &kernel : all_kernels()) {
        JsonObject line;
        line.add("type", "variant").add("name", kernel.name).add("family", kernel.family);
        line.add("target", kernel.target).add("activation", kernel.activation).add("dtype", dtype_name(kernel.dtype));
        line.add("kernel_size", kernel.kernel_size).add("stride", kernel.stride);
        line.add("depth_multiplier", kernel.depth_multiplier).add("vector_width", kernel.vector_width);
        line.add("time_tile", kernel.time_tile).add("supported", kernel.supported != 0);
        std::cout << line.str() << '\n';
    }
}

void print_tables() {
    Table targets({"target", "built", "supported here", "parent", "fma"});
    for (const auto &target : all_targets()) {
        targets.add({target.name, yes_no(target.built), yes_no(target.supported),
                     target.parent ? target.parent : "none", yes_no(target.fma)});
    }
    Table variants({"K", "stride", "M", "vector", "tile", "dtype", "activation", "family", "here", "variant"});
    for (const auto &kernel : all_kernels()) {
        variants.add({fixed_or_any(kernel.kernel_size), fixed_or_any(kernel.stride),
                      fixed_or_any(kernel.depth_multiplier), std::to_string(kernel.vector_width),
                      std::to_string(kernel.time_tile), dtype_name(kernel.dtype), kernel.activation, kernel.family,
                      yes_no(kernel.supported), kernel.name});
    }
    std::cout << targets.str() << '\n' << variants.str();
    std::cout << '\n' << dwc_kernel_count() << " variants; K, stride, M \"any\": read at run time\n";
}

}  // namespace

void register_list(CLI::App &app, int &exit_code) {
    auto *command = app.add_subcommand("list", "List targets and compiled variants");
    command->footer(
        "\nExamples:\n  dwconv list\n  dwconv list --json\n\n"
        "--json writes one object a line, \"type\": \"target\" or \"variant\"; 0 in kernel_size, stride and\n"
        "depth_multiplier means any, read at run time.");
    auto json = std::make_shared<bool>(false);
    command->add_flag("--json", *json, "One JSON object a line");
    command->callback([json, &exit_code] {
        *json ? print_json() : print_tables();
        exit_code = kExitOk;
    });
}

}  // namespace cli
