// A database as text: one JSON object a line, keys in a fixed order.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "database.hpp"
#include "space.hpp"

namespace dwc::promote {
namespace {

using Json = nlohmann::ordered_json;

std::string point_of(const std::string &kernel) { return kernel.substr(0, kernel.find('@')); }

Json line_of(const Key &key, const Evidence &e) {
    const bool incumbent = e.chosen.empty() || !e.entry(e.chosen);
    const Entry stays{e.chosen, e.incumbent_us, 1, 1, 0};
    const Entry &chosen = incumbent ? stays : *e.entry(e.chosen);
    Json line = {{"target", key.target},
                 {"class", key.class_key},
                 {"kernel", chosen.kernel},
                 {"source", source_name(key.source)},
                 {"us", chosen.us},
                 {"incumbent", e.incumbent},
                 {"ratio", chosen.ratio},
                 {"ratio_q75", chosen.ratio_q75},
                 {"samples", chosen.samples},
                 {"problem", key.problem},
                 {"threads", key.threads},
                 {"cpu", key.cpu},
                 {"date", e.date},
                 {"dwconv", e.dwconv},
                 {"halide", e.halide},
                 {"incumbent_us", e.incumbent_us}};
    Json also = Json::array();
    for (const Entry &entry : e.entries)
        if (entry.kernel != chosen.kernel)
            also.push_back({entry.kernel, entry.us, entry.ratio, entry.ratio_q75, entry.samples});
    if (!also.empty()) line["also"] = std::move(also);
    return line;
}

Json line_of(const std::string &target, const std::string &kernel, const Wrong &wrong) {
    return {{"target", target},         {"class", wrong.class_key}, {"kernel", kernel},  {"source", "wrong"},
            {"problem", wrong.problem}, {"threads", wrong.threads}, {"date", wrong.date}};
}

// One line's fields; every complaint names line and field.
class Fields {
   public:
    Fields(const Json &line, std::string where) : line_(line), where_(std::move(where)) {}

    [[noreturn]] void refuse(const std::string &sentence) const { throw InputError(where_ + sentence); }
    const Json &at(const char *key) const {
        const auto found = line_.find(key);
        if (found == line_.end()) refuse(std::string(key) + " is missing");
        return *found;
    }
    // Text that ends up in generated C and CMake lists.
    std::string text(const char *key) const {
        const Json &value = at(key);
        if (!value.is_string()) refuse(std::string(key) + " must be a string");
        const auto text = value.get<std::string>();
        for (const char c : text)
            if (c < 0x20 || c > 0x7e || c == ';' || c == '[' || c == ']')
                refuse(std::string(key) + " must be printable ASCII without ';', '[' and ']'");
        return text;
    }
    double number(const Json &value, const char *key) const {
        const double number = value.is_number() ? value.get<double>() : -1;
        if (!std::isfinite(number) || number < 0) refuse(std::string(key) + " must be a number, at least 0");
        return number;
    }
    double number(const char *key) const { return number(at(key), key); }
    int64_t integer(const Json &value, const char *key, int64_t least, int64_t most) const {
        if (!value.is_number_integer() || value.get<int64_t>() < least || value.get<int64_t>() > most)
            refuse(std::string(key) + " must be an integer from " + std::to_string(least) + " to " +
                   std::to_string(most));
        return value.get<int64_t>();
    }
    int64_t integer(const char *key, int64_t least, int64_t most) const { return integer(at(key), key, least, most); }
    std::string kernel(const std::string &name, const char *key) const {
        Point point;
        std::string dtype;
        if (!parse_variant_name(name, &point, &dtype)) refuse(std::string(key) + "=" + name + " is no variant's name");
        return name;
    }

