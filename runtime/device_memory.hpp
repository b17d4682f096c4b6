// Memory of a device that frees itself.
#pragma once

#include <memory>

#include "device.hpp"

namespace dwc {

// Memory of a device, freed with its last owner.
class DeviceMemory {
   public:
    DeviceMemory() = default;
    // Empty where it fails, which `call` then says.
    DeviceMemory(Device& device, int64_t bytes, DeviceCall& call);
    uint64_t handle() const { return block_ ? block_->handle : 0; }

   private:
    struct Block {
        ~Block();
        Device* device;
        void* context;
        uint64_t handle;
    };
    std::shared_ptr<Block> block_;
};

}  // namespace dwc
