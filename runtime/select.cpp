#include "select.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "cost.hpp"
#include "error.hpp"

namespace dwc {
namespace {

template <typename... Args>
std::string text(const char* format, Args... args) {
    char buffer[300];
    std::snprintf(buffer, sizeof buffer, format, args...);
    return buffer;
}

std::string from(const char* option, const char* variable) {
    if (option) return option;
    const char* value = std::getenv(variable);
    return value ? value : "";
}

bool ancestor_or_self(int target, int of) {
    while (of >= 0 && of != target) of = find_target(targets()[of].parent);
    return of == target;
}

dwc_status forced_target(const Wish& wish, int* target, dwc_error* error) {
    *target = find_target(wish.target);
    if (*target < 0)
        return fail(error, DWC_ERROR_FORCED_TARGET, "force_target=%s: no such target, see `dwconv list`",
                    wish.target.c_str());
    const Target& t = targets()[*target];
    if (!t.built) return fail(error, DWC_ERROR_FORCED_TARGET, "force_target=%s: not built in this library", t.name);
    if (!t.supported())
        return fail(error, DWC_ERROR_FORCED_TARGET, "force_target=%s: this CPU does not support it", t.name);
    return DWC_OK;
}

// Best target this CPU runs: the first supported row of the table, which lists the best first.
int best_target() {
    const auto all = targets();
    for (size_t i = 0; i < all.size(); ++i)
        if (all[i].supported()) return static_cast<int>(i);
    return -1;
}

dwc_status choose_forced(const Problem& problem, const Wish& wish, Selection* s, dwc_error* error) {
    for (Candidate& c : s->candidates) {
        if (wish.kernel != c.kernel->name) continue;
        if (!targets()[c.kernel->target].supported())
            return fail(error, DWC_ERROR_FORCED_KERNEL, "force_kernel=%s: this CPU does not support its target",
                        c.kernel->name);
        if (const std::string why = refusal(problem, *c.kernel); !why.empty())
            return fail(error, DWC_ERROR_FORCED_KERNEL, "force_kernel=%s: cannot compute %s: %s", c.kernel->name,
                        problem.key().c_str(), why.c_str());
        s->chosen = c.kernel;
        s->reason = "forced";
        return DWC_OK;
    }
    return fail(error, DWC_ERROR_FORCED_KERNEL, "force_kernel=%s: no such kernel, see `dwconv list`",
                wish.kernel.c_str());
}

}  // namespace

Wish wish_of(const dwc_options& options) {
    return {from(options.force_kernel, "DWC_FORCE_KERNEL"), from(options.force_target, "DWC_FORCE_TARGET")};
}

dwc_status select(const Problem& problem, const Wish& wish, Selection* selection, dwc_error* error) {
    Selection s;
    const int best = best_target();
    int limit = best;
    if (!wish.target.empty())
        if (const dwc_status status = forced_target(wish, &limit, error)) return status;

    for (const ConvKernel& kernel : conv_kernels()) {
        Candidate c{&kernel, false, 0, {}};
        if (!targets()[kernel.target].supported())
            c.reason = "this CPU does not support its target";
        else if (!wish.target.empty() && kernel.target != limit)
            c.reason = "target " + wish.target + " is forced";
        else if (!ancestor_or_self(kernel.target, limit))
            c.reason = "not on the way from the best target to its ancestors";
        else
            c.reason = refusal(problem, kernel);
        if (c.reason.empty()) {
            c.eligible = true;
            c.cost = predicted_cost(problem, kernel);
        }
        s.candidates.push_back(std::move(c));
    }

    if (!wish.kernel.empty()) {
        if (const dwc_status status = choose_forced(problem, wish, &s, error)) return status;
    } else {
        const Candidate* first = nullptr;
        for (int t = limit; t >= 0 && !first; t = find_target(targets()[t].parent)) {
            for (const Candidate& c : s.candidates)
                if (c.eligible && c.kernel->target == t && (!first || c.cost < first->cost)) first = &c;
        }
        if (first) {
            s.chosen = first->kernel;
            s.reason = "default order: least predicted work of the eligible kernels";
            if (s.chosen->target != limit) s.reason += ", on a parent of target " + std::string(targets()[limit].name);
            if (wish.target.empty() && s.chosen->target != best) s.slower_target = targets()[best].name;
            if (!wish.target.empty()) s.reason += ", target forced";
        } else {
            s.reason = "no compiled kernel computes this problem";
        }
    }
    if (s.chosen) {
        const double least = std::max(predicted_cost(problem, *s.chosen), 1e-9);
        for (Candidate& c : s.candidates) {
            if (!c.eligible) continue;
            if (c.kernel == s.chosen)
                c.reason = s.reason;
            else if (c.kernel->target != s.chosen->target)
                c.reason = "target below the one chosen";
            else
                c.reason = text("predicted %.2f times the work of the chosen kernel", c.cost / least);
        }
    }
    *selection = std::move(s);
    return DWC_OK;
}

}  // namespace dwc
