#include "common.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <new>

#include "dwconv/dwconv.hpp"

namespace cli {
namespace {

void complain(const std::string &sentence) { std::cerr << "dwconv: " << sentence << '\n'; }

std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                if (static_cast<unsigned char>(c) < 0x20) {
                    out += format("\\u%04x", static_cast<unsigned>(c));
                } else {
                    out += c;
                }
        }
    }
    return out + "\"";
}

std::string number(double value) { return std::isfinite(value) ? format("%.6g", value) : "null"; }

}  // namespace

int exit_code_of(dwc_status status) {
    switch (status) {
        case DWC_OK:
            return kExitOk;
        // Nothing the user wrote is at fault: a valid problem without a kernel, the machine, or a bug.
        case DWC_ERROR_NULL_POINTER:
        case DWC_ERROR_STRUCT_SIZE:
        case DWC_ERROR_BUFFER_SIZE:
        case DWC_ERROR_UNSUPPORTED:
        case DWC_ERROR_WORKSPACE:
        case DWC_ERROR_WEIGHTS:
        case DWC_ERROR_ALIAS:
        case DWC_ERROR_OUT_OF_MEMORY:
        case DWC_ERROR_KERNEL:
        case DWC_ERROR_INTERNAL:
            return kExitFailure;
        default:
            return kExitInvalid;
    }
}

void check(dwc_status status, const dwc_error &error) {
    if (status == DWC_OK) return;
    throw Failure(exit_code_of(status), error.message[0] ? error.message : dwc_status_string(status));
}

int guarded(const std::function<int()> &body) {
    try {
        return body();
    } catch (const Failure &failure) {
        complain(failure.what());
        return failure.exit_code();
    } catch (const dwconv::value_error &error) {
        complain(error.what());
        return kExitInvalid;
    } catch (const dwconv::error &error) {
        complain(error.what());
        return exit_code_of(error.status());
    } catch (const std::bad_alloc &) {
        complain("not enough memory for the buffers of this problem");
        return kExitFailure;
    } catch (const std::exception &error) {
        complain(error.what());
        return kExitFailure;
    } catch (...) {
        complain("an unknown error ended the command");
        return kExitFailure;
    }
}

dwc_problem parse_problem(const std::string &text) {
    dwc_problem problem;
    dwc_problem_init(&problem);
    dwc_error error{};
    check(dwc_problem_parse(text.c_str(), &problem, &error), error);
    return problem;
}

void PlanOptions::add_to(CLI::App &app) {
    app.add_option("--threads", threads, "Threads of one execution; 0: as many as this process may use")
        ->capture_default_str()
        ->type_name("N");
    app.add_option("--force-kernel", force_kernel, "Use this kernel (a name of `dwconv list`) or fail")
        ->type_name("NAME");
    app.add_option("--force-target", force_target, "Use kernels of this target or fail")->type_name("NAME");
    app.add_option("--plan-level", plan_level,
                   "measure: time the kernels that could serve, for 50 ms, and take the best; "
                   "estimate: ignore what was measured")
        ->check(CLI::IsMember({"default", "measure", "estimate"}))
        ->capture_default_str()
        ->type_name("LEVEL");
    static const std::map<std::string, dwc_stores> ways{
        {"auto", DWC_STORES_AUTO}, {"cached", DWC_STORES_CACHED}, {"streamed", DWC_STORES_STREAMED}};
    app.add_option("--stores", stores, "Write y through the caches, or around them: auto, cached, streamed")
        ->transform(CLI::CheckedTransformer(ways).description(""))
        ->default_str("auto")
        ->type_name("WAY");
}

dwc_options PlanOptions::to_c() const {
    dwc_options options;
    dwc_options_init(&options);
    options.threads = threads;
    options.stores = stores;
    options.force_kernel = force_kernel.empty() ? nullptr : force_kernel.c_str();
    options.force_target = force_target.empty() ? nullptr : force_target.c_str();
    options.plan_level = plan_level == "measure"    ? DWC_PLAN_MEASURE
                         : plan_level == "estimate" ? DWC_PLAN_ESTIMATE
                                                    : DWC_PLAN_DEFAULT;
    return options;
}

