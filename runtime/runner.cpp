#include <algorithm>
#include <cstdio>
#include <cstring>

#include "cost.hpp"
#include "plan.hpp"
#include "stage.hpp"

namespace dwc {

std::string PackedLayout::key() const {
    char text[160];
    std::snprintf(text, sizeof text, "%s_%s_k%lld_c%lld_m%lld_p%lld", family_name(family),
                  dtype == DWC_BF16 ? "bf16" : "f32", static_cast<long long>(taps), static_cast<long long>(channels),
                  static_cast<long long>(multiplier), static_cast<long long>(period));
    return text;
}

void cut_row(int64_t count, int64_t first, int64_t step, int64_t last_tap, int64_t length, int64_t tile,
             bool straight_allowed, int group, std::vector<Stretch>* stretches) {
    // The interior: outputs whose taps all lie inside the row.
    int64_t begin = first >= 0 ? 0 : std::min((-first + step - 1) / step, count);
    const int64_t room = length - 1 - last_tap - first;  // step * t may not exceed it
    int64_t end = room < 0 ? 0 : std::min(room / step + 1, count);
    // A kernel computes at least a tile, so a staged end takes that much of the interior.
    if (begin > 0) begin = std::max(begin, tile);
    if (end < count) end = std::min(end, count - tile);
    if (!straight_allowed || end - begin < tile) {
        stretches->push_back({0, count, true, group});
        return;
    }
    if (begin > 0) stretches->push_back({0, begin, true, group});
    stretches->push_back({begin, end, false, group});
    if (end < count) stretches->push_back({end, count, true, group});
}

Runner::Runner(const Problem& problem, const ConvKernel& kernel, const ActivationRow* epilogue)
    : p_(problem),
      kernel_(kernel),
      epilogue_(epilogue),
      activation_(activation_kernel(problem.given.activation, problem.given.activation_params)),
      element_(element_size(problem.given.x_dtype)),
      planar_(dwc::planar(problem, kernel)) {
    if (kernel.family == Family::flat) period_ = flat_period(problem.given.channels, kernel.v);
}

PackedLayout Runner::packed() const {
    return {kernel_.family,    p_.given.w_dtype,          p_.given.kernel_size,
            p_.given.channels, p_.given.depth_multiplier, period_};
}

void Runner::cut_batch(int parts) {
    for (int64_t i = 0; i < parts; ++i) {
        Task t = whole();
        t.n0 = p_.given.batch * i / parts, t.n1 = p_.given.batch * (i + 1) / parts;
        tasks_.push_back(t);
    }
}

void Runner::cut_channels(int parts, int64_t block) {
    const int64_t blocks = p_.given.channels / block;  // the last block takes the rest
    for (int64_t i = 0; i < parts; ++i) {
        Task t = whole();
        t.c0 = blocks * i / parts * block;
        if (i + 1 < parts) t.c1 = blocks * (i + 1) / parts * block;
        tasks_.push_back(t);
    }
}

int64_t Runner::outputs() const {
    int64_t sum = 0;
    for (const Stretch& s : stretches_) sum += (s.end - s.begin) * s.rows;
    return sum;
}

void Runner::cut_time(int parts, int64_t least) {
    std::vector<Stretch> cut;
    std::vector<int64_t> ends;  // of tasks, as numbers of stretches
    const int64_t all = outputs();
    int64_t done = 0;
    for (Stretch rest : stretches_) {
        while (static_cast<int>(ends.size()) + 1 < parts) {
            const int64_t length = rest.end - rest.begin;
            const int64_t end = all / parts * (static_cast<int64_t>(ends.size()) + 1) - done;
            if (end > length * rest.rows) break;
            // Where a part would be too short for the kernel, the task ends with the stretch, or before it.
            const int64_t outputs = end / rest.rows;
            if (outputs >= least && length - outputs >= least) {
                Stretch part = rest;
                rest.begin = part.end = rest.begin + outputs;
                cut.push_back(part);
                done += outputs * rest.rows;
            } else if (2 * outputs > length) {
                break;
            }
            ends.push_back(static_cast<int64_t>(cut.size()));
        }
        cut.push_back(rest);
        done += (rest.end - rest.begin) * rest.rows;
    }
    stretches_ = std::move(cut);
    ends.push_back(static_cast<int64_t>(stretches_.size()));
    for (int64_t from = 0; const int64_t to : ends) {
        Task t = whole();
        t.s0 = from, t.s1 = to;
        if (from < to) tasks_.push_back(t);
        from = to;
    }
}

void Runner::cut(int threads, const Grain& grain) {
    const int64_t N = p_.given.batch, blocks = p_.given.channels / grain.channels;
    const bool time = !p_.given.stateful && outputs() >= 2 * threads * grain.outputs;
    const bool even = N % threads == 0 || N >= 4 * threads;
    if (threads <= N && (even || !time))
        cut_batch(threads);
    else if (time && (grain.time_first || threads > blocks))
        cut_time(threads, grain.outputs);
    else if (threads <= blocks)
        cut_channels(threads, grain.channels);
    else if (N >= blocks)
        cut_batch(static_cast<int>(N));
    else
        cut_channels(static_cast<int>(blocks), grain.channels);
}

Taps Runner::taps_inside(const Reach& reach, const Job& job) const {
    const int64_t K = p_.given.kernel_size;
    if (kernel_.k || p_.given.stateful || !job.zeros_add_nothing) return {0, K};
    // The first tap that reads `element` or what comes after it.
    const auto tap_at = [&](int64_t from, int64_t element) {
        return element <= from ? 0 : (element - from - 1) / reach.step + 1;
    };
    const int64_t begin = std::min(tap_at(reach.last, 0), K - 1);
    return {begin, std::clamp(tap_at(reach.first, reach.length), begin + 1, K) - begin};
}

void Runner::fill(const Job& job, const char* row, const Piece& piece, const Place& place) const {
    if (job.recorder) return job.recorder->stage(job.scratch, row, piece);
    stage(job.scratch, row, piece, element_);
    stage_context(job.scratch, piece, job.context, place, element_);
}

void Runner::copy(const Job& job, char* dst, const char* src, int64_t elements) const {
    if (job.recorder) return job.recorder->copy(dst, src, elements);
    std::memcpy(dst, src, static_cast<size_t>(elements * element_));
}

// An elementwise kernel reads y again, and so does what turns a tile of it back: it stays in the caches.
void Runner::form(Form wanted) {
    if (turned(p_, kernel_)) wanted = Form::plain;
    if (wanted == Form::stream && (!kernel_.stream || epilogue_)) wanted = Form::ahead;
    form_ = wanted == Form::ahead && !kernel_.ahead ? Form::plain : wanted;
}

int Runner::call(const ConvCall& call, int64_t count, int64_t rows, int64_t row_stride, const Job& job) const {
    if (planar()) return call_planar(call, job);
    if (job.recorder) return job.recorder->conv(call), 0;
    if (const int code = call_conv(kernel_, call, form_, *job.error)) return code;
    return epilogue_ ? activate(static_cast<float*>(call.y.data), count, rows, row_stride, job) : 0;
}

namespace {

// y(m, i) = planes(i, m) for `count` positions i. M known to the compiler (0: `multiplier`) makes the inner loop a run
// of loads and stores.
template <int M>
void interleave(const float* planes, int64_t apart, int64_t multiplier, int64_t count, float* y) {
    const int64_t ms = M ? M : multiplier;
    for (int64_t i = 0; i < count; ++i)
        for (int64_t m = 0; m < ms; ++m) y[i * ms + m] = planes[m * apart + i];
}

constexpr decltype(&interleave<0>) interleaves[] = {interleave<0>, interleave<0>, interleave<2>,
                                                    interleave<3>, interleave<4>, interleave<5>,
                                                    interleave<6>, interleave<7>, interleave<8>};

}  // namespace

int Runner::call_planar(const ConvCall& all, const Job& job) const {
    const Axis &i = all.y.axis[1], &j = all.y.axis[2], &n = all.y.axis[3];
    const int64_t M = p_.given.depth_multiplier, plane = i.extent * j.extent * n.extent;
    float* planes = reinterpret_cast<float*>(job.scratch + planar_at());
    for (int64_t m = 0; m < M; ++m) {
        ConvCall one = all;
        one.w.data = static_cast<char*>(all.w.data) + m * all.w.axis[0].stride * element_;
        one.b.data = static_cast<char*>(all.b.data) + m * all.b.axis[0].stride * element_;
        one.w.axis[0].extent = one.b.axis[0].extent = 1;
        one.y = {planes + m * plane, {{1, 1}, {i.extent, 1}, {j.extent, i.extent}, {n.extent, i.extent * j.extent}}};
        if (job.recorder)
            job.recorder->conv(one);
        else if (const int code = call_conv(kernel_, one, Form::plain, *job.error))
            return code;
    }
    if (job.recorder) return job.recorder->spread(planes, all.y), 0;
    if (epilogue_)
        if (const int code = activate(planes, plane * M, 1, 0, job)) return code;
    const auto put = interleaves[M < 9 ? M : 0];
    for (int64_t b = 0; b < n.extent; ++b)
        for (int64_t r = 0; r < j.extent; ++r)
            put(planes + (b * j.extent + r) * i.extent, plane, M, i.extent,
                static_cast<float*>(all.y.data) + r * j.stride + b * n.stride);
    return 0;
}

int Runner::activate(float* y, int64_t count, int64_t rows, int64_t row_stride, const Job& job) const {
    return call_activation(*epilogue_, activation_.p, y, count, rows, row_stride, *job.error);
}

}  // namespace dwc
