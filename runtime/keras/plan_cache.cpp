#include "plan_cache.hpp"

#include <algorithm>
#include <utility>

namespace dwconv::keras::detail {
namespace {

bool same(const options& a, const options& b) {
    return a.threads == b.threads && a.parallel_for == b.parallel_for && a.parallel_for_user == b.parallel_for_user &&
           a.allow_reference == b.allow_reference && a.force_kernel == b.force_kernel &&
           a.force_target == b.force_target && a.plan_level == b.plan_level && a.measure_ms == b.measure_ms &&
           a.stores == b.stores;
}

}  // namespace

std::vector<std::shared_ptr<const PreparedCall>>::iterator PlanCache::position(const Shape& input, bool chunk,
                                                                               const options& how) {
    return std::find_if(calls_.begin(), calls_.end(), [&](const auto& call) {
        return call->input == input && call->state.empty() != chunk && same(call->how, how);
    });
}

std::shared_ptr<const PreparedCall> PlanCache::find(const Shape& input, bool chunk, const options& how) {
    const std::lock_guard lock(mutex_);
    const auto found = position(input, chunk, how);
    if (found == calls_.end()) return nullptr;
    std::rotate(calls_.begin(), found, found + 1);
    return calls_.front();
}

std::shared_ptr<const dwconv::weights> PlanCache::find_weights(const std::string& layout) {
    const std::lock_guard lock(mutex_);
    for (const auto& call : calls_) {
        if (call->weights && call->weights_layout == layout) return call->weights;
    }
    return nullptr;
}

void PlanCache::insert(std::shared_ptr<const PreparedCall> call) {
    std::shared_ptr<const PreparedCall> dropped;  // destroyed after the lock is released
    const std::lock_guard lock(mutex_);
    auto place = position(call->input, !call->state.empty(), call->how);
    if (place == calls_.end()) {
        if (calls_.size() < kCapacity) calls_.emplace_back();
        place = calls_.end() - 1;
    }
    dropped = std::exchange(*place, std::move(call));
    std::rotate(calls_.begin(), place, place + 1);
}

void PlanCache::forget_weights() {
    const std::lock_guard lock(mutex_);
    for (auto& call : calls_) {
        auto bare = std::make_shared<PreparedCall>(*call);
        bare->weights.reset();
        call = std::move(bare);
    }
}

std::size_t PlanCache::size() {
    const std::lock_guard lock(mutex_);
    return calls_.size();
}

}  // namespace dwconv::keras::detail
