#include "sources.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>

#include "folder_files.hpp"

namespace dwc::emit {
namespace {

std::string replaced(std::string text, const std::string &from, const std::string &to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
        text.replace(at, from.size(), to);
    return text;
}

int64_t product(std::initializer_list<int64_t> factors) {
    int64_t all = 1;
    for (const int64_t f : factors) all *= f;
    return all;
}

int64_t out_length(const dwc_problem &problem) {
    int64_t length = 0;
    dwc_problem_out_length(&problem, &length, nullptr);
    return length;
}

std::string problem_text(const dwc_problem &problem) {
    char text[300] = "";
    dwc_problem_format(&problem, text, sizeof text, nullptr);
    return text;
}

std::vector<std::string> features(const tuner::TunerTarget *target) {
    std::vector<std::string> all;
    std::string rest = target->cpu;
    while (!rest.empty()) {
        const size_t comma = std::min(rest.find(','), rest.size());
        all.push_back(rest.substr(0, comma));
        rest.erase(0, comma + 1);
    }
    return all;
}

std::string arguments(const Request &request) {
    return request.embed_weights ? "const float *x, float *y" : "const float *x, const float *weights, float *y";
}

// The targets of one processor after the other, as branches of the preprocessor.
template <typename Body>
std::string by_processor(const Folder &folder, Body body) {
    std::string text, before;
    std::vector<std::string> done;
    for (const tuner::TunerTarget *first : folder.targets) {
        if (std::count(done.begin(), done.end(), first->processor)) continue;
        text += (done.empty() ? "#if" : "#elif") + std::string(" defined(__") + first->processor + "__)\n";
        done.push_back(first->processor);
        for (const tuner::TunerTarget *target : folder.targets)
            if (std::string(target->processor) == first->processor) text += body(target);
    }
    return text + "#endif\n";
}

// What a CPU must have for `target` to be taken. Whose make it is counts only where the folder holds a target of the
// same instructions for the others: its kernels run on them, too.
std::vector<std::string> asked_of(const Folder &folder, const tuner::TunerTarget *target) {
    std::vector<std::string> asked = features(target);
    const auto maker = std::find(asked.begin(), asked.end(), "intel");
    if (maker == asked.end()) return asked;
    std::vector<std::string> of_any_maker(asked);
    of_any_maker.erase(of_any_maker.begin() + (maker - asked.begin()));
    const bool others = std::any_of(folder.targets.begin(), folder.targets.end(),
                                    [&](const tuner::TunerTarget *t) { return features(t) == of_any_maker; });
    return others ? asked : of_any_maker;
}

}  // namespace

std::vector<const Unit *> Folder::of(const tuner::TunerTarget *target) const {
    std::vector<const Unit *> all;
    for (const Unit &unit : units)
        if (unit.target == target) all.push_back(&unit);
    return all;
}

std::vector<const Unit *> Folder::of(const Layer *layer) const {
    std::vector<const Unit *> all;
    for (const Unit &unit : units)
        if (unit.layer == layer) all.push_back(&unit);
    return all;
}

std::string identifier(const std::string &text) {
    std::string name;
    for (const char c : text) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
    if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name = "_" + name;
    return name;
}

std::string upper(std::string text) {
    for (char &c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return text;
}

std::string literal(float value) {
    if (std::isinf(value)) return value < 0 ? "-HUGE_VALF" : "HUGE_VALF";
    char text[40];
    std::snprintf(text, sizeof text, "%af", static_cast<double>(value));
    return text;
}

std::string float_list(const std::vector<float> &values) {
    std::string text;
    for (size_t i = 0; i < values.size(); ++i)
        text += (i == 0 ? "" : i % 6 == 0 ? ",\n    " : ", ") + literal(values[i]);
    return text;
}

int64_t bias_at(const Unit &unit) { return (unit.program.info.w_elements + 15) / 16 * 16; }
int64_t packed_elements(const Unit &unit) { return bias_at(unit) + unit.program.info.b_elements; }

std::string cpu_test(const std::string &feature) {
    if (feature == "intel") return "__builtin_cpu_is(\"intel\")";
    for (const char *x86 : {"sse4.1", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"})
        if (feature == x86) return "__builtin_cpu_supports(\"" + feature + "\")";
    // Bits of Linux' HWCAP.
    constexpr struct {
        const char *name;
        int bit;
    } arm[] = {{"asimd", 1}, {"fphp", 9}, {"asimdhp", 10}, {"asimddp", 20}};
    for (const auto &row : arm)
        if (feature == row.name) return "((getauxval(AT_HWCAP) >> " + std::to_string(row.bit) + ") & 1)";
    throw InputError("CPU feature " + feature + ": emitted code cannot ask for it");
}

std::string header(const Folder &folder) {
    const Request &r = *folder.request;
    const std::string big = upper(r.name);
    std::string text =
        "/* Depthwise 1-D convolutions of fixed shape. Written by dwconv emit; see README.md. */\n#ifndef " + big +
        "_H\n#define " + big +
        "_H\n\n#include <stddef.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n"
        "#endif\n\n/* What functions return: 0, or that this CPU runs none of the targets, or (packing) that a weight "
        "is\n"
        " * infinite or NaN and the layer leaves out taps that read only padding. */\n#define " +
        big + "_NO_TARGET 1\n#define " + big + "_NOT_FINITE 2\n\n/* The target that this CPU runs, or NULL:";
    for (const tuner::TunerTarget *target : folder.targets) text += std::string(" ") + target->name;
    text += ". */\nconst char *" + r.name + "_target(void);\n";
    for (const Layer &layer : r.layers) {
        const dwc_problem &p = layer.problem;
        const int64_t C = p.channels, Q = C * p.depth_multiplier, L = p.length, out = out_length(p), N = p.batch;
        int64_t weights = 0;
        for (const Unit *unit : folder.of(&layer)) weights = std::max(weights, packed_elements(*unit));
        const std::string name = r.name + "_" + layer.name, macro = upper(name);
        const auto shape = [&](int64_t time, int64_t channels) {
            const bool nlc = p.layout == DWC_NLC;
            return "(" + std::to_string(N) + ", " + std::to_string(nlc ? time : channels) + ", " +
                   std::to_string(nlc ? channels : time) + ")";
        };
        const auto size = [&](const char *what, int64_t elements) {
            text += "#define " + macro + "_" + what + " ((size_t)" + std::to_string(elements) + ")\n";
        };
        text += "\n/* " + problem_text(p) + "\n * x " + shape(L, C) + ", y " + shape(out, Q) + ", memory of its own";
        if (!r.embed_weights)
            text += ". `weights` come from " + name +
                    "_pack,\n * on this CPU, once; any number of threads may then use them; best aligned to 64 bytes";
        text += ". */\n";
        size("X", product({N, L, C}));
        size("Y", product({N, out, Q}));
        if (!r.embed_weights) {
            size("KERNEL", product({p.kernel_size, Q}));
            size("BIAS", p.has_bias ? Q : 0);
            size("WEIGHTS", weights);
        }
        text += "int " + name + "(" + arguments(r) + ");\n";
        if (!r.embed_weights)
            text += "/* kernel (" + std::to_string(p.kernel_size) + ", " + std::to_string(C) + ", " +
                    std::to_string(p.depth_multiplier) + ") as Keras has it, bias " +
                    (p.has_bias ? "(" + std::to_string(Q) + ")" : "NULL: the layer has none") + ". */\nint " + name +
                    "_pack(const float *kernel, const float *bias, float *weights);\n";
    }
    text += "\n/* All of them. Sizes in floats. */\nstruct " + r.name + "_entry {\n    const char *name, *problem;\n";
    text += r.embed_weights ? "    size_t x, y;\n"
                            : "    size_t x, y, kernel, bias, weights;\n"
                              "    int (*pack)(const float *kernel, const float *bias, float *weights);\n";
    return text + "    int (*run)(" + arguments(r) + ");\n};\n#define " + big + "_LAYERS " +
           std::to_string(r.layers.size()) + "\nextern const struct " + r.name + "_entry " + r.name + "_layers[" + big +
           "_LAYERS];\n\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
}

std::string dispatch_source(const Folder &folder) {
    const Request &r = *folder.request;
    std::string text = "/* Which target runs. Written by dwconv emit. */\n#include \"" + r.name +
                       ".h\"\n\n#include \"dwconv_emitted.h\"\n\n";
    const auto test = [](const tuner::TunerTarget *t) { return "has_" + identifier(t->name) + "()"; };
    bool hwcap = false;
    for (const tuner::TunerTarget *t : folder.targets)
        hwcap |= std::string(t->processor) == "aarch64" && !features(t).empty();
    if (hwcap) text += "#if defined(__aarch64__)\n#include <sys/auxv.h>\n#endif\n\n";
    text += by_processor(folder, [&](const tuner::TunerTarget *t) {
        std::string lines = "static int " + test(t).substr(0, test(t).size() - 2) + "(void) {\n    return ", all;
        for (const std::string &feature : asked_of(folder, t))
            all += (all.empty() ? "" : " &&\n           ") + cpu_test(feature);
        lines += (all.empty() ? "1" : all) + ";\n}\n";
        for (const Layer &layer : r.layers) {
            const std::string name = r.name + "_" + layer.name, end = "_" + identifier(t->name);
            lines += "DWC_HIDDEN void " + name + end + "(" + arguments(r) + ");\n";
            if (!r.embed_weights)
                lines += "DWC_HIDDEN int " + name + "_pack" + end +
                         "(const float *kernel, const float *bias, float *weights);\n";
        }
        return lines;
    });
    text += "\nconst char *" + r.name + "_target(void) {\n" +
            by_processor(
                folder,
                [&](const tuner::TunerTarget *t) { return "    if (" + test(t) + ") return \"" + t->name + "\";\n"; }) +
            "    return NULL;\n}\n";
    using Names = std::vector<std::string>;
    // `result`: what is returned where the target's function returns nothing.
    const auto function = [&](const std::string &name, const std::string &parameters, const Names &names,
                              const char *result) {
        std::string given, unused;
        for (const std::string &one : names) {
            given += (given.empty() ? "" : ", ") + one;
            unused += "    (void)" + one + ";\n";
        }
        text += "\nint " + name + "(" + parameters + ") {\n" +
                by_processor(folder,
                             [&](const tuner::TunerTarget *t) {
                                 return "    if (" + test(t) + ") return " + name + "_" + identifier(t->name) + "(" +
                                        given + ")" + result + ";\n";
                             }) +
                unused + "    return " + upper(r.name) + "_NO_TARGET;\n}\n";
    };
    for (const Layer &layer : r.layers) {
        const std::string name = r.name + "_" + layer.name;
        function(name, arguments(r), r.embed_weights ? Names{"x", "y"} : Names{"x", "weights", "y"}, ", 0");
        if (r.embed_weights) continue;
        function(name + "_pack", "const float *kernel, const float *bias, float *weights",
                 {"kernel", "bias", "weights"}, "");
    }
    text += "\nconst struct " + r.name + "_entry " + r.name + "_layers[] = {\n";
    for (const Layer &layer : r.layers) {
        const std::string name = r.name + "_" + layer.name, macro = upper(name);
        text +=
            "    {\"" + layer.name + "\", \"" + problem_text(layer.problem) + "\", " + macro + "_X, " + macro + "_Y, ";
        if (!r.embed_weights) text += macro + "_KERNEL, " + macro + "_BIAS, " + macro + "_WEIGHTS, " + name + "_pack, ";
        text += name + "},\n";
    }
    return text + "};\n";
}

std::string cmake_lists(const Folder &folder) {
    const Request &r = *folder.request;
    std::string sources, archives;
    std::vector<std::string> done;
    for (const tuner::TunerTarget *target : folder.targets)
        sources += " " + r.name + "_" + identifier(target->name) + ".c";
    for (const tuner::TunerTarget *first : folder.targets) {
        if (std::count(done.begin(), done.end(), first->processor)) continue;
        const bool x86 = std::string(first->processor) == "x86_64";
        archives += (done.empty() ? "if" : "elseif") + std::string("(CMAKE_SYSTEM_PROCESSOR MATCHES \"^(") +
                    (x86 ? "x86_64|AMD64|amd64" : "aarch64|arm64") + ")$\")\n    set(kernels";
        done.push_back(first->processor);
        std::vector<std::string> files;
        for (const Unit &unit : folder.units) {
            const std::string file = std::string("lib/") + unit.target->name + "/lib" + unit.symbol + ".a";
            if (std::string(unit.target->processor) == first->processor &&
                !std::count(files.begin(), files.end(), file))
                files.push_back(file);
        }
        for (const std::string &file : files) archives += "\n        ${CMAKE_CURRENT_SOURCE_DIR}/" + file;
        archives += ")\n";
    }
    return replaced(replaced(replaced(kCMakeLists, "@NAME@", r.name), "@SOURCES@", sources), "@KERNELS@", archives);
}

std::string readme(const Folder &folder) {
    const Request &r = *folder.request;
    std::string table;
    for (const Unit &unit : folder.units)
        table += "| " + unit.layer->name + " | `" + problem_text(unit.layer->problem) + "` | " + unit.target->name +
                 " | " + unit.kernel.name() + " | " + std::to_string(unit.code_bytes) + " |\n";
    return replaced(replaced(replaced(replaced(kReadme, "@NAME@", r.name), "@COMMAND@", r.command), "@TABLE@", table),
                    "@WEIGHTS@", r.embed_weights ? "baked in" : "passed in");
}

std::string example(const Folder &folder) {
    const Request &r = *folder.request;
    return replaced(replaced(kExample, "@NAME@", r.name), "@LAYERS@", upper(r.name) + "_LAYERS");
}

const char *runtime_header() { return kRuntimeHeader; }

}  // namespace dwc::emit
