// The canonical problem string, both ways. Grammar (tokens joined by '_', in this order, none optional up to the
// activation):
//   DT LAYOUT nN lL cC kK mM sS dD plP prP bias|nobias ACTIVATION [wDT] [yDT] [aP1,P2] [xsN.T.C] [ysN.T.C] [state]
// DT: f32 | bf16. LAYOUT: nlc | ncl. Capitals: whole numbers without leading zeros. A suffix that says what is true
// without it is refused, as is every other second spelling: one problem, one string.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <new>
#include <string_view>
#include <system_error>

#include "error.hpp"
#include "problem.hpp"

namespace dwc {
namespace {

constexpr const char* kDtypes[] = {"f32", "bf16"};
constexpr const char* kLayouts[] = {"nlc", "ncl"};

template <class Number>
std::string number_text(Number value) {  // shortest text that reads back as the same value; "inf"
    char text[40];
    return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

bool same_bits(const float* a, const float* b, int count) {
    return std::memcmp(a, b, sizeof *a * static_cast<size_t>(count)) == 0;
}

void append_strides(std::string& key, const char* prefix, const int64_t (&strides)[3]) {
    if (strides[0] == 0 && strides[1] == 0 && strides[2] == 0) return;
    key += prefix + number_text(strides[0]) + "." + number_text(strides[1]) + "." + number_text(strides[2]);
}

// ------------------------------------------------------------------------------------------------------- reading

// Reads the string token by token. The first complaint sticks; afterwards every step is a no-op.
class Reader {
   public:
    Reader(std::string_view text, dwc_error* error) : rest_(text), error_(error) {}

    dwc_status status() const { return status_; }
    bool at_end() const { return at_end_; }

    // The next token without taking it; empty at the end of the string.
    std::string_view peek() const { return rest_.substr(0, rest_.find('_')); }

    void complain(std::string_view token, const char* expected) {
        if (status_ != DWC_OK) return;
        if (at_end_) {
            status_ = fail(error_, DWC_ERROR_PARSE, "problem string ends too early: expected %s", expected);
        } else {
            const std::string_view head = token.substr(0, 60);
            status_ =
                fail(error_, DWC_ERROR_PARSE, "problem string: token '%.*s%s': expected %s",
                     static_cast<int>(head.size()), head.data(), head.size() < token.size() ? "..." : "", expected);
        }
    }

    // Takes `length` characters, which end at a '_' or at the end of the string.
    void take(size_t length) {
        if (status_ != DWC_OK) return;
        at_end_ = length >= rest_.size();
        rest_.remove_prefix(at_end_ ? rest_.size() : length + 1);
    }

    // One of `names` as an index.
    template <size_t N>
    int name(const char* const (&names)[N], const char* expected) {
        const std::string_view token = peek();
        for (size_t i = 0; i < N; ++i) {
            if (!at_end_ && token == names[i]) {
                take(token.size());
                return static_cast<int>(i);
            }
        }
        complain(token, expected);
        return 0;
    }

    // `prefix` and a whole number.
    int64_t number(std::string_view prefix, const char* expected) {
        const std::string_view token = peek();
        int64_t value = 0;
        if (at_end_ || token.substr(0, prefix.size()) != prefix || !whole(token.substr(prefix.size()), &value)) {
            complain(token, expected);
            return 0;
        }
        take(token.size());
        return value;
    }

    // The longest activation name that the rest starts with; names may hold '_'.
    dwc_activation activation() {
        std::string_view best;
        dwc_activation found = DWC_LINEAR;
        for (int i = 0; i < DWC_ACTIVATION_COUNT; ++i) {
            const std::string_view name = dwc_activation_name(static_cast<dwc_activation>(i));
            const bool here =
                rest_.substr(0, name.size()) == name && (rest_.size() == name.size() || rest_[name.size()] == '_');
            if (here && name.size() > best.size()) {
                best = name;
                found = static_cast<dwc_activation>(i);
            }
        }
        if (best.empty())
            complain(peek(), "an activation name such as linear, relu or silu");
        else
            take(best.size());
        return found;
    }

    void activation_params(dwc_activation activation, float (&params)[DWC_MAX_ACTIVATION_PARAMS]) {
        const std::string_view token = peek();
        float defaults[DWC_MAX_ACTIVATION_PARAMS] = {};
        const int count = dwc_activation_params(activation, defaults);
        if (count == 0) return complain(token, "no parameters: the activation has none");
        std::string_view rest = token.substr(1);
        for (int i = 0; i < count; ++i) {
            const std::string_view part = rest.substr(0, i + 1 < count ? rest.find(',') : std::string_view::npos);
            const auto [end, code] = std::from_chars(part.data(), part.data() + part.size(), params[i]);
            const bool whole_part = code == std::errc() && end == part.data() + part.size();
            if (!whole_part || number_text(params[i]) != part) {
                return complain(token, count == 1   ? "a and one float in its shortest spelling"
                                       : count == 2 ? "a and two floats in their shortest spelling, joined by ','"
                                                    : "a and three floats in their shortest spelling, joined by ','");
            }
            rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        }
        if (same_bits(params, defaults, count)) return complain(token, "no token: these are the activation's defaults");
        take(token.size());
    }

    void strides(int64_t (&strides)[3]) {
        const std::string_view token = peek();
        std::string_view rest = token.substr(2);
        for (int axis = 0; axis < 3; ++axis) {
            const std::string_view part = rest.substr(0, axis < 2 ? rest.find('.') : std::string_view::npos);
            if (!whole(part, &strides[axis])) {
                return complain(token, "three whole strides joined by '.': batch.time.channel");
            }
            rest.remove_prefix(std::min(rest.size(), part.size() + 1));
        }
        if (strides[0] == 0 && strides[1] == 0 && strides[2] == 0) complain(token, "no token: all zero means dense");
        take(token.size());
    }

    // A dtype after `prefix`, which must differ from the dtype of x.
    dwc_dtype other_dtype(dwc_dtype x_dtype, const char* expected) {
        const std::string_view token = peek();
        const dwc_dtype other = x_dtype == DWC_F32 ? DWC_BF16 : DWC_F32;
        if (token.substr(1) == kDtypes[other])
            take(token.size());
        else
            complain(token, expected);
        return other;
    }

   private:
    static bool whole(std::string_view text, int64_t* value) {
        if (text.empty() || (text.size() > 1 && text[0] == '0') || text[0] < '0' || text[0] > '9') return false;
        const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), *value);
        return code == std::errc() && end == text.data() + text.size();
    }

