// A folder with good input for `dwconv run`, and what is checked when a test has spoiled some of it.
// DWC_CLI: path of the binary. DWC_TEST_DATA: folder with the oracle.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cli_process.hpp"
#include "npy_bytes.hpp"

namespace dwc_test {

// Names and bytes of everything in a folder.
using Snapshot = std::map<std::string, std::string>;

// The config of a layer as the tests here need it.
struct Layer {
    int64_t stride = 1, dilation = 1;
    bool same = false, channels_first = false;
    std::string activation = "linear";

    std::string json(const std::string &more = "") const {
        return "{\"kernel_size\": 3, \"depth_multiplier\": 2, \"strides\": " + std::to_string(stride) +
               ", \"dilation_rate\": " + std::to_string(dilation) + ", \"padding\": \"" + (same ? "same" : "valid") +
               "\", \"data_format\": \"" + (channels_first ? "channels_first" : "channels_last") +
               "\", \"activation\": \"" + activation + "\"" + more + "}";
    }
};

inline double activate(const std::string &name, double v) {
    if (name == "relu") return v < 0 ? 0 : v;                      // NaN stays
    if (name == "silu" && std::isinf(v)) return v < 0 ? -0.0 : v;  // the limit, as the library promises; Keras: NaN
    if (name == "silu") return v / (1 + std::exp(-v));
    if (name == "tanh") return std::tanh(v);
    return v;
}

// y[n, t, c*M+m] = act(b[c*M+m] + sum_j x[n, t*stride + j*dilation - pad_left, c] * w[j, c, m]), as it is written.
inline Array formula(const Layer &layer, const Array &x, const Array &w, const Array &b) {
    const size_t time_axis = layer.channels_first ? 2 : 1, channel_axis = 3 - time_axis;
    const int64_t batch = x.shape[0], length = x.shape[time_axis], channels = x.shape[channel_axis];
    const int64_t taps = w.shape[0], multiplier = w.shape[2], span = (taps - 1) * layer.dilation + 1;
    const int64_t steps = layer.same ? (length - 1) / layer.stride + 1 : (length - span) / layer.stride + 1;
    const int64_t pads = layer.same ? std::max<int64_t>((steps - 1) * layer.stride + span - length, 0) : 0;
    const auto at = [&](int64_t n, int64_t t, int64_t c, int64_t t_count, int64_t c_count) {
        return static_cast<size_t>(layer.channels_first ? (n * c_count + c) * t_count + t
                                                        : (n * t_count + t) * c_count + c);
    };
    Array y;
    y.shape = {batch, steps, channels * multiplier};
    if (layer.channels_first) std::swap(y.shape[1], y.shape[2]);
    y.values.resize(static_cast<size_t>(batch * steps * channels * multiplier));
    for (int64_t n = 0; n < batch; ++n) {
        for (int64_t t = 0; t < steps; ++t) {
            for (int64_t q = 0; q < channels * multiplier; ++q) {
                double sum = b.values[static_cast<size_t>(q)];
                for (int64_t j = 0; j < taps; ++j) {
                    const int64_t from = t * layer.stride + j * layer.dilation - pads / 2;
                    if (from < 0 || from >= length) continue;
                    sum += static_cast<double>(x.values[at(n, from, q / multiplier, length, channels)]) *
                           w.values[static_cast<size_t>(j * channels * multiplier + q)];
                }
                y.values[at(n, t, q, steps, channels * multiplier)] =
                    static_cast<float>(activate(layer.activation, sum));
            }
        }
    }
    return y;
}

// What is wrong with `got`, the bytes of a .npy file, where `expected` should be; "" if nothing.
inline std::string difference(const std::string &got, const Array &expected) {
    const std::string bytes = npy(expected);
    const size_t data = expected.values.size() * sizeof(float);
    if (got.size() != bytes.size()) return std::to_string(got.size()) + " bytes, not " + std::to_string(bytes.size());
    if (got.compare(0, bytes.size() - data, bytes, 0, bytes.size() - data) != 0) return "another header";
    std::vector<float> values(expected.values.size());
    std::memcpy(values.data(), got.data() + (got.size() - data), data);
    double largest = 1;
    for (const float v : expected.values)
        largest = std::isfinite(v) ? std::max<double>(largest, std::fabs(v)) : largest;
    for (size_t i = 0; i < values.size(); ++i) {
        const float e = expected.values[i], v = values[i];
        const bool fits = std::isnan(e) ? std::isnan(v) : v == e || std::fabs(double{v} - e) <= 1e-5 * largest;
        if (!fits) return "element " + std::to_string(i) + ": " + std::to_string(v) + ", not " + std::to_string(e);
    }
    return "";
}

// What is wrong with the end of a command that had to fail with `exit_code`; "" if nothing.
inline std::string failure_fault(const Outcome &outcome, int exit_code, const std::string &part, const Snapshot &before,
                                 const Snapshot &after) {
    if (outcome.exit_code != exit_code) return "exit code " + std::to_string(outcome.exit_code);
    if (!outcome.out.empty()) return "text on stdout: " + outcome.out;
    if (outcome.err.empty() || outcome.err.find('\n') != outcome.err.size() - 1) return "not one line";
    if (outcome.err.rfind("dwconv: ", 0) != 0) return "a line that does not start with the command's name";
    for (const char *trace :
         {"terminate", "what()", "std::", "bort", "core dumped", "egmentation", "Sanitizer", "#0"}) {
        if (outcome.err.find(trace) != std::string::npos) return std::string("speaks of ") + trace;
    }
    if (outcome.err.find(part) == std::string::npos) return "does not name " + part;
    if (before == after) return "";
    std::string changed = "files changed:";
    for (const auto &[name, bytes] : after) {
        const auto old = before.find(name);
        if (old == before.end() || old->second != bytes) changed += " " + name;
    }
    return changed;
}

class CliBadInput : public CliProcess {
   protected:
    void SetUp() override {
        CliProcess::SetUp();
        work_ = folder_ / "work";
        std::filesystem::create_directory(work_);
        std::filesystem::create_directory(work_ / "folder");
        put("old.npy", "an output of before");
        put("layer.json", Layer().json());
        put("x.npy", npy(x_));
        put("k.npy", npy(k_));
        put("b.npy", npy(b_));
        const std::filesystem::path models = DWC_TEST_DATA "/keras_oracle/models";
        std::filesystem::copy_file(models / "seq_single.keras", work_ / "m.keras");
        std::filesystem::copy_file(models / "seq_single_keras_0_x.npy", work_ / "mx.npy");
        std::filesystem::copy_file(models / "seq_single_keras_0_y.npy", work_ / "my.npy");
    }

