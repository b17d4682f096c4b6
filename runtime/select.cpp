#include "select.hpp"

#include <algorithm>
#include <cstdlib>

#include "added_kernels.hpp"
#include "cost.hpp"
#include "cpu_name.hpp"
#include "device.hpp"
#include "error.hpp"
#include "plan.hpp"
#include "text.hpp"

namespace dwc {
namespace {

std::string from(const char* option, const char* variable) {
    if (option) return option;
    const char* value = std::getenv(variable);
    return value ? value : "";
}

bool ancestor_or_self(int target, int of) {
    while (of >= 0 && of != target) of = find_target(targets()[of].parent);
    return of == target;
}

dwc_status forced_target(const Wish& wish, bool this_machine, int* target, dwc_error* error) {
    *target = find_target(wish.target);
    if (*target < 0)
        return fail(error, DWC_ERROR_FORCED_TARGET, "force_target=%s: no such target, see `dwconv list`",
                    wish.target.c_str());
    const Target& t = targets()[*target];
    if (wish.memory != DeviceKind::host && wish.memory != t.device)
        return fail(error, DWC_ERROR_MEMORY, "memory=%d: force_target=%s has no kernels for it",
                    static_cast<int>(wish.memory), t.name);
    if (!this_machine) return DWC_OK;
    if (!t.built) return fail(error, DWC_ERROR_FORCED_TARGET, "force_target=%s: not built in this library", t.name);
    if (t.supported()) return DWC_OK;
    if (t.on_device())
        return fail(error, DWC_ERROR_NO_DEVICE, "force_target=%s: %s", t.name, device_of(t.device).unavailable());
    return fail(error, DWC_ERROR_FORCED_TARGET, "force_target=%s: this CPU does not support it", t.name);
}

// The target whose kernels take pointers of `memory`.
dwc_status target_of_memory(DeviceKind memory, int* target, dwc_error* error) {
    for (size_t i = 0; i < targets().size(); ++i) {
        const Target& t = targets()[i];
        if (t.device != memory) continue;
        if (!t.built) return fail(error, DWC_ERROR_NO_DEVICE, "memory=%s: not built in this library", t.name);
        if (!t.supported())
            return fail(error, DWC_ERROR_NO_DEVICE, "memory=%s: %s", t.name, device_of(memory).unavailable());
        *target = static_cast<int>(i);
        return DWC_OK;
    }
    return fail(error, DWC_ERROR_NO_DEVICE, "memory=%d: no target of this library is for it", static_cast<int>(memory));
}

dwc_status choose_forced(const Problem& problem, const Wish& wish, Selection* s, dwc_error* error) {
    for (Candidate& c : s->candidates) {
        if (wish.kernel != c.kernel->name) continue;
        const Target& target = targets()[c.kernel->target];
        if (wish.memory != DeviceKind::host && wish.memory != target.device)
            return fail(error, DWC_ERROR_MEMORY, "memory=%d: force_kernel=%s is not for it",
                        static_cast<int>(wish.memory), c.kernel->name);
        if (target.on_device() && !target.supported())
            return fail(error, DWC_ERROR_NO_DEVICE, "force_kernel=%s: %s", c.kernel->name,
                        device_of(target.device).unavailable());
        if (!target.supported())
            return fail(error, DWC_ERROR_FORCED_KERNEL, "force_kernel=%s: this CPU does not support its target",
                        c.kernel->name);
        if (const Refusal why = refusal(problem, *c.kernel))
            return fail(error, DWC_ERROR_FORCED_KERNEL, "force_kernel=%s: cannot compute %s: %s", c.kernel->name,
                        problem.key().c_str(), why.text().c_str());
        s->chosen = c.kernel;
        s->reason = "forced";
        return DWC_OK;
    }
    return fail(error, DWC_ERROR_FORCED_KERNEL, "force_kernel=%s: no such kernel, see `dwconv list`",
                wish.kernel.c_str());
}

// The eligible kernel of `target` with the least predicted work.
const Candidate* least_work(const std::vector<Candidate>& candidates, int target, bool recorded) {
    const Candidate* first = nullptr;
    for (const Candidate& c : candidates)
        if (c.eligible() && c.kernel->target == target && c.kernel->recorded == recorded &&
            (!first || c.cost < first->cost))
            first = &c;
    return first;
}

constexpr const char* default_order = "default order: least predicted work of the eligible kernels";

Answer answer(const Problem& problem, const Wish& wish, const Knowledge& knowledge, int limit,
              const std::vector<Candidate>& candidates, bool* tuned_here) {
    if (knowledge.tuned && !wish.estimate)
        if (Answer a = tuned_answer(problem, wish.threads, *knowledge.tuned, candidates); a.candidate)
            return *tuned_here = true, a;
    for (int t = limit; t >= 0; t = find_target(targets()[t].parent)) {
        const Candidate* first = least_work(candidates, t, false);
        if (!wish.estimate)
            if (Answer a = record_answer(problem, wish.threads, t, knowledge.records, knowledge.cpu, candidates, first);
                a.candidate)
                return a;
        if (first) return {first, default_order};
    }
    for (int t = limit; t >= 0; t = find_target(targets()[t].parent))
        if (const Candidate* first = least_work(candidates, t, true)) return {first, default_order};
    return {nullptr, "no compiled kernel computes this problem"};
}

std::vector<Candidate> candidates_of(const Problem& problem, const Wish& wish, const Knowledge& knowledge, int limit) {
    // Of each target: why none of its kernels is asked, if so.
    std::vector<Refusal> targets_refused;
    for (int t = 0; t < static_cast<int>(targets().size()); ++t) {
        const Target& target = targets()[t];
        Refusal refused;
        if (target.on_device() && t != limit)  // no driver is asked
            refused = {"a device's: runs where its target or its memory is asked for"};
        else if (knowledge.this_machine && !target.supported())
            refused = {"this CPU does not support its target"};
        else if (!wish.target.empty() && t != limit)
            refused = {"target %s is forced", targets()[limit].name};
        else if (!ancestor_or_self(t, limit))
            refused = {"not on the way from the best target to its ancestors"};
        targets_refused.push_back(refused);
    }
    std::vector<Candidate> candidates;
    candidates.reserve(knowledge.kernels.size());
    for (const ConvKernel* kernel : knowledge.kernels) {
        Candidate c{kernel, 0, targets_refused[kernel->target]};
        if (c.eligible()) c.refused = refusal(problem, *kernel);
        if (c.eligible()) c.cost = predicted_cost(problem, *kernel);
        candidates.push_back(c);
    }
    return candidates;
}

}  // namespace

int best_target() {
    const auto all = targets();
    for (size_t i = 0; i < all.size(); ++i)
        if (!all[i].on_device() && all[i].supported()) return static_cast<int>(i);
    return -1;
}

std::string why_not(const Candidate& c, const Selection& s) {
    if (!c.eligible()) return c.refused.text();
    if (!s.chosen) return {};
    if (c.kernel == s.chosen) return s.reason;
    if (c.kernel->target != s.chosen->target) return "target below the one chosen";
    return text("predicted %.2f times the work of the chosen kernel", c.cost / s.least) +
           (c.kernel->recorded ? "; compiled for records and tuning only" : "");
}

Wish wish_of(const dwc_options& options) {
    return {from(options.force_kernel, "DWC_FORCE_KERNEL"), from(options.force_target, "DWC_FORCE_TARGET"),
            options.threads > 0 ? options.threads : usable_cpus(), options.plan_level == DWC_PLAN_ESTIMATE,
            static_cast<DeviceKind>(options.memory)};
}

Knowledge own_knowledge() {
    tuned_load_from_environment();
    return {all_kernels(), tuned_table(), compiled_evidence(), cpu_name(), true};
}

dwc_status select(const Problem& problem, const Wish& wish, const Knowledge& knowledge, Selection* selection,
                  dwc_error* error) {
    Selection s;
    const int best = best_target();
    int limit = best;
    if (!wish.target.empty()) {
        if (const dwc_status status = forced_target(wish, knowledge.this_machine, &limit, error)) return status;
    } else if (wish.memory != DeviceKind::host) {
        if (const dwc_status status = target_of_memory(wish.memory, &limit, error)) return status;
    }

    s.candidates = candidates_of(problem, wish, knowledge, limit);
    if (!wish.kernel.empty()) {
        if (const dwc_status status = choose_forced(problem, wish, &s, error)) return status;
    } else {
        const Answer a = answer(problem, wish, knowledge, limit, s.candidates, &s.tuned_here);
        s.reason = a.reason;
        if (a.candidate) {
            s.chosen = a.candidate->kernel;
            if (s.chosen->target != limit) s.reason += ", on a parent of target " + std::string(targets()[limit].name);
            const bool free = wish.target.empty() && wish.memory == DeviceKind::host;
            if (free && s.chosen->target != best && !s.tuned_here) s.slower_target = targets()[best].name;
            if (!wish.target.empty())
                s.reason += ", target forced";
            else if (!free)
                s.reason += ", as the memory asks";
        }
    }
    if (s.chosen) s.least = std::max(predicted_cost(problem, *s.chosen), 1e-9);
    *selection = std::move(s);
    return DWC_OK;
}

}  // namespace dwc
