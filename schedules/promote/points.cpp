#include "points.hpp"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>

namespace dwc::promote {
namespace {

using Json = nlohmann::json;

// A key's value or values.
template <typename Value>
std::vector<Value> values(const Json &line, const char *key) {
    const Json &value = line.at(key);
    if (value.is_array()) return value.get<std::vector<Value>>();
    return {value.get<Value>()};
}

// A line's combinations, the last key fastest.
void add_points(const Json &line, std::vector<DefaultPoint> *points, std::set<std::string> *seen) {
    if (line.at("family") == "activation" || !line.value("default", true)) return;
    const auto dtypes = line.contains("dtype") ? values<std::string>(line, "dtype") : std::vector<std::string>{"f32"};
    for (const auto &target : values<std::string>(line, "target"))
        for (const auto &dtype : dtypes)
            for (const int k : values<int>(line, "k"))
                for (const int stride : values<int>(line, "stride"))
                    for (const int m : values<int>(line, "m"))
                        for (const auto &activation : values<std::string>(line, "activation")) {
                            const Point point{
                                line.at("family"),     activation, k, stride, m, line.at("v"), line.at("t"),
                                line.value("block", 4)};
                            const DefaultPoint row{target, dtype, point};
                            if (seen->insert(row.name() + "@" + row.target).second) points->push_back(row);
                        }
}

// Errors of `read` name the line.
void for_each_line(const std::string &text, const std::string &name, const std::function<void(const Json &)> &read) {
    size_t begin = 0;
    for (int number = 1; begin < text.size(); ++number) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        try {
            if (end > begin) read(Json::parse(text.substr(begin, end - begin)));
        } catch (const Json::exception &error) {
            throw InputError(name + ":" + std::to_string(number) + ": is no line of points: " + error.what());
        }
        begin = end + 1;
    }
}

}  // namespace

std::vector<TargetRow> parse_targets(const std::string &text, const std::string &name) {
    std::vector<TargetRow> targets;
    try {
        const Json table = Json::parse(text);
        for (const Json &target : table.at("targets")) {
            const int lanes = target.at("lanes");
            const bool x86 = target.at("processor") == "x86_64";
            targets.push_back({target.at("name"), target.value("parent", ""), lanes, vector_registers(x86, lanes)});
        }
    } catch (const Json::exception &error) {
        throw InputError(name + ": is no table of targets: " + error.what());
    }
    return targets;
}

std::vector<DefaultPoint> parse_points(const std::string &text, const std::string &name) {
    std::vector<DefaultPoint> points;
    std::set<std::string> seen;
    for_each_line(text, name, [&](const Json &line) { add_points(line, &points, &seen); });
    return points;
}

std::map<std::string, size_t> count_elementwise(const std::string &text, const std::string &name) {
    std::map<std::string, size_t> counts;
    for_each_line(text, name, [&](const Json &line) {
        if (line.at("family") != "activation") return;
        for (const auto &target : values<std::string>(line, "target"))
            counts[target] += values<std::string>(line, "function").size();
    });
    return counts;
}

}  // namespace dwc::promote
