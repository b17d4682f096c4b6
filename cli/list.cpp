// `dwconv list`: the targets of the table the library was built from, and every compiled kernel.
#include <iostream>
#include <map>
#include <set>

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
        line.add("time_tile", kernel.time_tile)
            .add("supported", kernel.supported != 0)
            .add("streams", kernel.streams != 0);
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

// ------------------------------------------------------------------------------------------------ what was tuned

std::vector<dwc_record> all_records() {
    std::vector<dwc_record> records;
    for (int32_t i = 0; i < dwc_record_count(); ++i) {
        dwc_record record;
        dwc_record_init(&record);
        dwc_error error{};
        check(dwc_record_at(i, &record, &error), error);
        records.push_back(record);
    }
    return records;
}

std::string class_of(const dwc_record &record) {
    const dwc_problem problem = parse_problem(record.problem);
    char text[160];
    dwc_error error{};
    check(dwc_problem_class(&problem, record.threads, text, sizeof text, &error), error);
    return text;
}

void print_tuned_json() {
    for (const auto &record : all_records()) {
        JsonObject line;
        line.add("type", "record").add("target", record.target).add("class", class_of(record));
        line.add("problem", record.problem).add("threads", record.threads).add("kernel", record.kernel);
        line.add("source", record.measured ? "measured" : "static").add("us", record.us);
        line.add("incumbent", record.incumbent).add("ratio", record.ratio).add("cpu", record.cpu);
        line.add("date", record.date);
        std::cout << line.str() << '\n';
    }
}

// What the records of one target cover.
struct Covered {
    std::set<std::string> classes, kernels, cpus;
    int measured = 0, faster = 0, estimated = 0;
};

void print_tuned() {
    std::map<std::string, Covered> covered;
    Table records({"of incumbent", "source", "class", "kernel", "incumbent", "problem", "threads", "where, when"});
    for (const auto &record : all_records()) {
        Covered &c = covered[record.target];
        const bool faster = std::string(record.kernel) != record.incumbent;
        c.classes.insert(class_of(record));
        c.kernels.insert(record.kernel);
        c.cpus.insert(record.cpu);
        c.measured += record.measured != 0;
        c.faster += record.measured && faster;
        c.estimated += !record.measured;
        records.add({format("%.2f", record.ratio), record.measured ? "measured" : "static", class_of(record),
                     record.kernel, faster ? record.incumbent : "(stays)", record.problem,
                     std::to_string(record.threads), std::string(record.cpu) + ", " + record.date});
    }
    Table targets({"target", "classes", "measured", "faster", "static", "kernels", "CPUs"});
    for (const auto &target : all_targets()) {
        const Covered &c = covered[target.name];
        const auto number = [](auto value) { return std::to_string(value); };
        targets.add({target.name, number(c.classes.size()), number(c.measured), number(c.faster), number(c.estimated),
                     number(c.kernels.size()), number(c.cpus.size())});
    }
    std::cout << targets.str() << '\n';
    if (dwc_record_count() > 0) std::cout << records.str() << '\n';
    std::cout << dwc_record_count()
              << " records; \"faster\": problems in which a kernel beats the default by 3 % and its "
              << "spread;\n\"static\": estimates, which decide nothing until they are measured\n";
}

}  // namespace

void register_list(CLI::App &app, int &exit_code) {
    auto *command = app.add_subcommand("list", "List targets and compiled variants");
    command->footer(
        "\nExamples:\n  dwconv list\n  dwconv list --json\n  dwconv list --tuned\n\n"
        "--json writes one object a line, \"type\": \"target\", \"variant\" or \"record\"; 0 in kernel_size, stride "
        "and\n"
        "depth_multiplier means any, read at run time.");
    auto json = std::make_shared<bool>(false), tuned = std::make_shared<bool>(false);
    command->add_flag("--json", *json, "One JSON object a line");
    command->add_flag("--tuned", *tuned, "The measurements that kernels are chosen by, and what they cover");
    command->callback([json, tuned, &exit_code] {
        if (*tuned)
            *json ? print_tuned_json() : print_tuned();
        else
            *json ? print_json() : print_tables();
        exit_code = kExitOk;
    });
}

}  // namespace cli