void PlanOptions::check_values() const {
    if (threads < 0) throw Failure(kExitInvalid, format("threads=%d: must be at least 0", threads));
    const auto named = [](const std::string &name) { return [&name](const auto &info) { return name == info.name; }; };
    // Looking through them asks the drivers of devices, which only those who name a target or kernel must wait for.
    const auto targets = force_target.empty() ? std::vector<dwc_target_info>{} : all_targets();
    if (!force_target.empty() && std::none_of(targets.begin(), targets.end(), named(force_target))) {
        throw Failure(kExitInvalid,
                      "force_target=" + force_target + ": no such target; `dwconv list` names the targets");
    }
    const auto kernels = force_kernel.empty() ? std::vector<dwc_kernel_info>{} : all_kernels();
    if (!force_kernel.empty() && std::none_of(kernels.begin(), kernels.end(), named(force_kernel))) {
        throw Failure(kExitInvalid,
                      "force_kernel=" + force_kernel + ": no such kernel; `dwconv list` names the kernels");
    }
}

std::vector<dwc_target_info> all_targets() {
    std::vector<dwc_target_info> targets;
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        dwc_error error{};
        check(dwc_target_at(i, &info, &error), error);
        targets.push_back(info);
    }
    return targets;
}

std::string best_cpu_target() {
    for (int32_t i = 0; i < dwc_target_count(); ++i) {
        dwc_target_info info;
        dwc_target_info_init(&info);
        dwc_error error{};
        check(dwc_target_at(i, &info, &error), error);
        if (info.built && info.supported && info.device == DWC_MEMORY_HOST) return info.name;
    }
    return "";
}

std::vector<dwc_kernel_info> all_kernels() {
    std::vector<dwc_kernel_info> kernels;
    for (int32_t i = 0; i < dwc_kernel_count(); ++i) {
        dwc_kernel_info info;
        dwc_kernel_info_init(&info);
        dwc_error error{};
        check(dwc_kernel_at(i, &info, &error), error);
        kernels.push_back(info);
    }
    return kernels;
}

const char *dtype_name(dwc_dtype dtype) {
    switch (dtype) {
        case DWC_F32:
            return "f32";
        case DWC_BF16:
            return "bf16";
    }
    return "unknown";
}

JsonObject &JsonObject::raw(std::string_view key, const std::string &value) {
    if (!body_.empty()) body_ += ", ";
    body_ += quoted(key) + ": " + value;
    return *this;
}
JsonObject &JsonObject::add(std::string_view key, std::string_view value) { return raw(key, quoted(value)); }
JsonObject &JsonObject::add(std::string_view key, const char *value) {
    return raw(key, value ? quoted(value) : "null");
}
JsonObject &JsonObject::add(std::string_view key, double value) { return raw(key, number(value)); }
JsonObject &JsonObject::add(std::string_view key, int64_t value) { return raw(key, std::to_string(value)); }
JsonObject &JsonObject::add(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
JsonObject &JsonObject::add(std::string_view key, const JsonObject &value) { return raw(key, value.str()); }

JsonObject &JsonObject::add(std::string_view key, const std::vector<double> &values) {
    std::string list;
    for (const double value : values) list += (list.empty() ? "" : ", ") + number(value);
    return raw(key, "[" + list + "]");
}

std::string Table::str() const {
    std::vector<size_t> width;
    for (const auto &row : rows_) {
        width.resize(std::max(width.size(), row.size()));
        for (size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
    }
    // A column is numeric if its first data cell is; its header then follows it to the right.
    const auto numeric = [this](size_t column) {
        if (rows_.size() < 2 || column >= rows_[1].size() || rows_[1][column].empty()) return false;
        const auto first = static_cast<unsigned char>(rows_[1][column][0]);
        return std::isdigit(first) || first == '-' || first == '.';
    };
    std::string out;
    for (const auto &row : rows_) {
        std::string line;
        for (size_t i = 0; i < row.size(); ++i) {
            const std::string pad(width[i] - row[i].size(), ' ');
            line += (i ? "  " : "") + (numeric(i) ? pad + row[i] : row[i] + pad);
        }
        line.erase(line.find_last_not_of(' ') + 1);
        out += line + '\n';
    }
    return out;
}

std::string shown(std::string path) {
    std::replace_if(path.begin(), path.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    return path;
}

std::string format(const char *pattern, ...) {
    va_list arguments, again;
    va_start(arguments, pattern);
    va_copy(again, arguments);
    std::string out(static_cast<size_t>(std::max(0, std::vsnprintf(nullptr, 0, pattern, arguments))), '\0');
    std::vsnprintf(out.data(), out.size() + 1, pattern, again);
    va_end(again);
    va_end(arguments);
    return out;
}

}  // namespace cli