   private:
    const Json &line_;
    std::string where_;
};

Entry entry_of(const Json &value, const Fields &fields) {
    if (!value.is_array() || value.size() != 5 || !value[0].is_string())
        fields.refuse("also must hold lists of kernel, us, ratio, ratio_q75 and samples");
    return {fields.kernel(value[0].get<std::string>(), "also"), fields.number(value[1], "also"),
            fields.number(value[2], "also"), fields.number(value[3], "also"),
            fields.integer(value[4], "also", 0, INT64_MAX)};
}

void read_record(const Fields &fields, const Json &line, Database *database) {
    constexpr int64_t most_threads = 1024;
    const std::string source = fields.text("source"), kernel = fields.text("kernel");
    Key key;
    key.target = fields.text("target");
    key.class_key = fields.text("class");
    key.problem = fields.text("problem");
    key.threads = static_cast<int>(fields.integer("threads", 1, most_threads));
    std::string real_class;
    try {
        real_class = class_of(key.problem, key.threads);
    } catch (const InputError &error) {
        fields.refuse(error.what());
    }
    if (real_class != key.class_key)
        fields.refuse("class=" + key.class_key + " is not the problem's, which is " + real_class);
    if (source == "wrong") {
        const Wrong wrong{key.problem, key.class_key, key.threads, fields.text("date")};
        if (!database->wrong.insert({{key.target, fields.kernel(kernel, "kernel")}, wrong}).second)
            fields.refuse("kernel=" + kernel + " is said to be wrong twice");
        return;
    }
    if (source != "measured" && source != "static")
        fields.refuse("source=" + source + " must be measured, static or wrong");
    key.source = source == "measured" ? Source::measured : Source::static_cost;
    key.cpu = fields.text("cpu");
    Evidence e;
    e.incumbent = fields.text("incumbent");
    fields.kernel(point_of(e.incumbent), "incumbent");
    if (e.incumbent.find('@') == std::string::npos)
        fields.refuse("incumbent=" + e.incumbent + " must end in @ and its target");
    e.incumbent_us = fields.number("incumbent_us");
    e.date = fields.text("date");
    e.dwconv = fields.text("dwconv");
    e.halide = fields.text("halide");
    e.chosen = kernel;
    const Entry own{kernel, fields.number("us"), fields.number("ratio"), fields.number("ratio_q75"),
                    fields.integer("samples", 0, INT64_MAX)};
    if (!kernel.empty()) fields.kernel(kernel, "kernel");
    if (!kernel.empty() && kernel + "@" + key.target != e.incumbent) e.entries.push_back(own);
    if (const auto also = line.find("also"); also != line.end()) {
        if (!also->is_array()) fields.refuse("also must be a list");
        for (const Json &value : *also) e.entries.push_back(entry_of(value, fields));
    }
    for (const Entry &entry : e.entries)
        if (!beats_incumbent(entry, key.source))
            fields.refuse("kernel=" + entry.kernel + " with ratio " + Json(entry.ratio).dump() +
                          " does not beat its incumbent");
    std::sort(e.entries.begin(), e.entries.end(), [](const Entry &a, const Entry &b) { return a.rank() < b.rank(); });
    if (!database->evidence.insert({key, e}).second) fields.refuse("a second record of one problem, CPU and source");
}

}  // namespace

std::string lines_of(const Database &database, const std::string &target) {
    std::string text;
    for (const auto &[key, evidence] : database.evidence)
        if (key.target == target) text += line_of(key, evidence).dump() + "\n";
    for (const auto &[kernel, wrong] : database.wrong)
        if (kernel.first == target) text += line_of(kernel.first, kernel.second, wrong).dump() + "\n";
    return text;
}

Database parse_database(const std::string &text, const std::string &name) {
    Database database;
    size_t begin = 0;
    for (int number = 1; begin < text.size(); ++number) {
        const size_t end = std::min(text.find('\n', begin), text.size());
        const std::string where = name + ":" + std::to_string(number) + ": ";
        const Json line = Json::parse(text.substr(begin, end - begin), nullptr, false);
        if (!line.is_object()) throw InputError(where + "must be a JSON object");
        read_record(Fields(line, where), line, &database);
        begin = end + 1;
    }
    return database;
}

}  // namespace dwc::promote
