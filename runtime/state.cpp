#include "state.hpp"

#include <algorithm>
#include <cstring>

namespace dwc {

void stage_context(void* dst, const Piece& piece, const Context& context, const Place& place, int64_t element) {
    if (!context.rows) return;
    const int64_t planes = piece.phases->count(), bytes = piece.group * element;
    char* to = static_cast<char*>(dst);
    for (int64_t i = 0; i < piece.rows; ++i)
        for (int64_t r = 0; r < planes; ++r) {
            const int64_t start = place.time + piece.phases->residues[static_cast<size_t>(r)] + i * place.time_row;
            const char* from = context.rows + (place.channel + i * place.channel_row) * element;
            for (int64_t k = 0; k < piece.steps; ++k) {
                const int64_t time = start + k * place.time_step;
                if (time >= 0) break;
                std::memcpy(to + ((i * planes + r) * piece.steps + k) * bytes,
                            from + (context.steps + time) * context.channels * element, static_cast<size_t>(bytes));
            }
        }
}

namespace {

template <typename T>
void gather(const char* x, int64_t apart, char* out, int64_t count) {
    for (int64_t c = 0; c < count; ++c) reinterpret_cast<T*>(out)[c] = reinterpret_cast<const T*>(x)[c * apart];
}

}  // namespace

void update_state(const Problem& problem, const char* x, const char* in, char* out, int64_t c0, int64_t c1) {
    const int64_t steps = state_steps(problem), C = problem.given.channels, L = problem.given.length;
    const int64_t element = element_size(problem.given.x_dtype), kept = std::max<int64_t>(steps - L, 0);
    const auto bytes = static_cast<size_t>((c1 - c0) * element);
    const auto at = [&](int64_t row) { return (row * C + c0) * element; };
    if (!in) {
        for (int64_t i = 0; i < kept; ++i) std::memset(out + at(i), 0, bytes);
    } else if (c1 - c0 == C) {
        if (kept && (in != out || L > 0))
            std::memmove(out, in + L * C * element, static_cast<size_t>(kept * C * element));
    } else {
        // Ascending: where `in` is `out`, a row is read before it is written.
        for (int64_t i = 0; i < kept && (in != out || L > 0); ++i) std::memcpy(out + at(i), in + at(i + L), bytes);
    }
    for (int64_t i = kept; i < steps; ++i) {
        const char* row = x + ((i + L - steps) * problem.x.t + c0 * problem.x.c) * element;
        if (problem.x.c == 1) {
            std::memcpy(out + at(i), row, bytes);
        } else if (element == 4) {
            gather<uint32_t>(row, problem.x.c, out + at(i), c1 - c0);
        } else {
            gather<uint16_t>(row, problem.x.c, out + at(i), c1 - c0);
        }
    }
}

}  // namespace dwc
