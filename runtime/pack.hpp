// Weights in the order a kernel family reads them.
#pragma once

#include <memory>
#include <string>

#include "device_memory.hpp"
#include "plan.hpp"

struct dwc_weights {
    std::string key;  // dwc_plan::weights_key
    // 1024 bytes into a page; the bias (zeros where the problem has none) follows the weights.
    std::unique_ptr<char, void (*)(void*)> data{nullptr, nullptr};
    int64_t bias_offset = 0;
    // Adding a product with a zero changes no sum of these: all weights are finite, and no bias is a negative zero.
    bool zeros_add_nothing = false;
    dwc::DeviceMemory device_w, device_b;  // for plans on a device; `data` is empty then
};

namespace dwc {

// w in `order`, bias (out_channels) or nullptr. nullptr where memory is short.
dwc_weights* pack(const PackedLayout& layout, const void* w, const void* bias, dwc_weights_order order);

}  // namespace dwc
