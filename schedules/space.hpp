// The space of schedules: what a point is, which values are legal, which combinations make sense. Plain C++ without
// Halide, so that the generator, the tuner and the validator of records share one statement of it.
#ifndef DWCONV_SCHEDULES_SPACE_HPP
#define DWCONV_SCHEDULES_SPACE_HPP

#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

namespace dwc {

// One variant of a family: what is fixed at compile time, and the numbers of its schedule.
struct Point {
    std::string family;      // "channels", "width", "flat"; on devices "gpunlc", "gpuncl"
    std::string activation;  // fused: "linear", "clamp", "silu"
    int k = 0;               // taps; 0: any, at run time
    int stride = 0;          // 0: any, at run time (channels); the line families read through tap offsets, see below
    int m = 1;               // depth multiplier; 0: any, at run time
    int v = 0;               // lanes of the vectorised axis in one register tile: channels, or positions of a line
    int t = 0;               // register tiles along the other blocking axis
    int block = 4;           // taps unrolled where K is known at run time only; on devices: threads of a thread block
};

// Whether a kernel computes the ends of padded rows itself instead of reading them from a copy with zeros: from AVX on,
// where a load that leaves out what lies outside a row is one instruction. Up to the largest offset of a tap below.
// channels: of few taps, with 32 registers; of many taps it pays to leave out those that read only padding.
inline bool computes_ends(std::string_view family, int k, int m, bool f32, bool x86, int lanes) {
    const bool width = family == "width" && lanes >= 8;
    const bool channels = family == "channels" && k > 0 && m > 0 && lanes >= 16;
    return (width || channels) && f32 && x86;
}
constexpr int max_reach_of_ends = 512;

inline bool is_device_family(std::string_view family) { return family == "gpunlc" || family == "gpuncl"; }

// Vector registers of f32 that the accumulators of one tile take.
inline int accumulators(const Point &p, int lanes) {
    const int vectors = (p.v + lanes - 1) / lanes;
    return vectors * p.t * (p.m > 1 ? p.m : 1);
}

// The same for the families of devices.
//
//   gpunlc  i = channel (v a thread), j = time (t steps a thread)
//   gpuncl  i = time (t vectors of v a thread), j = channel
//
// Stride 1 stands for neighbouring taps (dilation 1, too), which a thread reads once into registers; stride 0 for any
// stride and dilation. With m = 0 the multiplier is known at run time.
inline std::string broken_device_rule(const Point &p) {
    if (p.stride != 0 && p.stride != 1) return "stride must be 1 (neighbouring taps) or 0 (any stride and dilation)";
    if (p.m != 0 && p.m != 1) return "m must be 1 or 0 (run time) on devices";
    if (p.v != 1 && p.v != 4) return "v must be 1 or 4: a device reads and writes 32 or 128 bits at once";
    if (p.family == "gpunlc" && p.v > 1 && p.m != 1) return "with any multiplier neighbouring outputs share inputs";
    if (p.k > 0 && p.stride != 1) return "a fixed k needs neighbouring taps";
    if (p.t < 1 || p.v * p.t > 32) return "a thread keeps at most 32 outputs in registers";
    if (p.k < 0 || p.k > 8) return "k must be 0 (run time) or 1..8: a longer window leaves no registers";
    if (p.block < 32 || p.block > 1024 || p.block % 32) return "block must be a multiple of 32 up to 1024";
    return {};
}

// The first rule that `p` breaks on a target with `lanes` f32 lanes and `registers` vector registers; empty if legal.
//
//   channels  i = channel (v lanes), j = time (t steps); k, stride, m each fixed or at run time
//   width     i = time (v lanes, t vectors of them), j = channel; tap offsets, or with a fixed k one distance of taps
//   flat      i = position in one period of (time, channel) (v lanes), j = period (t of them); tap offsets; m fixed
inline std::string broken_rule(const Point &p, int lanes, int registers) {
    const bool channels = p.family == "channels", width = p.family == "width", flat = p.family == "flat";
    const bool device = is_device_family(p.family);
    if (!channels && !width && !flat && !device) return "family must be channels, width or flat";
    if (p.activation != "linear" && p.activation != "clamp" && p.activation != "silu")
        return "activation must be linear, clamp or silu";
    if (device) return broken_device_rule(p);
    if (p.k < 0 || p.k > 16) return "k must be 0 (run time) or 1..16: longer kernels drown in their own code";
    if (p.v < 1 || p.v > 64 || (p.v & (p.v - 1)) != 0) return "v must be a power of two from 1 to 64";
    if (p.t < 1 || p.t > 32) return "t must be from 1 to 32";
    if (p.block < 1 || p.block > 16) return "block must be from 1 to 16";
    if (p.stride < 0 || p.stride > 4) return "stride must be 0 (run time) or 1..4";
    if (!channels && p.stride != 1) return "stride must be 1: the line families see a strided row as phases";
    if (width && p.m != 0) return "m must be 0 in family width, where it is a loop";
    if (p.m < 0 || p.m > 8) return "m must be 0 (run time) or 1..8";
    if (channels && p.m == 0 && p.v != 1) return "m at run time needs v 1";
    if (flat && p.m == 0) return "m must be fixed in family flat";
    // Interleaved sums of half a register lose the fused multiply-add, and with it the bits of the other kernels.
    if (p.m > 1 && p.v < lanes) return "with a fixed m above 1, v must fill a vector register";
    // One register for the input, one for the weights and two for the compiler to move through.
    if (accumulators(p, lanes) > registers - 4) return "the accumulators must leave four vector registers free";
    return {};
}

// Vector registers that the accumulators share: 16 on x86 below AVX-512, else 32.
inline int vector_registers(bool x86, int lanes) { return x86 && lanes < 16 ? 16 : 32; }

// ------------------------------------------------------------------------------------------------- names of variants

// "channels_f32_k4_m1_s1_linear_v16_t8", "..._kany_..." where a number is known at run time only, "..._b2" at the end
// where block is not 4. A kernel's name is this, '@' and its target. cmake/kernels.cmake follows the same rule.
inline std::string variant_name(const Point &p, std::string_view dtype) {
    const auto number = [](char key, int value) {
        return std::string("_") + key + (value == 0 ? "any" : std::to_string(value));
    };
    std::string name = p.family + "_" + std::string(dtype) + number('k', p.k) + number('m', p.m);
    name += number('s', p.stride) + "_" + p.activation;
    name += "_v" + std::to_string(p.v) + "_t" + std::to_string(p.t);
    if (p.block != 4) name += "_b" + std::to_string(p.block);
    return name;
}

// The point and dtype of a name without "@target"; false where it is no such name, to the letter.
inline bool parse_variant_name(std::string_view name, Point *point, std::string *dtype) {
    std::vector<std::string_view> words;
    for (std::string_view rest = name;;) {
        const size_t end = rest.find('_');
        words.push_back(rest.substr(0, end));
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + 1);
    }
    if (words.size() != 8 && words.size() != 9) return false;
    const auto number = [](std::string_view word, char key, int *value) {
        if (word.size() < 2 || word[0] != key) return false;
        word.remove_prefix(1);
        if (word == "any") return *value = 0, true;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *value);
        return error == std::errc() && end == word.data() + word.size();
    };
    Point p;
    p.family = words[0];
    p.activation = words[5];
    if (!number(words[2], 'k', &p.k) || !number(words[3], 'm', &p.m) || !number(words[4], 's', &p.stride) ||
        !number(words[6], 'v', &p.v) || !number(words[7], 't', &p.t))
        return false;
    if (words.size() == 9 && !number(words[8], 'b', &p.block)) return false;
    // Whatever has two spellings ("k04", "b4") is no name.
    if (variant_name(p, words[1]) != name) return false;
    *point = p;
    *dtype = words[1];
    return true;
}

