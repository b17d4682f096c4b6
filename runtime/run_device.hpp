// A plan on a device: the whole problem in one launch, and one more for an activation that is not fused.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "activation.hpp"
#include "device_memory.hpp"
#include "dwconv/dwconv.h"
#include "pack.hpp"
#include "problem.hpp"

namespace dwc {

class DeviceRunner {
   public:
    // `memory`: whose pointers x and y are; `context`: the caller's, or nullptr. Compiles the kernels. nullptr where it
    // fails.
    static std::unique_ptr<DeviceRunner> make(const Problem& problem, const ConvKernel& kernel,
                                              const ActivationRow* epilogue, DeviceKind memory, void* context,
                                              dwc_status* status, dwc_error* error);

    PackedLayout packed() const;
    // What distinguishes packed weights of this device and context.
    std::string place() const;
    // Copies packed weights to the device.
    dwc_status upload(dwc_weights* weights, dwc_error* error) const;
    dwc_status execute(const dwc_args& args, dwc_error* error) const;
    bool host_memory() const { return memory_ == DeviceKind::host; }

   private:
    DeviceRunner(const Problem& problem, const ConvKernel& kernel, const ActivationRow* epilogue, DeviceKind memory);

    // Memory of one execution with pointers of this process; kept for the next one.
    struct Staging {
        DeviceMemory x, y;
        std::vector<char> host_x, host_y;  // dense copies, where x or y is not dense or state comes before it
    };

    void make_zeros(DeviceCall& call);
    void enqueue(uint64_t x, uint64_t y, const dwc_weights& weights, DeviceCall& call) const;
    void activate(uint64_t y, DeviceCall& call) const;
    dwc_status execute_here(const dwc_args& args, DeviceCall& call, dwc_error* error) const;
    const char* dense_x(const dwc_args& args, Staging& staging) const;
    void keep_state(const dwc_args& args) const;
    dwc_status check_pointers(const dwc_args& args, dwc_error* error) const;

    const Problem given_;  // as the caller has it
    Problem p_;            // as the device sees it: with memory of the host dense, and any state part of the row
    const ConvKernel& kernel_;
    const ActivationRow* epilogue_;
    const ActivationKernel activation_;
    const DeviceKind memory_;
    Device& device_;
    void* context_ = nullptr;
    DeviceMemory zeros_;  // where rows have no elements: what a kernel reads instead
    mutable std::mutex mutex_;
    mutable std::vector<std::unique_ptr<Staging>> idle_;
};

// dwc_activation_apply with a kernel of a device: copies, computes, copies back.
dwc_status activate_on_device(const ActivationRow& kernel, const float* parameters, float* values, int64_t count,
                              dwc_error* error);

}  // namespace dwc
