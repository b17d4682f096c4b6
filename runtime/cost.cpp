#include "cost.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "activation.hpp"
#include "plan.hpp"
#include "text.hpp"

namespace dwc {
namespace {

// Elements along a line that tap offsets span at most: a view of 16 of them stays below 2^31.
constexpr int64_t longest_reach = int64_t{1} << 27;

constexpr Refusal too_far{"the kernel reaches too far for 32-bit offsets"};

// Steps that the staged phases of a line hold at most for a tile of outputs: see Phases in stage.hpp.
int64_t reach(const Problem& p, int64_t tile) {
    const int64_t phases = std::min({p.given.stride, p.given.kernel_size, longest_reach});
    return std::min(p.effective_kernel, 2 * longest_reach) + phases * std::min(tile, int64_t{1} << 16);
}

// Why a kernel for nlc cannot compute tiles of ncl turned round, or nothing.
Refusal refusal_to_turn(const Problem& p, const ConvKernel& k) {
    constexpr int64_t most_steps = 1 << 14;  // of the smallest tile
    const dwc_problem& g = p.given;
    if (targets()[k.target].processor != std::string_view("x86_64")) return {"for layout nlc"};
    if (k.dtype != DWC_F32) return {"only tiles of f32 are turned round"};
    if (k.m == 0) return {"for layout nlc"};
    const int64_t least = saturating_product(g.dilation, k.t);
    if (least > most_steps / g.stride || p.effective_kernel > most_steps) return {"a tile would hold too many steps"};
    if (g.channels < k.v && !merges_sequences(p, k))
        return {"needs %lld channels, there are %lld", nullptr, {k.v, static_cast<long long>(g.channels)}};
    return {};
}

// What a device's kernel asks of the problem besides layout, kernel size, multiplier and dtype.
Refusal device_refusal(const Problem& p, const ConvKernel& k) {
    const dwc_problem& g = p.given;
    if (k.stride && (g.stride > 1 || g.dilation > 1)) return {"compiled for neighbouring taps"};
    // Times are counted in 32 bits, beyond the last tile's end as well.
    const int64_t beyond = std::max({g.pad_left, p.effective_kernel, saturating_product(p.out_length + 64, g.stride)});
    if (beyond > largest_span / 4) return too_far;
    const int64_t sequences = device_batch(p);
    if (sequences == 0) return {"one sequence spans 2^31 elements or more"};
    const bool opencl = targets()[k.target].device == DeviceKind::opencl;
    if (sequences < g.batch && opencl) return {"an OpenCL buffer of 2^31 elements or more cannot be cut"};
    if (k.v == 1) return {};
    const auto whole = [&](int64_t elements) { return elements % k.v == 0; };
    const bool y_whole = (g.batch == 1 || whole(p.y.n)) && (p.out_length == 1 || p.y.t == 1 || whole(p.y.t)) &&
                         (p.out_channels == 1 || p.y.c == 1 || whole(p.y.c));
    const bool x_whole = (g.batch == 1 || whole(p.x.n)) && (g.length == 1 || whole(p.x.t));
    if (k.family == Family::gpuncl && !(whole(p.out_length) && y_whole))
        return {"needs rows of y of whole vectors of %lld", nullptr, {k.v}};
    if (k.family == Family::gpunlc && !(whole(g.channels) && y_whole && x_whole))
        return {"needs whole vectors of %lld channels", nullptr, {k.v}};
    return {};
}

}  // namespace

int64_t device_batch(const Problem& p) {
    constexpr int64_t most = largest_span - (int64_t{1} << 16);
    const dwc_problem& g = p.given;
    const int64_t before = std::max<int64_t>(g.batch - 1, 0);
    const int64_t one = std::max(p.x_span - before * p.x.n, p.y_span - before * p.y.n);
    if (one > most) return 0;
    const int64_t apart = std::max({p.x.n, p.y.n, int64_t{1}});
    return std::clamp<int64_t>((most - one) / apart + 1, 1, std::max<int64_t>(g.batch, 1));
}

Refusal refusal(const Problem& p, const ConvKernel& k) {
    const dwc_problem& g = p.given;
    const auto number = [](int64_t v) { return static_cast<long long>(v); };
    if (g.x_dtype != k.dtype || g.w_dtype != k.dtype || g.y_dtype != k.dtype) return {"other dtype"};
    const dwc_layout layout = k.family == Family::width || k.family == Family::gpuncl ? DWC_NCL : DWC_NLC;
    const bool step = is_step(p) && k.family == Family::flat, turn = turned(p, k);
    if (g.layout != layout && !step && !turn) return {layout == DWC_NCL ? "for layout ncl" : "for layout nlc"};
    if (k.k && k.k != g.kernel_size) return {"compiled for kernel_size %lld", nullptr, {k.k}};
    const bool one_by_one = planar(p, k) || (turn && k.m == 1);
    if (k.m && k.m != g.depth_multiplier && !one_by_one) return {"compiled for depth_multiplier %lld", nullptr, {k.m}};

    const ActivationKernel wanted = activation_kernel(g.activation, g.activation_params);
    if (std::string_view(k.activation) != "linear" && std::string_view(k.activation) != wanted.function)
        return {"fuses %s", k.activation};
    if (k.dtype != DWC_F32 && std::string_view(k.activation) != wanted.function)
        return {"elementwise activations run on f32 outputs only"};

    switch (k.family) {
        case Family::gpunlc:
        case Family::gpuncl:
            return device_refusal(p, k);
        case Family::channels:
            if (k.stride && k.stride != g.stride) return {"compiled for stride %lld", nullptr, {k.stride}};
            if (turn) return refusal_to_turn(p, k);
            if (g.channels < k.v) return {"needs %lld channels, there are %lld", nullptr, {k.v, number(g.channels)}};
            if (k.t > 1 && static_cast<double>(g.dilation) * static_cast<double>(p.y.t) * k.t > 0x7fffffff)
                return {"the rows of a tile lie too far apart for 32-bit strides"};
            if (phase_rows(p) < k.t)
                return {"needs %lld outputs in a row, there are %lld", nullptr, {k.t, number(phase_rows(p))}};
            break;
        case Family::width:
            if (reach(p, int64_t{k.v} * k.t) > longest_reach) return too_far;
            if (k.k && g.stride > 1) return {"compiled for stride 1"};
            break;
        case Family::flat: {
            if (step) {
                if (k.t > 1) return {"a step has one output in a row"};
                if (g.channels < k.v)
                    return {"needs %lld channels, there are %lld", nullptr, {k.v, number(g.channels)}};
                if (p.effective_kernel > longest_reach / g.channels) return too_far;
                break;
            }
            const int64_t period = flat_period(g.channels, k.v);
            if (g.channels > 64) return {"for at most 64 channels"};
            if (reach(p, period / g.channels * k.t) > longest_reach / g.channels) return too_far;
            if (p.x.t != g.channels || p.y.t != p.out_channels) return {"needs time steps that touch"};
            if (planar(p, k) && period * g.depth_multiplier * k.t > 4096) return {"its planes do not fit their tile"};
            if (period * g.depth_multiplier > 4096)
                return {"a period would hold %lld positions", nullptr, {number(period)}};
            break;
        }
    }
    return {};
}

namespace {

// Instructions of the warps that run: a thread's, times the threads, or times what fills a device where there are
// fewer.
double device_cost(const Problem& p, const ConvKernel& k) {
    constexpr double threads_in_flight = 1 << 17;
    const dwc_problem& g = p.given;
    const auto tiles = [](int64_t n, int tile) { return std::ceil(static_cast<double>(n) / tile); };
    const bool nlc = k.family == Family::gpunlc;
    const double K = static_cast<double>(g.kernel_size), outputs = k.v * k.t;
    const double threads =
        static_cast<double>(g.batch) * (nlc ? tiles(p.out_channels, k.v) * tiles(p.out_length, k.t)
                                            : tiles(p.out_channels, 1) * tiles(p.out_length, k.v * k.t));
    // Loads of x, each with the question whether it is inside the row; of w; the products; the store.
    const double width = nlc ? k.v : 1, tile = nlc ? k.t : k.v * k.t;
    double loads = K * tile;
    if (k.k)
        loads = tile + K - 1;
    else if (k.stride)
        loads = std::floor(K / 4) * (tile + 3) + std::fmod(K, 4) * tile;
    const double question = k.stride ? 6 : 9;  // stride and dilation are multiplied in
    double instructions = 60 + loads * (question + width) + K * (2 + outputs) + outputs * 3;
    if (k.k == 0) instructions += 10 * std::ceil(K / 4);
    if (k.m == 0) instructions += 20;
    const std::string_view wanted = activation_kernel(g.activation, g.activation_params).function;
    // A launch more, and y read and written once more.
    const double again = wanted == k.activation ? 0 : threads * outputs * 20 + threads_in_flight * 20;
    return std::max(threads, threads_in_flight) * instructions + again;
}

constexpr int64_t second_level_bytes = 1 << 20;

// Rows of x whose distance is a multiple of a way of the first-level cache (4 KiB) share one set of it a column, of
// half of that two: tiles of many rows throw out what their next taps read again, and wait where y lies a few lines
// after x, modulo 4 KiB. Tiles of more registers a row do so less: on Zen 4 at K = 13 and 1024 channels, by where y
// lies, (v, t) = (16, 8) takes 31 to 61 GF/s, (32, 7) 46 to 71, (64, 4) 65 to 72.
double crowding(int64_t row_bytes, double registers) {
    if (row_bytes % 2048 != 0 || registers > 2) return 1;
    if (registers > 1) return row_bytes % 4096 == 0 ? 1.12 : 1;
    return row_bytes % 4096 == 0 ? 1.5 : 1.1;
}

double round_up(double n, double unit) { return std::ceil(n / unit) * unit; }

// What a kernel's loops over any number of taps cost beside the products: slots of an output and of a tap.
constexpr double any_taps_fixed = 2, any_taps_per_tap = 0.05;
constexpr double elementwise = 6;  // another pass over the tile in L1

// Slots an output takes for its tile to be turned round and back, and its share of the calls that this takes. Emerald
// Rapids, 192 channels, K = 31, us: 30 of 50 are the kernel's, 10 go into turning x and 8 into turning y.
double turning(const Problem& p, const ConvKernel& k) {
    constexpr int64_t first_level_bytes = 1 << 17;
    const dwc_problem& g = p.given;
    const double lanes = targets()[k.target].lanes, M = static_cast<double>(g.depth_multiplier);
    const int64_t wide = merges_sequences(p, k) ? 64 : std::max<int64_t>(std::min<int64_t>(g.channels, 64), k.v);
    const double tile = static_cast<double>(std::min<int64_t>(p.out_length, 256) * wide);
    const double far = p.bytes <= first_level_bytes ? 0 : p.bytes <= 2 * second_level_bytes ? 5 : 20;
    const double in = 14 * static_cast<double>(g.stride) / std::max(M, 1.0), interleaved = k.m > 1 ? 8 : 0;
    // Short vectors have fewer elements to gather from rows.
    return (0.3 + 0.7 * lanes / 16) * (6 + far + in + interleaved) + 800 * lanes / tile;
}

double turned_cost(const Problem& p, const ConvKernel& k) {
    const dwc_problem& g = p.given;
    const Target& target = targets()[k.target];
    const double batch = static_cast<double>(g.batch), C = static_cast<double>(g.channels);
    const double phases = static_cast<double>(std::min(g.dilation, p.out_length));
    const double rows = phases * round_up(static_cast<double>(p.out_length) / phases, k.t);
    const double channels = merges_sequences(p, k) ? round_up(C * batch, k.v) / batch : round_up(C, k.v);
    double per_tap = 1 + 0.5 / k.t, fixed = 2 + turning(p, k);
    if (k.stride == 0 && g.stride < 3) per_tap *= 1.3;  // loads are not shared between steps
    if (!target.fma) per_tap *= 1.35;
    if (k.k == 0) {
        // Few sums in flight wait for each other, those of many taps most. Emerald Rapids, us with (v, t) = (32, 8),
        // (16, 8), (16, 1): 64 x 300 channels, 10 steps, K = 21: 207, -, 413; 16 x 64, 100 steps, K = 31: 81, 91, 155.
        const double in_flight = std::max(1.0, static_cast<double>(k.v) / target.lanes) * k.t * k.m;
        per_tap = std::max({per_tap, 6.4 / in_flight, target.intel() ? std::min(8.9 / in_flight, 1.2) : 0});
        per_tap += any_taps_per_tap;
        fixed += any_taps_fixed;
    } else if (k.k >= 13) {
        per_tap += 0.15;  // 16 x 64 channels, 200 steps, K = 15, us: 115, and 104 with the kernel of any taps
    }
    per_tap *= std::max(1.0, static_cast<double>(target.lanes) / k.v);
    if (std::string_view(k.activation) != activation_kernel(g.activation, g.activation_params).function)
        fixed += elementwise;
    const double M = static_cast<double>(g.depth_multiplier);
    return batch * rows * channels * M * (static_cast<double>(g.kernel_size) * per_tap + fixed);
}

}  // namespace

double predicted_cost(const Problem& p, const ConvKernel& k) {
    if (on_device(k.family)) return device_cost(p, k);
    if (turned(p, k)) return turned_cost(p, k);
    const dwc_problem& g = p.given;
    const double K = static_cast<double>(g.kernel_size), M = static_cast<double>(g.depth_multiplier);
    const double rows = static_cast<double>(p.out_length), C = static_cast<double>(g.channels);
    const double lanes = targets()[k.target].lanes;
    const bool x86 = targets()[k.target].processor == std::string_view("x86_64"), intel = targets()[k.target].intel();
    double outputs = 0, per_tap = 1, fixed = 2;  // slots a tap and an output take
    // Fewer than about eight sums in flight wait for their own latency.
    const double in_flight = std::max(1.0, k.v / lanes) * k.t * std::max(k.m, 1);
    const double waiting = std::max(1.0, 8 / in_flight);
    switch (k.family) {
        case Family::channels: {
            const double phases = static_cast<double>(std::min(g.dilation, p.out_length));
            // Staged ends and the interior are cut into tiles apart.
            const double span = static_cast<double>(g.stride) * static_cast<double>(g.dilation);
            const double left = std::min(std::ceil(static_cast<double>(g.pad_left) / span), rows / phases);
            const double right = std::min(std::ceil(static_cast<double>(g.pad_right) / span), rows / phases - left);
            const double per_phase =
                round_up(left, k.t) + round_up(right, k.t) + round_up(rows / phases - left - right, k.t);
            outputs = round_up(C, k.v) * M * phases * per_phase;
            per_tap = std::max(1 + (k.t < 4 && !intel ? 0.7 : 0.5) / k.t, 0.3 * waiting);  // loads beside the product
            // Two registers of a row share what is done for few taps.
            if (intel && K <= 8 && k.v <= lanes) per_tap *= 1.06;
            // With two whole vectors a cycle many taps wait for eight sums in flight, too. Emerald Rapids, K = 31, 192
            // channels, us with (v, t) = (16, 8), (32, 5), (32, 7), (32, 8): 43, 39, 35, 33.
            if (intel && k.k == 0) per_tap = std::max(per_tap, std::min(11.5 / in_flight, 1.45));
            if (k.stride == 0 && g.stride < 3) per_tap *= 1.3;  // loads are not shared between steps
            if (k.v < lanes) per_tap *= lanes / k.v;
            // Where x and y stay in a second-level cache, smaller tiles do better; beyond, more rows read x less.
            // Measured on x86; elsewhere all tiles pay as one of six rows does.
            if (p.bytes <= second_level_bytes && !(intel && K <= 8))
                fixed += 0.1 * (x86 ? k.t * std::max(k.v / lanes, 1.0) : 6);
            if (k.m == 0) outputs = C * M * rows, per_tap = 3 * lanes;
            if (phases > 1) fixed += 2;
            if (x86 && k.t > 4) per_tap *= crowding(g.channels * element_size(g.x_dtype), k.v / lanes);
            break;
        }
        case Family::width: {
            const double tile = k.v * k.t;
            outputs = C * M * round_up(rows, tile);
            // Tiles at the ends of padded rows load with masks where K is fixed.
            if (k.ends() && k.k && g.stride == 1) {
                const auto tiles = [tile](int64_t pad) { return std::ceil(static_cast<double>(pad) / tile); };
                outputs += C * M * tile * 0.5 * std::min(tiles(g.pad_left) + tiles(g.pad_right), rows / tile);
            }
            per_tap = 1.45;  // a load that crosses cache lines for every product
            // Many taps are a long chain of sums, and a small tile waits for each: 192 rows of 40, K = 31, Zen 4, us in
            // tiles of 8 and 64: 36 and 14; of 24: 24 and 14.
            if (k.k == 0) per_tap = std::max(per_tap, 0.55 * waiting * std::max(1.0, lanes / k.v));
            // Taps in pairs, of which one is shifted; with stride 2 every other tap is its neighbour, and few taps have
            // no pairs to gain from.
            if (k.k == 0 && k.block == 2) per_tap = g.stride > 1 ? 1.7 : K < 8 ? 1.45 : 1.27;
            // So have seven taps in tiles of four lines on AVX-512, and on Intel's cores any fixed number of taps (us
            // at 192 channels and K = 4, four lines and two halves: 10.2 and 12.8).
            if ((k.k == 7 || (intel && k.k > 0)) && lanes == 16 && k.t >= 4 && g.dilation == 1) per_tap = 1.2;
            // One branch for eight taps. K = 31 on 384 steps, us with block 2, 8, 4: 47, 52, 58; with stride 2 54
            // and 59.
            if (k.k == 0 && k.block == 8) per_tap = 1.4;
            if (rows < tile) fixed += 4;
            // Staging, of which every other element is a shuffle and any other one a load of its own.
            if (g.stride > 1) fixed += g.stride == 2 ? 5.2 + 1.3 * lanes : 2.5 * lanes * static_cast<double>(g.stride);
            fixed += (k.k && x86 ? 80 : 200) * lanes / round_up(rows, tile);  // one row after the other
            break;
        }
        case Family::flat: {
            if (is_step(p)) {
                outputs = round_up(C, k.v) * M;
                break;
            }
            const double period = static_cast<double>(flat_period(g.channels, k.v));
            outputs = round_up(rows * C, period * k.t) * M;
            per_tap = std::max(M > 1 ? 1.25 : 1.55, (intel ? 0.6 : 0.3) * waiting);
            fixed = 5;
            if (g.stride > 1) fixed += 6;
            break;
        }
        case Family::gpunlc:
        case Family::gpuncl:
            break;
    }
    if (k.k == 0) fixed += any_taps_fixed, per_tap += any_taps_per_tap;
    if (planar(p, k)) fixed += 2.5 * lanes;  // outputs are moved one by one
    const std::string_view wanted = activation_kernel(g.activation, g.activation_params).function;
    if (wanted != k.activation) fixed += elementwise;
    return static_cast<double>(g.batch) * outputs * (K * per_tap + fixed);
}

int64_t phase_rows(const Problem& p) {
    const int64_t d = p.given.dilation;
    return p.out_length >= d ? p.out_length / d : std::min<int64_t>(p.out_length, 1);
}

bool is_step(const Problem& p) {
    const dwc_problem& g = p.given;
    return g.stateful && g.length == 1 && g.x_dtype == DWC_F32 && p.x.c == 1 && p.y.c == 1;
}

std::string Refusal::text() const { return word ? dwc::text(format, word) : dwc::text(format, numbers[0], numbers[1]); }

bool planar(const Problem& p, const ConvKernel& k) {
    return k.m == 1 && !on_device(k.family) && p.given.depth_multiplier > 1 && k.dtype == DWC_F32 && !turned(p, k);
}

bool turned(const Problem& p, const ConvKernel& k) { return k.family == Family::channels && p.given.layout == DWC_NCL; }

bool merges_sequences(const Problem& p, const ConvKernel& k) {
    const dwc_problem& g = p.given;
    const bool touch = p.x.n == g.channels * p.x.c && p.y.n == p.out_channels * p.y.c;
    return g.channels < k.v && !g.stateful && (g.batch == 1 || touch);
}

int64_t flat_period(int64_t channels, int v) { return std::lcm(std::max<int64_t>(channels, 1), int64_t{v}); }

}  // namespace dwc