    std::string_view rest_;
    dwc_error* error_;
    dwc_status status_ = DWC_OK;
    bool at_end_ = false;
};

bool starts(std::string_view text, std::string_view prefix) { return text.substr(0, prefix.size()) == prefix; }

// The suffixes, each at most once and in their order.
void read_suffixes(Reader& in, dwc_problem& p) {
    if (!in.at_end() && starts(in.peek(), "w")) {
        p.w_dtype = in.other_dtype(p.x_dtype, "wf32 or wbf16, only where it differs from the dtype of x");
    }
    if (!in.at_end() && starts(in.peek(), "y") && !starts(in.peek(), "ys")) {
        p.y_dtype = in.other_dtype(p.x_dtype, "yf32 or ybf16, only where it differs from the dtype of x");
    }
    if (!in.at_end() && starts(in.peek(), "a")) in.activation_params(p.activation, p.activation_params);
    if (!in.at_end() && starts(in.peek(), "xs")) in.strides(p.x_strides);
    if (!in.at_end() && starts(in.peek(), "ys")) in.strides(p.y_strides);
    if (!in.at_end() && in.peek() == "state") {
        p.stateful = 1;
        in.take(5);
    }
    if (!in.at_end()) {
        in.complain(in.peek(), "the end, or a suffix in the order wDT yDT aP1,P2 xsN.T.C ysN.T.C state");
    }
}

dwc_status parse(const char* string, dwc_problem* problem, dwc_error* error) {
    if (string == nullptr) return fail(error, DWC_ERROR_NULL_POINTER, "string is NULL");
    if (problem == nullptr) return fail(error, DWC_ERROR_NULL_POINTER, "problem is NULL");
    dwc_problem p;
    dwc_problem_init(&p);
    Reader in(string, error);
    static constexpr const char* kBias[] = {"nobias", "bias"};
    p.x_dtype = p.w_dtype = p.y_dtype = static_cast<dwc_dtype>(in.name(kDtypes, "the dtype of x: f32 or bf16"));
    p.layout = static_cast<dwc_layout>(in.name(kLayouts, "the layout: nlc or ncl"));
    p.batch = in.number("n", "n and the batch, such as n1");
    p.length = in.number("l", "l and the length, such as l384");
    p.channels = in.number("c", "c and the channels, such as c192");
    p.kernel_size = in.number("k", "k and the kernel size, such as k4");
    p.depth_multiplier = in.number("m", "m and the depth multiplier, such as m1");
    p.stride = in.number("s", "s and the stride, such as s1");
    p.dilation = in.number("d", "d and the dilation, such as d1");
    p.pad_left = in.number("pl", "pl and the left padding, such as pl3");
    p.pad_right = in.number("pr", "pr and the right padding, such as pr0");
    p.has_bias = in.name(kBias, "bias or nobias");
    p.activation = in.activation();
    read_suffixes(in, p);
    if (in.status() != DWC_OK) return in.status();

    Problem resolved;
    if (const dwc_status status = resolve(&p, &resolved, error); status != DWC_OK) return status;
    // What the tokens alone could not show: strides that spell out the dense ones.
    if (const std::string canonical = resolved.key(); canonical != string) {
        return fail(error, DWC_ERROR_PARSE, "problem string: '%.150s' is not canonical: expected '%.150s'", string,
                    canonical.c_str());
    }
    *problem = p;
    return DWC_OK;
}

dwc_status format(const dwc_problem* problem, char* buffer, size_t size, dwc_error* error) {
    if (buffer == nullptr) return fail(error, DWC_ERROR_NULL_POINTER, "buffer is NULL");
    Problem resolved;
    if (const dwc_status status = resolve(problem, &resolved, error); status != DWC_OK) return status;
    const std::string key = resolved.key();
    if (key.size() + 1 > size) {
        return fail(error, DWC_ERROR_BUFFER_SIZE, "size=%zu: the problem string needs %zu characters with its NUL",
                    size, key.size() + 1);
    }
    std::memcpy(buffer, key.c_str(), key.size() + 1);
    return DWC_OK;
}

}  // namespace

