// Each status code, provoked through the C interface, with a message that names the field.
#include <functional>
#include <set>

#include "plan_support.hpp"

namespace {

using namespace dwc_test;

const char* const kProblem = "f32_nlc_n1_l90_c40_k4_m1_s1_d1_pl3_pr0_bias_linear";
const char* const kLong = "f32_ncl_n1_l1000_c2_k4_m1_s1_d300000_pl900000_pr0_bias_linear";

using Provoke = std::function<dwc_status(dwc_error*)>;

// Validation of a problem with one field changed.
Provoke field(const std::function<void(dwc_problem&)>& change) {
    return [change](dwc_error* error) {
        dwc_problem p = parse(kProblem);
        change(p);
        dwc_plan* plan = nullptr;
        const dwc_status status = dwc_plan_create(&plan, &p, nullptr, error);
        EXPECT_EQ(plan, nullptr);
        return status;
    };
}
Provoke option(const std::function<void(dwc_options&)>& change) {
    return [change](dwc_error* error) {
        const dwc_problem p = parse(kProblem);
        dwc_options o = options_with();
        change(o);
        dwc_plan* plan = nullptr;
        const dwc_status status = dwc_plan_create(&plan, &p, &o, error);
        EXPECT_EQ(plan, nullptr);
        return status;
    };
}
// An execution with one argument changed.
Provoke argument(const char* problem, const std::function<void(dwc_args&)>& change) {
    return [=](dwc_error* error) {
        const Workload work(parse(problem));
        const Plan plan = make_plan(work.p, options_with());
        const Weights weights = work.pack(plan);
        Workspace workspace(dwc_plan_workspace_size(plan.get()));
        std::vector<char> y = work.fresh_y();
        dwc_args args = work.args(weights, y, workspace);
        change(args);
        const dwc_status status = dwc_plan_execute(plan.get(), &args, error);
        if (status != DWC_OK) {
            EXPECT_TRUE(y == work.fresh_y()) << "a refused execution wrote to y";
        }
        return status;
    };
}

const char* foreign_target() {
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        static dwc_target_info info;
        dwc_target_info_init(&info);
        EXPECT_EQ(dwc_target_at(i, &info, nullptr), DWC_OK);
        if (info.device == DWC_MEMORY_HOST && (!info.built || !info.supported)) return info.name;
    }
    return "no-such-target";
}

struct Case {
    dwc_status status;
    const char* names;  // what the message must contain
    Provoke provoke;
};

