#include "registry.hpp"

#include <array>
#include <cstring>

#include "cpu_features.hpp"
#include "device.hpp"
#include "space.hpp"

#define DWC_STEP(symbol, taps) symbol##_step##taps(), symbol##_step##taps##_apart()
#define DWC_KERNEL(symbol, ...)                                                                              \
    extern "C" void symbol(), symbol##_ahead(), symbol##_stream(), DWC_STEP(symbol, 2), DWC_STEP(symbol, 3), \
        DWC_STEP(symbol, 4);
#define DWC_ACTIVATION_KERNEL(symbol, ...) extern "C" void symbol();
#include "kernels.inc"
#undef DWC_STEP
#undef DWC_KERNEL
#undef DWC_ACTIVATION_KERNEL

namespace dwc {
namespace {

enum TargetIndex : int {
#define DWC_TARGET(id, ...) id,
#include "targets.inc"
#undef DWC_TARGET
    target_count
};

constexpr std::array<Target, target_count> target_table = {{
#define DWC_TARGET(id, name, parent, processor, cpu, lanes, fma, built, device) \
    {name, parent, processor, cpu, lanes, fma != 0, built != 0, DeviceKind::device},
#include "targets.inc"
#undef DWC_TARGET
}};

constexpr ConvKernel conv_table[] = {
#define DWC_STEP(built, symbol) \
    ConvKernel::Step { built ? symbol : nullptr, built ? symbol##_apart : nullptr }
#define DWC_KERNEL(symbol, ahead, stream, step2, step3, step4, name, family, target, activation, dtype, k, stride, m, \
                   v, t, block, recorded)                                                                             \
    {symbol,                                                                                                          \
     ahead ? symbol##_ahead : nullptr,                                                                                \
     stream ? symbol##_stream : nullptr,                                                                              \
     name,                                                                                                            \
     Family::family,                                                                                                  \
     target,                                                                                                          \
     #activation,                                                                                                     \
     dtype,                                                                                                           \
     k,                                                                                                               \
     stride,                                                                                                          \
     m,                                                                                                               \
     v,                                                                                                               \
     t,                                                                                                               \
     block,                                                                                                           \
     recorded != 0,                                                                                                   \
     {DWC_STEP(step2, symbol##_step2), DWC_STEP(step3, symbol##_step3), DWC_STEP(step4, symbol##_step4)}},
#define DWC_ACTIVATION_KERNEL(...)
#include "kernels.inc"
#undef DWC_STEP
#undef DWC_KERNEL
#undef DWC_ACTIVATION_KERNEL
};

constexpr ActivationRow activation_table[] = {
#define DWC_KERNEL(...)
#define DWC_ACTIVATION_KERNEL(symbol, name, target, v) {symbol, name, target, v},
#include "kernels.inc"
#undef DWC_KERNEL
#undef DWC_ACTIVATION_KERNEL
};

bool processor_is(std::string_view processor) {
#if defined(__x86_64__)
    return processor == "x86_64";
#elif defined(__aarch64__)
    return processor == "aarch64";
#else
    return false;
#endif
}

bool detect(const Target& target) {
    if (!target.built || !processor_is(target.processor)) return false;
    std::string_view rest = target.cpu;
    while (!rest.empty()) {
        const size_t comma = rest.find(',');
        if (!cpu_has(rest.substr(0, comma))) return false;
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
    return true;
}

}  // namespace

bool Target::intel() const { return std::string_view(cpu).starts_with("intel,"); }

bool Target::supported() const {
    static const std::array<bool, target_count> known = [] {
        std::array<bool, target_count> all{};
        for (int i = 0; i < target_count; ++i) all[i] = detect(target_table[i]);
        return all;
    }();
    if (on_device() && (!built || device_of(device).unavailable())) return false;
    return known[this - target_table.data()];
}

const char* family_name(Family family) {
    switch (family) {
        case Family::channels:
            return "channels";
        case Family::width:
            return "width";
        case Family::flat:
            return "flat";
        case Family::gpunlc:
            return "gpunlc";
        case Family::gpuncl:
            return "gpuncl";
    }
    return "unknown";
}

bool ConvKernel::ends() const {
    const Target& t = target_table[static_cast<size_t>(target)];
    return computes_ends(family_name(family), k, m, dtype == DWC_F32, std::string_view(t.processor) == "x86_64",
                         t.lanes);
}

std::span<const Target> targets() { return target_table; }
std::span<const ConvKernel> conv_kernels() { return conv_table; }
std::span<const ActivationRow> activation_rows() { return activation_table; }

int find_target(std::string_view name) {
    for (int i = 0; i < target_count; ++i)
        if (name == target_table[i].name) return i;
    return -1;
}

const ActivationRow* find_activation(std::string_view function, int target) {
    while (target >= 0) {
        for (const ActivationRow& row : activation_table)
            if (row.target == target && function == row.name) return &row;
        target = find_target(target_table[target].parent);
    }
    return nullptr;
}

}  // namespace dwc