std::string Problem::key() const {
    const dwc_problem& p = given;
    std::string key = kDtypes[p.x_dtype];
    key += std::string("_") + kLayouts[p.layout];
    const std::initializer_list<std::pair<const char*, int64_t>> numbers = {
        {"_n", p.batch},  {"_l", p.length},   {"_c", p.channels},  {"_k", p.kernel_size}, {"_m", p.depth_multiplier},
        {"_s", p.stride}, {"_d", p.dilation}, {"_pl", p.pad_left}, {"_pr", p.pad_right}};
    for (const auto& [prefix, value] : numbers) key += prefix + number_text(value);
    key += p.has_bias != 0 ? "_bias_" : "_nobias_";
    key += dwc_activation_name(p.activation);
    if (p.w_dtype != p.x_dtype) key += std::string("_w") + kDtypes[p.w_dtype];
    if (p.y_dtype != p.x_dtype) key += std::string("_y") + kDtypes[p.y_dtype];
    float defaults[DWC_MAX_ACTIVATION_PARAMS] = {};
    const int count = dwc_activation_params(p.activation, defaults);
    if (!same_bits(p.activation_params, defaults, count)) {
        for (int i = 0; i < count; ++i) key += (i == 0 ? "_a" : ",") + number_text(p.activation_params[i]);
    }
    append_strides(key, "_xs", p.x_strides);
    append_strides(key, "_ys", p.y_strides);
    if (p.stateful != 0) key += "_state";
    return key;
}

}  // namespace dwc

extern "C" dwc_status dwc_problem_format(const dwc_problem* problem, char* buffer, size_t size, dwc_error* error) {
    try {
        return dwc::format(problem, buffer, size, error);
    } catch (const std::bad_alloc&) {
        return dwc::fail(error, DWC_ERROR_OUT_OF_MEMORY, "no memory for a problem string");
    }
}

extern "C" dwc_status dwc_problem_parse(const char* string, dwc_problem* problem, dwc_error* error) {
    try {
        return dwc::parse(string, problem, error);
    } catch (const std::bad_alloc&) {
        return dwc::fail(error, DWC_ERROR_OUT_OF_MEMORY, "no memory for a problem string");
    }
}