const std::vector<Case>& cases() {
    static const std::vector<Case> all = {
        {DWC_OK, "", argument(kProblem, [](dwc_args&) {})},
        {DWC_ERROR_NULL_POINTER, "weights=NULL", argument(kProblem, [](dwc_args& a) { a.weights = nullptr; })},
        {DWC_ERROR_NULL_POINTER, "x=NULL", argument(kProblem, [](dwc_args& a) { a.x = nullptr; })},
        {DWC_ERROR_NULL_POINTER, "y=NULL", argument(kProblem, [](dwc_args& a) { a.y = nullptr; })},
        {DWC_ERROR_STRUCT_SIZE, "args.struct_size=3", argument(kProblem, [](dwc_args& a) { a.struct_size = 3; })},
        {DWC_ERROR_STRUCT_SIZE, "options.struct_size=0", option([](dwc_options& o) { o.struct_size = 0; })},
        {DWC_ERROR_STRUCT_SIZE, "struct_size", field([](dwc_problem& p) { p.struct_size = 1; })},
        {DWC_ERROR_PARSE, "banana",
         [](dwc_error* error) {
             dwc_problem p;
             return dwc_problem_parse("banana", &p, error);
         }},
        {DWC_ERROR_BUFFER_SIZE, "size",
         [](dwc_error* error) {
             const dwc_problem p = parse(kProblem);
             char text[5];
             return dwc_problem_format(&p, text, sizeof text, error);
         }},
        {DWC_ERROR_DTYPE, "x_dtype", field([](dwc_problem& p) { p.x_dtype = static_cast<dwc_dtype>(9); })},
        {DWC_ERROR_LAYOUT, "layout", field([](dwc_problem& p) { p.layout = static_cast<dwc_layout>(9); })},
        {DWC_ERROR_BATCH, "batch=-1", field([](dwc_problem& p) { p.batch = -1; })},
        {DWC_ERROR_LENGTH, "length=-1", field([](dwc_problem& p) { p.length = -1; })},
        {DWC_ERROR_CHANNELS, "channels=-1", field([](dwc_problem& p) { p.channels = -1; })},
        {DWC_ERROR_KERNEL_SIZE, "kernel_size=0", field([](dwc_problem& p) { p.kernel_size = 0; })},
        {DWC_ERROR_DEPTH_MULTIPLIER, "depth_multiplier=0", field([](dwc_problem& p) { p.depth_multiplier = 0; })},
        {DWC_ERROR_STRIDE, "stride=0", field([](dwc_problem& p) { p.stride = 0; })},
        {DWC_ERROR_DILATION, "dilation=0", field([](dwc_problem& p) { p.dilation = 0; })},
        {DWC_ERROR_PADDING, "pad_left=-1", field([](dwc_problem& p) { p.pad_left = -1; })},
        {DWC_ERROR_OUT_LENGTH, "length", field([](dwc_problem& p) { p.length = 1, p.pad_left = 0; })},
        {DWC_ERROR_ACTIVATION, "activation", field([](dwc_problem& p) { p.activation = DWC_ACTIVATION_COUNT; })},
        {DWC_ERROR_BIAS, "bias",
         [](dwc_error* error) {
             const Workload work(parse(kProblem));
             dwc_weights* weights = nullptr;
             const Plan plan = make_plan(work.p, options_with());
             return dwc_weights_pack(plan.get(), work.w.data(), nullptr, DWC_WEIGHTS_KERAS, &weights, error);
         }},
        {DWC_ERROR_STRIDES, "x_strides", field([](dwc_problem& p) { p.x_strides[2] = 2; })},
        {DWC_ERROR_OVERFLOW, "", field([](dwc_problem& p) { p.batch = p.length = p.channels = int64_t{1} << 40; })},
        {DWC_ERROR_THREADS, "threads=-1", option([](dwc_options& o) { o.threads = -1; })},
        {DWC_ERROR_THREADS, "threads=1000000", option([](dwc_options& o) { o.threads = 1000000; })},
        {DWC_ERROR_STATE, "pad_left", field([](dwc_problem& p) { p.stateful = 1, p.pad_left = 1; })},
        {DWC_ERROR_STORES, "stores=3", option([](dwc_options& o) { o.stores = static_cast<dwc_stores>(3); })},
        {DWC_ERROR_MEMORY, "memory=3", option([](dwc_options& o) { o.memory = static_cast<dwc_memory>(3); })},
        {DWC_ERROR_UNSUPPORTED, "no compiled kernel", field([](dwc_problem& p) { p.y_dtype = DWC_BF16; })},
        {DWC_ERROR_FORCED_KERNEL, "banana", option([](dwc_options& o) { o.force_kernel = "banana"; })},
        {DWC_ERROR_FORCED_TARGET, "banana", option([](dwc_options& o) { o.force_target = "banana"; })},
        {DWC_ERROR_FORCED_TARGET, "force_target", option([](dwc_options& o) { o.force_target = foreign_target(); })},
        {DWC_ERROR_WORKSPACE, "workspace=NULL", argument(kLong, [](dwc_args& a) { a.workspace = nullptr; })},
        {DWC_ERROR_WORKSPACE, "aligned",
         argument(kLong, [](dwc_args& a) { a.workspace = static_cast<char*>(a.workspace) + 4; })},
        {DWC_ERROR_WEIGHTS, "weights packed",
         [](dwc_error* error) {
             const Workload work(parse(kProblem)), other(parse(kLong));
             std::vector<char> y = work.fresh_y();
             return work.execute(make_plan(work.p, options_with()), other.pack(make_plan(other.p, options_with())), y,
                                 error);
         }},
        {DWC_ERROR_ALIAS, "overlaps", argument(kProblem, [](dwc_args& a) { a.x = a.y; })},
        {DWC_ERROR_KERNEL_ROW, "family=banana",
         [](dwc_error* error) {
             dwc_kernel_row row;
             dwc_kernel_row_init(&row);
             row.family = "banana";
             return dwc_kernel_add(&row, error);
         }},
        {DWC_ERROR_PLAN_LEVEL, "plan_level=3", option([](dwc_options& o) { o.plan_level = 3; })},
        {DWC_ERROR_TUNED, "kernel='nothing'",
         [](dwc_error* error) {
             const dwc_problem p = parse(kProblem);
             return dwc_tuned_add(&p, 1, "nothing", 1, error);
         }},
    };
    return all;
}

// What an outsider cannot cause: memory that runs out, and bugs of ours. Those of devices: device_*_test.cpp.
const std::set<dwc_status> unprovokable = {DWC_ERROR_OUT_OF_MEMORY, DWC_ERROR_KERNEL,         DWC_ERROR_INTERNAL,
                                           DWC_ERROR_NO_DEVICE,     DWC_ERROR_DEVICE_CONTEXT, DWC_ERROR_DEVICE_MODULE,
                                           DWC_ERROR_DEVICE_STREAM, DWC_ERROR_ALIGNMENT};

TEST(Status, EachIsProvoked) {
    for (const Case& c : cases()) {
        dwc_error error{};
        EXPECT_EQ(c.provoke(&error), c.status) << dwc_status_string(c.status) << ": " << error.message;
        EXPECT_NE(std::string(error.message).find(c.names), std::string::npos)
            << dwc_status_string(c.status) << ": " << error.message << " (wanted: " << c.names << ")";
        if (c.status != DWC_OK) {
            EXPECT_EQ(error.status, c.status);
        }
        EXPECT_EQ(c.provoke(nullptr), c.status) << "without a dwc_error";
    }
}

// The list above covers the whole enumeration: a new constant without a case fails here.
TEST(Status, TheListIsComplete) {
    std::set<dwc_status> seen = unprovokable;
    for (const Case& c : cases()) seen.insert(c.status);
    int named = 0;
    for (int i = 0; std::strcmp(dwc_status_string(static_cast<dwc_status>(i)), "DWC_ERROR_UNKNOWN"); ++i) {
        EXPECT_TRUE(seen.count(static_cast<dwc_status>(i))) << dwc_status_string(static_cast<dwc_status>(i));
        ++named;
    }
    EXPECT_EQ(named, DWC_ERROR_ALIGNMENT + 1);
}

}  // namespace
