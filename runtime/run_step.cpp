// Runner of decode steps (both layouts): one new input a sequence, the other taps in its carried state, which the
// runner moves on, too. Where the kernel has the form for it, one pass does all of that, over all sequences whose slots
// lie side by side. Elsewhere a line of channels is crossed by one `flat` call, the taps being offsets from the lower
// of state and input to the rows of the state and to x, and the rows are moved by copies while the caches hold them.
#include <algorithm>
#include <cstring>

#include "cost.hpp"
#include "plan.hpp"

namespace dwc {
namespace {

class StepRunner final : public Runner {
   public:
    StepRunner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads)
        : Runner(p, k, e),
          one_pass_(p.given.depth_multiplier == 1 && p.given.dilation == 1 && k.step(p.given.kernel_size).in_place) {
        const int64_t K = p.given.kernel_size, M = p.given.depth_multiplier;
        const auto vectors = [&](int64_t channels) { return std::max<int64_t>(channels / k.v, 1) * k.v; };
        block_ = vectors(activation_tile / M - k.v);
        gathered_ = std::min(vectors(tile_elements() / (2 * K)), block_);
        taps_at_ = K * (gathered_ + k.v) * element_;
        staging_bytes_ = taps_at_ + K * static_cast<int64_t>(sizeof(int32_t));
        slot_bytes_ = state_steps(p) * p.given.channels * element_;
        stretches_.push_back({0, 1, false, 0});
        cut(threads, {k.v, 1, false});
    }

    // As for family `channels` (Keras' own order), so that the plans of a prompt and of its steps share weights.
    PackedLayout packed() const override {
        const dwc_problem& g = p_.given;
        return {Family::channels, g.w_dtype, g.kernel_size, g.channels, g.depth_multiplier, 0};
    }

    bool moves_state() const override { return true; }

    int run(const Task& task, const Job& job) const override {
        const Context& context = job.context;
        if (one_pass_ && context.rows && context.next) return pass(task, job);
        for (int64_t n = task.n0; n < task.n1; ++n) {
            const int64_t slot = (n - task.n0) * slot_bytes_;
            const char* rows = context.rows ? context.rows + slot : nullptr;
            if (const int code = one(n, task, rows, context.next ? context.next + slot : nullptr, job)) return code;
        }
        return 0;
    }

   private:
    bool one_pass_;
    // Channels of a block that reads state and input in place, and of one that copies them first.
    int64_t block_, gathered_;
    int64_t taps_at_, slot_bytes_;

    // No block is narrower than a vector.
    int64_t end_of(int64_t c, int64_t end, int64_t block) const {
        return end - c < block + kernel_.v ? end : c + block;
    }

    // Reads the state and moves it on in one pass.
    int pass(const Task& task, const Job& job) const {
        const int64_t C = p_.given.channels, K = p_.given.kernel_size, slot = slot_bytes_ / element_;
        const int64_t most = std::max<int64_t>(largest_span / std::max({slot, p_.x.n, p_.y.n, C}), 1);
        const int64_t sequences = epilogue_ ? std::clamp<int64_t>(activation_tile / C, 1, most) : most;
        for (int64_t n = task.n0, n1; n < task.n1; n = n1) {
            n1 = std::min(n + sequences, task.n1);
            for (int64_t c = task.c0, end; c < task.c1; c = end) {
                end = epilogue_ ? end_of(c, task.c1, block_) : task.c1;
                const int64_t at = (n - task.n0) * slot_bytes_ + c * element_;
                char* y = job.y + (n * p_.y.n + c) * element_;
                const StepCall call{.x = job.x + (n * p_.x.n + c) * element_,
                                    .w = job.weights + c * element_,
                                    .b = job.bias + c * element_,
                                    .y = y,
                                    .state = job.context.rows + at,
                                    .next = job.context.next + at,
                                    .channels = end - c,
                                    .sequences = n1 - n,
                                    .taps = K,
                                    .row = C,
                                    .x_next = p_.x.n,
                                    .y_next = p_.y.n,
                                    .slot = slot,
                                    .parameters = activation_.p};
                if (const int code = call_step(kernel_, call, *job.error)) return code;
                if (!epilogue_) continue;
                if (const int code = activate(reinterpret_cast<float*>(y), end - c, n1 - n, p_.y.n, job)) return code;
            }
        }
        return 0;
    }

