#include "class_key.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "activation.hpp"

namespace dwc {
namespace {

constexpr const char* dtype_names[] = {"f32", "bf16"};
constexpr const char* layout_names[] = {"nlc", "ncl"};
constexpr const char* activation_names[] = {"linear", "clamp", "silu", "other"};

int bucket(int64_t value) { return value < 1 ? 0 : static_cast<int>(std::bit_width(static_cast<uint64_t>(value))) - 1; }

// Factors of two between two buckets; those below 32 count twice each, the others `weight`.
double octaves(int a, int b, double weight) {
    constexpr int few = 5;
    const int low = std::min(a, b), high = std::max(a, b);
    const int below = std::max(std::min(high, few) - low, 0);
    return 2 * below + weight * (high - low - below);
}

double log_ratio(int64_t a, int64_t b) {
    return std::fabs(
        std::log2(static_cast<double>(std::max<int64_t>(a, 1)) / static_cast<double>(std::max<int64_t>(b, 1))));
}

ActivationClass activation_class(const dwc_problem& p) {
    const std::string_view function = activation_kernel(p.activation, p.activation_params).function;
    for (int i = 0; i < 3; ++i)
        if (function == activation_names[i]) return static_cast<ActivationClass>(i);
    return ActivationClass::other;
}

// Takes the words of a text from its front.
class Words {
   public:
    explicit Words(std::string_view text) : rest_(text) {}
    bool ok() const { return ok_ && ended_; }

    template <size_t N>
    int name(const char* const (&names)[N]) {
        const std::string_view word = next();
        for (size_t i = 0; i < N; ++i)
            if (word == names[i]) return static_cast<int>(i);
        ok_ = false;
        return 0;
    }
    int64_t number(char key, int64_t least) {
        const std::string_view word = next();
        int64_t value = least;
        if (word.size() < 2 || word[0] != key || (word.size() > 2 && word[1] == '0')) return ok_ = false, least;
        const auto [end, error] = std::from_chars(word.data() + 1, word.data() + word.size(), value);
        if (error != std::errc() || end != word.data() + word.size() || value < least) ok_ = false;
        return value;
    }
    bool many(char key) {  // "d1" or "dn"
        const std::string_view word = next();
        if (word.size() != 2 || word[0] != key || (word[1] != '1' && word[1] != 'n')) return ok_ = false;
        return word[1] == 'n';
    }

   private:
    std::string_view next() {
        if (ended_) return ok_ = false, std::string_view{};
        const size_t end = rest_.find('_');
        const std::string_view word = rest_.substr(0, end);
        ended_ = end == std::string_view::npos;
        if (!ended_) rest_.remove_prefix(end + 1);
        return word;
    }

    std::string_view rest_;
    bool ok_ = true, ended_ = false;
};

}  // namespace

std::string ClassKey::text() const {
    const auto number = [](char key, int64_t value) { return std::string("_") + key + std::to_string(value); };
    const auto many = [](char key, bool more) { return std::string("_") + key + (more ? 'n' : '1'); };
    return std::string(dtype_names[dtype]) + "_" + layout_names[layout] + number('k', k) + number('m', m) +
           number('s', stride) + many('d', dilated) + number('c', channels) + number('l', length) + many('n', batched) +
           many('t', threaded) + "_" + activation_names[static_cast<int>(activation)];
}

ClassKey class_of(const Problem& problem, int threads) {
    const dwc_problem& p = problem.given;
    ClassKey key;
    key.dtype = p.x_dtype;
    key.layout = p.layout;
    key.k = p.kernel_size;
    key.m = p.depth_multiplier;
    // A single output sees no stride, a single tap no dilation.
    key.stride = problem.out_length == 1 ? 1 : p.stride;
    key.dilated = p.dilation > 1 && p.kernel_size > 1;
    key.channels = bucket(p.channels);
    key.length = bucket(p.length);
    key.batched = p.batch > 1;
    key.threaded = threads > 1;
    key.activation = activation_class(p);
    return key;
}

std::optional<ClassKey> parse_class(std::string_view text) {
    Words words(text);
    ClassKey key;
    key.dtype = static_cast<dwc_dtype>(words.name(dtype_names));
    key.layout = static_cast<dwc_layout>(words.name(layout_names));
    key.k = words.number('k', 1);
    key.m = words.number('m', 1);
    key.stride = words.number('s', 1);
    key.dilated = words.many('d');
    const int64_t channels = words.number('c', 0), length = words.number('l', 0);
    key.batched = words.many('n');
    key.threaded = words.many('t');
    key.activation = static_cast<ActivationClass>(words.name(activation_names));
    if (!words.ok() || channels > 62 || length > 62) return std::nullopt;
    key.channels = static_cast<int>(channels);
    key.length = static_cast<int>(length);
    return key;
}

std::optional<double> class_distance(const ClassKey& of, const ClassKey& at, bool any_kernel_size) {
    if (of.dtype != at.dtype || of.layout != at.layout || of.stride != at.stride || of.m != at.m) return std::nullopt;
    if (of.k != at.k && !any_kernel_size) return std::nullopt;
    double distance = 2 * log_ratio(of.k, at.k);
    distance += octaves(of.channels, at.channels, 1) + octaves(of.length, at.length, 0.5);
    if (of.dilated != at.dilated) distance += 2;
    if (of.batched != at.batched) distance += 1;
    if (of.threaded != at.threaded) distance += 1;
    if (of.activation != at.activation) {
        const auto plain = [](ActivationClass a) {
            return a == ActivationClass::linear || a == ActivationClass::other;
        };
        distance += plain(of.activation) && plain(at.activation) ? 1 : 3;
    }
    return distance;
}

double problem_distance(const dwc_problem& a, const dwc_problem& b) {
    return log_ratio(a.channels, b.channels) + log_ratio(a.length, b.length) + log_ratio(a.batch, b.batch) +
           log_ratio(a.kernel_size, b.kernel_size) + log_ratio(a.dilation, b.dilation) +
           log_ratio(a.pad_left + a.pad_right + 1, b.pad_left + b.pad_right + 1);
}

}  // namespace dwc
