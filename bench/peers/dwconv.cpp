// dwconv itself: what the library chooses by default.
#include "worker.hpp"

namespace peers {
namespace {

void check(dwc_status status, const dwc_error& error) {
    if (status) throw Refused(error.message);
}

std::vector<Form> forms(const Case& c) {
    return {form("plan", [&]() -> std::function<void(float*)> {
        dwc_error error{};
        dwc_options options;
        dwc_options_init(&options);
        options.threads = c.threads;
        dwc_plan* raw_plan = nullptr;
        check(dwc_plan_create(&raw_plan, &c.problem, &options, &error), error);
        const std::shared_ptr<dwc_plan> plan(raw_plan, dwc_plan_destroy);
        dwc_weights* raw_weights = nullptr;
        check(dwc_weights_pack(plan.get(), c.w, c.b, DWC_WEIGHTS_KERAS, &raw_weights, &error), error);
        const std::shared_ptr<dwc_weights> weights(raw_weights, dwc_weights_destroy);
        const std::shared_ptr<void> workspace(aligned_alloc(64, dwc_plan_workspace_size(plan.get()) + 64), free);
        dwc_args args;
        dwc_args_init(&args);
        args.x = c.x;
        args.weights = weights.get();
        args.workspace = workspace.get();
        return [plan, weights, workspace, args](float* y) mutable {
            args.y = y;
            dwc_error failure{};
            check(dwc_plan_execute(plan.get(), &args, &failure), failure);
        };
    })};
}

}  // namespace

Peer peer() { return {"dwconv", dwc_version(), forms}; }

}  // namespace peers
