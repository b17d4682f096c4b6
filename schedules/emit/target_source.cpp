// NAME_<target>.c: the layers on one target, each its steps.
#include <array>
#include <cmath>
#include <cstdio>

#include "sources.hpp"

namespace dwc::emit {
namespace {

std::string number(int64_t value) { return std::to_string(value); }

template <typename T>
std::string integers(const std::vector<T> &values) {
    std::string text;
    for (size_t i = 0; i < values.size(); ++i)
        text += (i == 0 ? "" : i % 16 == 0 ? ",\n    " : ", ") + number(static_cast<int64_t>(values[i]));
    return text;
}

// `first`: the positions of the first element along axes 0 and 1.
std::string axes(const Shape &shape, int rank, std::array<int32_t, 2> first = {0, 0}) {
    std::string text = "{";
    for (int d = 0; d < rank; ++d)
        text += (d ? ", {" : "{") + number(d < 2 ? first[static_cast<size_t>(d)] : 0) + ", " + number(shape.extent[d]) +
                ", " + number(shape.stride[d]) + ", 0}";
    return text + "}";
}

// What the steps of one layer refer to.
std::string tables(const Unit &unit) {
    const std::string &layer = unit.layer->name;
    const Program &p = unit.program;
    std::string text;
    for (size_t i = 0; i < p.pieces.size(); ++i)
        text += "static const int64_t " + layer + "_residues" + number(i) + "[] = {" + integers(p.pieces[i].residues) +
                "};\n";
    if (!p.pieces.empty()) {
        text += "static const struct dwc_piece " + layer + "_pieces[] = {\n";
        for (size_t i = 0; i < p.pieces.size(); ++i) {
            const Piece &s = p.pieces[i];
            text += "    {" + number(s.steps) + ", " + number(s.stride) + ", " +
                    number(static_cast<int64_t>(s.residues.size())) + ", " + number(s.length) + ", " +
                    number(s.source_step) + ", " + number(s.group) + ", " + number(s.rows) + ", " +
                    number(s.source_row) + ", " + layer + "_residues" + number(i) + "},\n";
        }
        text += "};\n";
    }
    for (size_t i = 0; i < p.calls.size(); ++i)
        text += "static const int32_t " + layer + "_taps" + number(i) + "[] = {" +
                (p.calls[i].taps.empty() ? "0" : integers(p.calls[i].taps)) + "};\n";
    text += "static const struct dwc_call " + layer + "_calls[] = {\n";
    for (size_t i = 0; i < p.calls.size(); ++i) {
        const ConvShape &c = p.calls[i];
        const auto taps = static_cast<int64_t>(c.taps.empty() ? 1 : c.taps.size());
        text += "    {" + axes(c.x, 3, c.x_first) + ",\n     " + axes(c.w, 3) + ",\n     " + axes(c.b, 2) + ",\n     " +
                axes(c.y, 4) + ",\n     {{0, " + number(taps) + ", 1, 0}}, " + layer + "_taps" + number(i) + ", " +
                number(c.max_tap) + ", " + number(c.step) + "},\n";
    }
    text += "};\n";
    for (size_t i = 0; i < p.spreads.size(); ++i)
        text +=
            "static const struct dwc_axis " + layer + "_spread" + number(i) + "[] = " + axes(p.spreads[i], 4) + ";\n";
    const float *q = p.info.parameters;
    text += "static const float " + layer + "_parameters[] = {" + literal(q[0]) + ", " + literal(q[1]) + ", " +
            literal(q[2]) + "};\n";
    return text;
}

const char *memory_name(dwc_step_memory memory) {
    switch (memory) {
        case DWC_IN_X:
            return "x";
        case DWC_IN_W:
            return "weights";
        case DWC_IN_B:
            return "bias";
        case DWC_IN_Y:
            return "y";
        case DWC_IN_SCRATCH:
            return "tile";
    }
    return "";
}

// The number at position `i` of a step inside its loops: "96 + 384 * i0".
std::string sum(const Node &node, size_t i) {
    std::string text = node.at[i] ? number(node.at[i]) : "";
    for (size_t loop = 0; loop < node.per_turn.size(); ++loop) {
        const int64_t step = node.per_turn[loop][i];
        if (step == 0) continue;
        if (!text.empty()) text += step < 0 ? " - " : " + ";
        if (text.empty() && step < 0) text = "-";
        text +=
            (std::llabs(step) == 1 ? "" : number(std::llabs(step)) + " * ") + "i" + number(static_cast<int64_t>(loop));
    }
    return text;
}

std::string place(const Node &node, size_t i) {
    const std::string offset = sum(node, i), name = memory_name(node.memory[i]);
    if (offset.empty()) return name;
    return offset[0] == '-' ? name + " - " + offset.substr(1) : name + " + " + offset;
}

std::string step_line(const Unit &unit, const Node &node) {
    const std::string &layer = unit.layer->name;
    const std::string shape = number(static_cast<int64_t>(node.shape));
    switch (node.kind) {
        case DWC_STEP_STAGE: {
            const std::string first = sum(node, 2);
            return "dwc_stage(&" + layer + "_pieces[" + shape + "], " + place(node, 0) + ", " + place(node, 1) + ", " +
                   (first.empty() ? "0" : first) + ");";
        }
        case DWC_STEP_CONV:
            return "dwc_conv(" + unit.symbol + ", &" + layer + "_calls[" + shape + "], " + layer + "_parameters, " +
                   place(node, 0) + ", " + place(node, 1) + ", " + place(node, 2) + ", " + place(node, 3) + ");";
        case DWC_STEP_SPREAD:
            return "dwc_spread(" + layer + "_spread" + shape + ", " + place(node, 0) + ", " + place(node, 1) + ");";
        case DWC_STEP_COPY:
            return "memcpy(" + place(node, 0) + ", " + place(node, 1) + ", " + shape + " * sizeof *y);";
    }
    return "";
}

std::string statements(const Unit &unit, const std::vector<Node> &nodes, int depth, int indent) {
    const std::string space(static_cast<size_t>(indent) * 4, ' ');
    std::string text;
    for (const Node &node : nodes) {
        if (node.count == 0) {
            text += space + step_line(unit, node) + "\n";
            continue;
        }
        const std::string i = "i" + number(depth);
        text += space + "for (int64_t " + i + " = 0; " + i + " < " + number(node.count) + "; ++" + i + ") {\n" +
                statements(unit, node.body, depth + 1, indent + 1) + space + "}\n";
    }
    return text;
}

std::vector<float> packed(const Unit &unit) {
    const dwc_steps_info &info = unit.program.info;
    const dwc_problem &p = unit.layer->problem;
    const int64_t K = p.kernel_size, C = p.channels, M = p.depth_multiplier;
    std::vector<float> all(static_cast<size_t>(packed_elements(unit)));
    for (int64_t m = 0; m < M; ++m)
        for (int64_t q = 0; q < info.positions; ++q) {
            const int64_t c = q % C;
            for (int64_t j = 0; j < K; ++j)
                all[static_cast<size_t>(m * info.w_stride[0] + q * info.w_stride[1] + j * info.w_stride[2])] =
                    unit.layer->kernel[static_cast<size_t>((j * C + c) * M + m)];
            if (!unit.layer->bias.empty())
                all[static_cast<size_t>(bias_at(unit) + m * info.b_stride[0] + q * info.b_stride[1])] =
                    unit.layer->bias[static_cast<size_t>(c * M + m)];
        }
    return all;
}

std::string packing(const Request &request, const Unit &unit) {
    const dwc_steps_info &i = unit.program.info;
    const dwc_problem &p = unit.layer->problem;
    const std::string check = unit.program.leaves_out
                                  ? "    if (!dwc_finite(kernel, " +
                                        number(static_cast<int64_t>(p.kernel_size * p.channels * p.depth_multiplier)) +
                                        ")) return " + upper(request.name) + "_NOT_FINITE;\n"
                                  : "";
    return check + "    static const struct dwc_packing how = {" + number(p.kernel_size) + ", " + number(p.channels) +
           ", " + number(p.depth_multiplier) + ", " + number(i.positions) + ", {" + number(i.w_stride[0]) + ", " +
           number(i.w_stride[1]) + ", " + number(i.w_stride[2]) + "}, {" + number(i.b_stride[0]) + ", " +
           number(i.b_stride[1]) + "}, " + number(bias_at(unit)) +
           "};\n    dwc_pack(&how, kernel, bias, packed);\n    return 0;\n";
}

std::string function(const Request &request, const Unit &unit) {
    const std::string name = request.name + "_" + unit.layer->name, end = "_" + identifier(unit.target->name);
    const std::string weights = request.embed_weights ? "" : "const float *weights, ";
    const std::string head = "DWC_HIDDEN DWC_TARGET void " + name + end + "(const float *x, " + weights + "float *y)";
    const Program &p = unit.program;
    char problem[300] = "";
    dwc_problem_format(&unit.layer->problem, problem, sizeof problem, nullptr);
    std::string text = std::string("\n/* ") + problem + " */\n" + tables(unit);
    if (request.embed_weights)
        text += "static const _Alignas(64) float " + unit.layer->name + "_weights[] = {\n    " +
                float_list(packed(unit)) + "};\n";
    text += head + ";\n" + head + " {\n";
    if (request.embed_weights) text += "    const float *const weights = " + unit.layer->name + "_weights;\n";
    text += "    const float *const bias = weights + " + number(bias_at(unit)) + ";\n";
    if (p.scratch_elements) text += "    _Alignas(64) float tile[" + number(p.scratch_elements) + "];\n";
    const int64_t batch = unit.layer->problem.batch;
    if (batch > 1) {
        text += "    for (int n = 0; n < " + number(batch) + "; ++n, x += " + number(p.info.x_batch) +
                ", y += " + number(p.info.y_batch) + ") {\n" + statements(unit, p.nodes, 0, 2) + "    }\n}\n";
    } else {
        text += statements(unit, p.nodes, 0, 1) + "}\n";
    }
    if (request.embed_weights) return text;
    const std::string pack =
        "DWC_HIDDEN int " + name + "_pack" + end + "(const float *kernel, const float *bias, float *packed)";
    return text + pack + ";\n" + pack + " {\n" + packing(request, unit) + "}\n";
}

}  // namespace

std::string target_source(const Folder &folder, const tuner::TunerTarget *target) {
    const Request &request = *folder.request;
    std::string text = "/* " + request.name + " on " + target->name + ". Written by dwconv emit. */\n";
    text += std::string("#if defined(__") + target->processor + "__)\n";
    if (std::string(target->cpu).find("avx2") != std::string::npos) text += "#define DWC_COPY_AVX2\n";
    text += "#include <math.h>\n\n#include \"" + request.name + ".h\"\n\n#include \"dwconv_emitted.h\"\n\n";
    std::vector<std::string> declared;
    for (const Unit *unit : folder.of(target)) {
        bool known = false;
        for (const std::string &symbol : declared) known |= symbol == unit->symbol;
        if (known) continue;
        declared.push_back(unit->symbol);
        text += "extern dwc_kernel " + unit->symbol + ";\n";
    }
    for (const Unit *unit : folder.of(target)) text += function(request, *unit);
    return text + "#else\ntypedef int " + request.name + "_" + identifier(target->name) + "_unused;\n#endif\n";
}

}  // namespace dwc::emit