    void put(const std::string &name, const std::string &bytes) { write_file("work/" + name, bytes); }

    Snapshot snapshot() const {
        Snapshot files;
        for (const auto &entry : std::filesystem::recursive_directory_iterator(work_)) {
            const std::string name = std::filesystem::relative(entry.path(), work_).string();
            files[name] = entry.is_regular_file() ? contents(entry.path()) : "no regular file";
        }
        return files;
    }

    // Runs the command inside the folder that is watched; `shell` comes just before it.
    Outcome run_here(const std::string &arguments, const std::string &shell = "") {
        return run(arguments, "cd '" + work_.string() + "' && " + shell + " TMPDIR=.");
    }

    void expect_failure(const std::string &arguments, const std::string &part, int exit_code = 2,
                        const std::string &shell = "") {
        const Snapshot before = snapshot();
        const Outcome outcome = run_here(arguments, shell);
        EXPECT_EQ(failure_fault(outcome, exit_code, part, before, snapshot()), "") << arguments << "\n" << outcome.err;
    }
    // Both where the output does not exist yet and where it does.
    void expect_refused(const std::string &inputs, const std::string &part) {
        expect_failure("run " + inputs + " --y y.npy", part);
        expect_failure("run " + inputs + " --y old.npy", part);
    }
    void expect_config_refused(const std::string &config, const std::string &part) {
        SCOPED_TRACE(config.substr(0, 300));
        put("layer.json", config);
        expect_refused(kLayer, part);
    }

    // A run that succeeds adds its output and nothing else; returns the output's bytes and removes it.
    std::string output_of(const std::string &inputs) {
        Snapshot before = snapshot();
        const Outcome outcome = run_here("run " + inputs + " --y y.npy");
        EXPECT_EQ(outcome.exit_code, 0) << inputs << "\n" << outcome.err;
        said_ = outcome.out;
        Snapshot after = snapshot();
        const std::string bytes = after["y.npy"];
        after.erase("y.npy");
        EXPECT_EQ(before, after) << inputs;
        std::filesystem::remove(work_ / "y.npy");
        return bytes;
    }
    void expect_computed(const Layer &layer, const Array &x, const std::string &more = "") {
        SCOPED_TRACE(layer.json(more));
        put("layer.json", layer.json(more));
        put("x.npy", npy(x));
        EXPECT_EQ(difference(output_of(kLayer), formula(layer, x, k_, b_)), "");
    }

    const std::string kLayer = "--config layer.json --kernel k.npy --bias b.npy --x x.npy";
    const std::string kModel = "--model m.keras --x mx.npy";
    const Array x_ = some_array({2, 9, 5}, 1), k_ = some_array({3, 5, 2}, 2), b_ = some_array({10}, 3);
    std::filesystem::path work_;
    std::string said_;  // stdout of the last success
};

}  // namespace dwc_test
