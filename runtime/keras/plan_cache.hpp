// Plans that a layer has made, by input shape and options.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "dwconv/keras/tensor.hpp"

namespace dwconv::keras::detail {

// All that a call needs, for one input shape and one set of options. Immutable.
struct PreparedCall {
    Shape input, output;
    Shape state;  // of a chunk's past: empty where x is the whole sequence
    options how;
    std::size_t x_count = 0, y_count = 0;
    std::shared_ptr<const dwconv::plan> plan;
    std::string weights_layout;
    std::shared_ptr<const dwconv::weights> weights;  // null: to be packed
};

// The most recent ones, for many threads. A hit on the most recent costs a lock, two comparisons and a reference count.
class PlanCache {
   public:
    static constexpr std::size_t kCapacity = 16;

    // Null where there is none.
    std::shared_ptr<const PreparedCall> find(const Shape& input, bool chunk, const options& how);
    // Packed weights of any call that reads this layout; null where there are none.
    std::shared_ptr<const dwconv::weights> find_weights(const std::string& layout);
    // In the place of the one for the same shape and options, or of the one that was not used for longest.
    void insert(std::shared_ptr<const PreparedCall> call);
    // The layer's weights have changed. Plans stay.
    void forget_weights();
    std::size_t size();

   private:
    std::vector<std::shared_ptr<const PreparedCall>>::iterator position(const Shape& input, bool chunk,
                                                                        const options& how);

    std::mutex mutex_;
    std::vector<std::shared_ptr<const PreparedCall>> calls_;  // most recently used first
};

}  // namespace dwconv::keras::detail
