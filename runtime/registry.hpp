// What this library was compiled with: the rows of the generated tables, and what this CPU can run of them.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "dwconv/dwconv.h"

namespace dwc {

// Where kernels run; the numbers are those of dwc_memory.
enum class DeviceKind { host, cuda, opencl };

struct Target {
    const char* name;
    const char* parent;     // "" at the root
    const char* processor;  // as uname -m has it
    const char* cpu;        // comma-separated features it needs
    int lanes;              // f32 in a vector register
    bool fma, built;
    DeviceKind device;

    bool on_device() const { return device != DeviceKind::host; }
    // Tuned for cores of Intel's: two multiply-adds of whole vectors a cycle.
    bool intel() const;
    // This CPU has the features, or a driver of the device answers with one; asked once, a driver not before it must
    // be.
    bool supported() const;
};

enum class Family { channels, width, flat, gpunlc, gpuncl };
const char* family_name(Family family);
inline bool on_device(Family family) { return family == Family::gpunlc || family == Family::gpuncl; }

// Forms of a kernel for problems of different size; the bits are the same. plain: for what lies in the caches of a
// core. ahead: fetches rows of x and y into them ahead of use. stream: stores y around the caches, and fetches rows of
// x in family channels.
enum class Form { plain, ahead, stream };

using KernelFunction = void (*)();  // called through halide_glue only, which knows the real signatures

struct ConvKernel {
    KernelFunction function;
    KernelFunction ahead, stream;  // its other forms, or nullptr
    const char* name;
    Family family;
    int target;              // index into targets()
    const char* activation;  // fused: "linear", "clamp", "silu"
    dwc_dtype dtype;
    int k, stride, m;       // 0: at run time
    int v, t, block;        // the point, see schedules/space.hpp
    bool recorded = false;  // for records and tuning: the default order takes it where nothing else is eligible

    bool ends() const;  // it computes the ends of padded rows itself: ConvCall::x_first

    // flat: one step of sequences with 2, 3 or 4 taps, their state moved on in place and to other memory, or nullptr.
    struct Step {
        KernelFunction in_place, apart;
    };
    std::array<Step, 3> steps = {};
    Step step(int64_t taps) const { return taps < 2 || taps > 4 ? Step{} : steps[static_cast<size_t>(taps - 2)]; }
};

struct ActivationRow {
    KernelFunction function;
    const char* name;
    int target;
    int v;
};

std::span<const Target> targets();
std::span<const ConvKernel> conv_kernels();  // compiled; all_kernels (added_kernels.hpp) has the added ones, too
std::span<const ActivationRow> activation_rows();

int find_target(std::string_view name);  // index, or -1
// The elementwise kernel of `function` for `target` or the nearest of its ancestors that is built; nullptr if none.
const ActivationRow* find_activation(std::string_view function, int target);

}  // namespace dwc
