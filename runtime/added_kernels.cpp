#include "added_kernels.hpp"

#include <deque>
#include <mutex>
#include <string>

#include "error.hpp"
#include "space.hpp"

namespace dwc {
namespace {

struct Added {
    std::string name, activation;
    ConvKernel kernel;
};

// Plans point into the rows, so they never move and never go; destroying them at exit could outrun a user's thread.
struct Store {
    std::mutex mutex;
    std::deque<Added> rows;
};

Store& store() {
    static Store* const all = new Store;
    return *all;
}

dwc_status refuse(dwc_error* error, const std::string& sentence) {
    return fail(error, DWC_ERROR_KERNEL_ROW, "%s", sentence.c_str());
}

bool family_of(std::string_view name, Family* family) {
    for (const Family f : {Family::channels, Family::width, Family::flat, Family::gpunlc, Family::gpuncl}) {
        if (name != family_name(f)) continue;
        *family = f;
        return true;
    }
    return false;
}

const char* dtype_word(dwc_dtype dtype) { return dtype == DWC_BF16 ? "bf16" : "f32"; }

Point point_of(const dwc_kernel_row& row) {
    return {row.family, row.activation, row.k, row.stride, row.m, row.v, row.t, row.block};
}

bool exists(const std::string& name, const Store& all) {
    for (const ConvKernel& kernel : conv_kernels())
        if (name == kernel.name) return true;
    for (const Added& row : all.rows)
        if (name == row.name) return true;
    return false;
}

// Names go into log lines, records and command lines.
std::string broken_name(const std::string& name, const std::string& target) {
    const std::string end = "@" + target;
    if (name.size() > 200) return "name: must have at most 200 characters";
    if (name.size() <= end.size() || name.compare(name.size() - end.size(), end.size(), end) != 0)
        return "name=" + name + ": must end in " + end;
    for (const char c : name.substr(0, name.size() - end.size())) {
        const bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
        if (!word && c != '-' && c != '.') return "name=" + name + ": letters, digits, '_', '-' and '.' are allowed";
    }
    return {};
}

}  // namespace

dwc_status kernel_of_row(const dwc_kernel_row& row, ConvKernel* kernel, dwc_error* error) {
    if (!row.family) return refuse(error, "family=NULL: must be a family's name");
    Family family;
    if (!family_of(row.family, &family))
        return refuse(error, "family=" + std::string(row.family) + ": must be channels, width or flat");
    if (!row.target) return refuse(error, "target=NULL: must be a target's name");
    if (!row.activation) return refuse(error, "activation=NULL: must be linear, clamp or silu");
    const int target = find_target(row.target);
    if (target < 0) return refuse(error, "target=" + std::string(row.target) + ": no such target, see `dwconv list`");
    if (row.dtype != DWC_F32 && row.dtype != DWC_BF16)
        return refuse(error, "dtype=" + std::to_string(static_cast<int>(row.dtype)) + ": must be f32 or bf16");
    const Target& at = targets()[target];
    const int registers = vector_registers(std::string_view(at.processor) == "x86_64", at.lanes);
    if (const std::string rule = broken_rule(point_of(row), at.lanes, registers); !rule.empty())
        return refuse(error, variant_name(point_of(row), dtype_word(row.dtype)) + ": " + rule);
    if (on_device(family) != at.on_device())
        return refuse(error, "family=" + std::string(row.family) + ": target " + row.target + " has other families");
    if (on_device(family) && row.dtype != DWC_F32) return refuse(error, "dtype: kernels of devices are f32");
    *kernel = {row.function, nullptr, nullptr,    row.name, family, target, row.activation,
               row.dtype,    row.k,   row.stride, row.m,    row.v,  row.t,  row.block};
    return DWC_OK;
}

dwc_status add_kernel(const dwc_kernel_row& row, dwc_error* error) {
    Added added;
    if (const dwc_status status = kernel_of_row(row, &added.kernel, error)) return status;
    if (!row.function) return refuse(error, "function=NULL: must be the kernel");
    // Such a kernel would bring a device runtime of its own, with contexts and streams that are not the caller's.
    if (on_device(added.kernel.family))
        return refuse(error, "target=" + std::string(row.target) + ": kernels of devices are compiled in");
    added.name = row.name ? row.name : variant_name(point_of(row), dtype_word(row.dtype)) + "@" + row.target;
    added.activation = row.activation;
    if (const std::string why = broken_name(added.name, row.target); !why.empty()) return refuse(error, why);

    Store& all = store();
    const std::lock_guard lock(all.mutex);
    if (exists(added.name, all)) return refuse(error, "name=" + added.name + ": a kernel has that name already");
    all.rows.push_back(std::move(added));
    Added& kept = all.rows.back();
    kept.kernel.name = kept.name.c_str();
    kept.kernel.activation = kept.activation.c_str();
    return DWC_OK;
}

std::vector<const ConvKernel*> all_kernels() {
    std::vector<const ConvKernel*> kernels;
    for (const ConvKernel& kernel : conv_kernels()) kernels.push_back(&kernel);
    Store& all = store();
    const std::lock_guard lock(all.mutex);
    for (const Added& row : all.rows) kernels.push_back(&row.kernel);
    return kernels;
}

}  // namespace dwc
