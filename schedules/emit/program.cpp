#include "program.hpp"

#include <algorithm>

#include "../tuner/log.hpp"

namespace dwc::emit {
namespace {

using tuner::InputError;

constexpr size_t most_steps = 1 << 20;
// Steps that one turn of a loop may hold.
constexpr size_t longest_turn = 64;

template <typename T>
size_t index_in(std::vector<T> *all, const T &one) {
    const auto found = std::find(all->begin(), all->end(), one);
    if (found != all->end()) return static_cast<size_t>(found - all->begin());
    all->push_back(one);
    return all->size() - 1;
}

Shape shape_of(const dwc_step_view &view, int rank) {
    Shape shape{};
    for (int d = 0; d < rank; ++d) {
        shape.extent[d] = view.extent[d];
        shape.stride[d] = view.extent[d] > 1 ? view.stride[d] : d == 0 ? 1 : 0;  // of one element: never used
    }
    return shape;
}

struct Recording {
    Program program;
    bool too_many = false;

    void touch(const dwc_step_place &place, int64_t elements) {
        if (place.memory == DWC_IN_SCRATCH)
            program.scratch_elements = std::max(program.scratch_elements, place.offset + elements);
    }
    void add(const dwc_step &step) {
        Node node;
        node.kind = step.kind;
        const auto put = [&node](size_t i, const dwc_step_place &place) {
            node.memory[i] = place.memory;
            node.at[i] = place.offset;
        };
        switch (step.kind) {
            case DWC_STEP_STAGE: {
                const auto &s = step.as.stage;
                const Piece piece{s.steps, s.stride, s.length,     s.source_step,
                                  s.group, s.rows,   s.source_row, {s.residues, s.residues + s.planes}};
                node.shape = index_in(&program.pieces, piece);
                put(0, s.to), put(1, s.from);
                node.at[2] = s.first;
                touch(s.to, s.rows * s.planes * s.steps * s.group);
                break;
            }
            case DWC_STEP_CONV: {
                const auto &c = step.as.conv;
                const ConvShape shape{shape_of(c.x, 3),
                                      shape_of(c.w, 3),
                                      shape_of(c.b, 2),
                                      shape_of(c.y, 4),
                                      {c.taps, c.taps + c.tap_count},
                                      c.max_tap,
                                      c.step,
                                      {c.x_first[0], c.x_first[1]}};
                node.shape = index_in(&program.calls, shape);
                put(0, c.x.at), put(1, c.w.at), put(2, c.b.at), put(3, c.y.at);
                int64_t last = 0;
                for (int d = 0; d < 4; ++d) last += (c.y.extent[d] - 1) * shape.y.stride[d];
                touch(c.y.at, last + 1);
                break;
            }
            case DWC_STEP_SPREAD:
                node.shape = index_in(&program.spreads, shape_of(step.as.spread.y, 4));
                put(0, step.as.spread.from), put(1, step.as.spread.y.at);
                break;
            case DWC_STEP_COPY:
                node.shape = static_cast<size_t>(step.as.copy.count);
                put(0, step.as.copy.to), put(1, step.as.copy.from);
                break;
        }
        program.nodes.push_back(std::move(node));
        too_many = program.nodes.size() > most_steps;
    }
};

bool alike(const Node &a, const Node &b) {
    return a.kind == b.kind && a.shape == b.shape && a.memory == b.memory && a.per_turn == b.per_turn;
}

std::array<int64_t, 4> difference(const Node &a, const Node &b) {
    std::array<int64_t, 4> d;
    for (size_t i = 0; i < 4; ++i) d[i] = b.at[i] - a.at[i];
    return d;
}

// How often the `length` steps from `begin` on are repeated, each time by the same numbers further.
size_t turns(const std::vector<Node> &nodes, size_t begin, size_t length) {
    size_t count = 1;
    for (; begin + (count + 1) * length <= nodes.size(); ++count)
        for (size_t j = 0; j < length; ++j) {
            const Node &first = nodes[begin + j], &before = nodes[begin + (count - 1) * length + j];
            const Node &node = nodes[begin + count * length + j];
            if (!alike(first, node) || difference(before, node) != difference(first, nodes[begin + length + j]))
                return count;
        }
    return count;
}

// Folds steps (no loops yet) into loops, the outermost first.
std::vector<Node> folded(std::vector<Node> nodes) {
    std::vector<Node> result;
    for (size_t i = 0; i < nodes.size();) {
        size_t best_length = 0, best_turns = 1;
        for (size_t length = 1; length <= std::min(longest_turn, (nodes.size() - i) / 2); ++length) {
            if (!alike(nodes[i], nodes[i + length])) continue;
            const size_t count = turns(nodes, i, length);
            if (count > 1 && (count - 1) * length > std::max<size_t>((best_turns - 1) * best_length, 1))
                best_length = length, best_turns = count;
        }
        if (best_turns == 1) {
            result.push_back(std::move(nodes[i++]));
            continue;
        }
        Node loop;
        loop.count = static_cast<int64_t>(best_turns);
        for (size_t j = 0; j < best_length; ++j) {
            Node step = nodes[i + j];
            step.per_turn.push_back(difference(step, nodes[i + best_length + j]));
            loop.body.push_back(std::move(step));
        }
        loop.body = folded(std::move(loop.body));
        result.push_back(std::move(loop));
        i += best_turns * best_length;
    }
    return result;
}

}  // namespace

Program record(const dwc_problem &problem, const Kernel &kernel, const tuner::TunerTarget &target,
               bool finite_weights) {
    Recording recording;
    Program &program = recording.program;
    dwc_steps_info_init(&program.info);
    const dwc_kernel_row row = row_of(kernel.point, target);
    dwc_error error{};
    const auto callback = [](void *user, const dwc_step *step) {
        auto *into = static_cast<Recording *>(user);
        into->add(*step);
        return into->too_many ? 1 : 0;
    };
    if (dwc_kernel_steps(&problem, &row, finite_weights, &program.info, callback, &recording, &error) != DWC_OK)
        throw InputError(error.message);
    if (recording.too_many) {
        char text[300] = "this problem";
        dwc_problem_format(&problem, text, sizeof text, nullptr);
        throw InputError(std::string(text) + ": takes more than " + std::to_string(most_steps) +
                         " steps; use the library, which makes them as it goes");
    }
    for (const ConvShape &call : program.calls) program.leaves_out |= call.w.extent[2] < problem.kernel_size;
    program.nodes = folded(std::move(program.nodes));
    return program;
}

}  // namespace dwc::emit
