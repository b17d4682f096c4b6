// The category initializers: the numbers differ from Keras' by design, so their distribution is judged.
#include <algorithm>
#include <cmath>

#include "check_report.hpp"

namespace cli {
namespace {

namespace keras = dwconv::keras;

keras::Shape shape_of(const Json& value) { return value.get<keras::Shape>(); }

struct Statistics {
    double mean = 0, std = 0, min = 0, max = 0;
};

Statistics statistics_of(const keras::Tensor& tensor) {
    Statistics s;
    const auto count = static_cast<double>(tensor.data.size());
    for (const float value : tensor.data) s.mean += value / count;
    for (const float value : tensor.data) s.std += (value - s.mean) * (value - s.mean) / count;
    s.std = std::sqrt(s.std);
    const auto [least, greatest] = std::minmax_element(tensor.data.begin(), tensor.data.end());
    s.min = *least;
    s.max = *greatest;
    return s;
}

// The interval that values must lie in, and how close the extremes of n draws come to its ends (1 chance in 10^8 of
// missing that); none for a normal distribution.
struct Bounds {
    double low, high, reach;
};

std::optional<Bounds> bounds_of(const Json& row, const Json& draw, double count) {
    const Json& config = row.at("get_config");
    const std::string cls = row.at("cls");
    const auto uniform = [count](double low, double high) { return Bounds{low, high, 18.5 / count * (high - low)}; };
    // The density of the truncated normal at its ends is 0.0566 / stddev.
    const auto truncated = [count](double mean, double stddev) {
        return Bounds{mean - 2 * stddev, mean + 2 * stddev, 18.5 / count * stddev / 0.0566};
    };
    if (cls == "RandomUniform") return uniform(config.at("minval"), config.at("maxval"));
    if (cls == "TruncatedNormal") return truncated(config.at("mean"), config.at("stddev"));
    if (draw.contains("limit")) return uniform(-draw.at("limit").get<double>(), draw.at("limit"));
    if (draw.value("distribution", "") == "truncated_normal") return truncated(0, draw.at("stddev_parameter"));
    return std::nullopt;
}

std::string check_bounds(const Bounds& bounds, const Statistics& ours) {
    const double rounding = 1e-6 * std::max(std::fabs(bounds.low), std::fabs(bounds.high));
    if (ours.min < bounds.low - rounding || ours.max > bounds.high + rounding) {
        return format("values from %g to %g instead of within %g..%g", ours.min, ours.max, bounds.low, bounds.high);
    }
    if (ours.min > bounds.low + bounds.reach || ours.max < bounds.high - bounds.reach) {
        return format("values from %g to %g do not fill %g..%g", ours.min, ours.max, bounds.low, bounds.high);
    }
    return "";
}

// Both are samples of one distribution: their means and deviations differ by sampling alone, at most 6 standard errors
// of a difference.
std::string check_draw(const Json& row, const Json& draw, const keras::Tensor& values) {
    const auto count = static_cast<double>(values.data.size());
    const Statistics ours = statistics_of(values);
    const double theirs_mean = draw.at("mean"), theirs_std = draw.at("std");
    const double error = 6 * std::sqrt(2.0) * theirs_std / std::sqrt(count) + 1e-6 * std::fabs(theirs_mean);
    if (std::fabs(ours.mean - theirs_mean) > error) return format("mean %g instead of %g", ours.mean, theirs_mean);
    if (std::fabs(ours.std - theirs_std) > error) return format("std %g instead of %g", ours.std, theirs_std);
    if (const auto bounds = bounds_of(row, draw, count)) return check_bounds(*bounds, ours);
    const bool random = row.at("get_config").contains("seed");
    const double theirs_min = draw.at("min"), theirs_max = draw.at("max");
    // The extremes of a normal distribution scatter by a fifth of their distance from the mean.
    const double slack =
        random ? 0.35 * std::max(theirs_max - theirs_mean, theirs_mean - theirs_min) : 1e-5 * (1 + theirs_max);
    if (std::fabs(ours.min - theirs_min) > slack || std::fabs(ours.max - theirs_max) > slack) {
        return format("values from %g to %g instead of %g to %g", ours.min, ours.max, theirs_min, theirs_max);
    }
    return "";
}

// Rows (or columns, where there are fewer) of the matrix (all axes but the last) x last are orthonormal.
std::string check_orthogonal(const keras::Tensor& values) {
    const auto columns = static_cast<size_t>(values.shape.back());
    const size_t rows = values.data.size() / columns, count = std::min(rows, columns), length = std::max(rows, columns);
    const size_t step = rows <= columns ? columns : 1, stride = rows <= columns ? 1 : columns;
    double worst = 0;
    for (size_t a = 0; a < count; ++a) {
        for (size_t b = a; b < count; ++b) {
            double product = 0;
            for (size_t i = 0; i < length; ++i) {
                product += static_cast<double>(values.data[a * step + i * stride]) * values.data[b * step + i * stride];
            }
            worst = std::max(worst, std::fabs(product - (a == b ? 1 : 0)));
        }
    }
    return worst <= 1e-5 ? "" : format("rows are orthonormal to %g only", worst);
}

// A weight's draw, twice; the fault, or "".
std::string check_weight(const Json& row, const char* weight, const keras::Initializer& initializer,
                         std::string* decision) {
    const Json& draw = row.at(weight);
    keras::Shape shape = shape_of(draw.at("shape"));
    // Keras' STFT has one channel whatever the shape asks for, so that the layer fails when it is called.
    if (row.at("cls") == "STFT" && shape.size() == 3 && shape[1] != 1) {
        const auto refusal = refusal_of([&] { initializer(shape); });
        if (!refusal || !refusal->value_error) return std::string(weight) + ": several channels were not refused";
        *decision = "values are Keras' for one channel; several are refused: " + refusal->message;
        shape[1] = 1;
    }
    keras::Tensor values;
    const auto refusal = refusal_of([&] { values = initializer(shape); });
    const std::string where = std::string(weight) + ": ";
    if (draw.contains("error")) {
        if (!refusal) return where + "was made; Keras: " + draw.at("message").get<std::string>();
        if (draw.at("error") != "ValueError") return "";
        if (!refusal->value_error) return where + "is no value_error: " + refusal->message;
        // Python's words for a shape that does not unpack into three names say nothing of the matter.
        const std::string message = draw.at("message");
        if (message.rfind("not enough values to unpack", 0) == 0) return "";
        const std::string word = missing_word(message, refusal->message);
        return word.empty() ? "" : where + "the message lacks \"" + word + "\": " + refusal->message;
    }
    if (refusal) return where + refusal->message;
    if (values.shape != shape) return where + "has shape " + keras::to_string(values.shape);
    std::string fault = check_draw(row, draw, values);
    if (fault.empty() && draw.contains("gram_max_dev_from_identity")) fault = check_orthogonal(values);
    if (fault.empty() && draw.at("same_on_second_call").get<bool>() && initializer(shape).data != values.data) {
        fault = "the second call gives other values";
    }
    return fault.empty() ? "" : where + fault;
}

// By name where Keras had defaults, and by its config otherwise; with the oracle's seed.
keras::Initializer initializer_of(const Json& row, std::string* decision) {
    Json config = row.at("config");
    const Json& full = row.at("get_config");
    if (full.contains("seed")) config["seed"] = full.at("seed");
    if (row.at("cls") == "Constant" && config.empty()) {
        // The row is of the class called without arguments; Keras' get() raises for the name alone.
        const auto refusal = refusal_of([&] { keras::Initializer::by_name(row.at("name")); });
        *decision = refusal ? "a name alone gives no value: " + refusal->message : "";
        return keras::Initializer::constant(full.at("value").get<float>());
    }
    if (!row.at("config").empty()) {
        return *keras::Initializer::from_json(Json{{"class_name", row.at("cls")}, {"config", config}}.dump());
    }
    const keras::Initializer named = keras::Initializer::by_name(row.at("name"));
    return full.contains("seed") ? named.with_seed(full.at("seed").get<std::int64_t>()) : named;
}

// What an initializer saves is itself.
std::string check_reload(const keras::Initializer& initializer) {
    const auto again = keras::Initializer::from_json(
        Json{{"class_name", initializer.class_name}, {"config", Json::parse(initializer.config)}}.dump());
    const keras::Shape small = {3, 1, 2};
    keras::Tensor values;
    if (refusal_of([&] { values = initializer(small); })) return "";
    return again && (*again)(small).data == values.data ? "" : "its config does not bring it back";
}

std::string check_row(const Json& row, std::string* decision) {
    const keras::Initializer initializer = initializer_of(row, decision);
    if (initializer.class_name != row.at("cls")) return "its class is \"" + initializer.class_name + "\"";
    std::string fault = json_difference(Json::parse(initializer.config), row.at("get_config"), "get_config");
    if (fault.empty()) fault = check_weight(row, "kernel", initializer, decision);
    if (fault.empty()) fault = check_weight(row, "bias", initializer, decision);
    return fault.empty() ? check_reload(initializer) : fault;
}

}  // namespace

void check_initializers(CheckReport& report) {
    for (const Json& row : report.document("initializers.json")) {
        const Json given = {{"name", row.at("name")}, {"config", row.at("config")}};
        std::string decision;
        const std::string fault = fault_of([&] { return check_row(row, &decision); });
        report.judge(row, given, fault, decision);
    }
}

}  // namespace cli