    // One sequence by the plain kernel, its state, if it is kept, by copies.
    int one(int64_t n, const Task& task, const char* rows, char* next, const Job& job) const {
        auto* taps = reinterpret_cast<int32_t*>(job.scratch + taps_at_);
        const char* x = job.x + n * p_.x.n * element_;
        const char* lowest = offsets(rows, x, taps);
        for (int64_t c = task.c0, end; c < task.c1; c = end) {
            end = end_of(c, task.c1, lowest ? block_ : gathered_);
            const int64_t at = c * element_;
            if (!lowest) gather(rows ? rows + at : nullptr, x + at, end - c, job.scratch, taps);
            if (const int code = step(n, c, end - c, lowest ? lowest + at : job.scratch, taps, job)) return code;
            if (next) update_state(p_, x, rows, next, c, end);
        }
        return 0;
    }

    // Channels [c, c + count), whose taps lie at these offsets from `lowest`.
    int step(int64_t n, int64_t c, int64_t count, const char* lowest, const int32_t* taps, const Job& job) const {
        const dwc_problem& g = p_.given;
        const int64_t C = g.channels, M = g.depth_multiplier, K = g.kernel_size;
        ConvCall call{};
        call.taps = taps;
        call.tap_count = static_cast<int32_t>(K);
        call.max_tap = *std::max_element(taps, taps + K);
        call.x = {const_cast<char*>(lowest), {{count + call.max_tap, 1}, {1, count}, {1, 0}}};
        call.w = {const_cast<char*>(job.weights) + c * element_, {{M, C}, {count, 1}, {K, M * C}}};
        call.b = {const_cast<char*>(job.bias) + c * element_, {{M, C}, {count, 1}}};
        char* y = job.y + (n * p_.y.n + c * M) * element_;
        call.y = {y, {{M, 1}, {count, M}, {1, count * M}, {1, 0}}};
        call.step = 1;
        call.parameters = activation_.p;
        return Runner::call(call, count * M, 1, 0, job);
    }

    // Where the taps lie, in elements from the lower of state and x, which is returned; nullptr where there is no state
    // or 32 bits do not reach.
    const char* offsets(const char* state, const char* x, int32_t* taps) const {
        const int64_t K = p_.given.kernel_size, apart = p_.given.dilation * p_.given.channels;
        if (K == 1) return *taps = 0, x;
        if (!state) return nullptr;
        // As numbers: the two belong to different objects.
        const auto s = reinterpret_cast<uintptr_t>(state), u = reinterpret_cast<uintptr_t>(x);
        const uintptr_t low = std::min(s, u), unit = static_cast<uintptr_t>(element_);
        const uintptr_t farthest = std::max(u - low, s - low + static_cast<uintptr_t>((K - 2) * apart) * unit);
        if ((u - low) % unit || (s - low) % unit || farthest / unit > static_cast<uintptr_t>(largest_span / 2))
            return nullptr;
        for (int64_t k = 0; k + 1 < K; ++k)
            taps[k] = static_cast<int32_t>(static_cast<int64_t>((s - low) / unit) + k * apart);
        taps[K - 1] = static_cast<int32_t>((u - low) / unit);
        return reinterpret_cast<const char*>(low);
    }

    // Copies of the rows that the taps read, side by side; zeros before the first input.
    void gather(const char* state, const char* x, int64_t count, char* scratch, int32_t* taps) const {
        const int64_t K = p_.given.kernel_size, apart = p_.given.dilation * p_.given.channels;
        const auto bytes = static_cast<size_t>(count * element_);
        for (int64_t k = 0; k < K; ++k) {
            char* row = scratch + k * count * element_;
            taps[k] = static_cast<int32_t>(k * count);
            if (k + 1 == K)
                std::memcpy(row, x, bytes);
            else if (state)
                std::memcpy(row, state + k * apart * element_, bytes);
            else
                std::memset(row, 0, bytes);
        }
    }
};

}  // namespace

std::unique_ptr<Runner> make_step_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads) {
    return std::make_unique<StepRunner>(p, k, e, threads);
}

}  // namespace dwc