// ------------------------------------------------------------------------------------- what the tuner may choose from

// A parameter of a family and the values that the tuner tries; broken_rule says which combinations are legal. Fixed
// numbers of the problem (k, stride, m, activation) are tried as themselves and, where 0 stands here, at run time.
struct Parameter {
    const char *name;
    std::vector<int> values;
};

struct FamilySpace {
    const char *family;
    bool run_time_k, run_time_stride, run_time_m;  // besides the number itself, where it is legal
    bool fixed_m;
    Parameter v, t, block;
};

inline const std::array<FamilySpace, 3> &spaces() {
    static const std::array<FamilySpace, 3> all = {{
        {"channels",
         true,
         true,
         true,
         true,
         {"v", {1, 2, 4, 8, 16, 32, 64}},
         {"t", {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28}},
         {"block", {1, 2, 4, 8}}},
        {"width",
         true,
         false,
         true,
         false,
         {"v", {4, 8, 16, 32}},
         {"t", {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28}},
         {"block", {1, 2, 4, 8}}},
        {"flat",
         true,
         false,
         false,
         true,
         {"v", {4, 8, 16, 32}},
         {"t", {1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28}},
         {"block", {1, 2, 4, 8}}},
    }};
    return all;
}

// What a problem fixes of a point. Which activations can be fused is the runtime's to say.
struct Fixed {
    int k, stride, m;
};
inline constexpr std::array<const char *, 3> fused_activations = {"linear", "clamp", "silu"};

// Why a legal point is not worth compiling; empty if it is.
inline std::string pointless(const Point &p, int lanes) {
    if (p.k > 0 && p.block != 4) return "block has no meaning where k is fixed";
    if (p.m == 0 && p.family == "channels" && p.t > 1) return "one output at a time has nothing to share";
    if (p.v * 4 < lanes && p.m != 0) return "less than a quarter of a vector register is used";
    if (p.family == "flat" && p.v * 2 < lanes) return "a line fills its vectors";
    return {};
}

// Every legal and meaningful point of `family` for what the problem fixes, in a fixed order.
inline std::vector<Point> points_of(const FamilySpace &space, const Fixed &fixed, int lanes, int registers) {
    const bool channels = std::string_view(space.family) == "channels";
    std::vector<int> ks, strides, ms;
    if (fixed.k <= 16) ks.push_back(fixed.k);
    if (space.run_time_k) ks.push_back(0);
    strides = channels ? std::vector<int>{fixed.stride, 0} : std::vector<int>{1};
    if (space.fixed_m) ms.push_back(fixed.m);
    if (space.run_time_m) ms.push_back(0);
    std::vector<Point> points;
    for (const int k : ks)
        for (const int stride : strides)
            for (const int m : ms)
                for (const char *activation : fused_activations)
                    for (const int v : space.v.values)
                        for (const int t : space.t.values)
                            for (const int block : space.block.values) {
                                const Point p{space.family, activation, k, stride, m, v, t, block};
                                const bool legal = broken_rule(p, lanes, registers).empty();
                                if (legal && pointless(p, lanes).empty()) points.push_back(p);
                            }
    return points;
}

}  // namespace dwc

#endif
