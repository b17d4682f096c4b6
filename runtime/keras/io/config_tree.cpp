#include "config_tree.hpp"

#include <algorithm>
#include <map>

namespace dwconv::keras::detail {
namespace {

constexpr int kMaxCalls = 1000000;

// How often a functional model calls a member: one node of the graph each.
int count_nodes(const Json& member) {
    const auto nodes = member.find("inbound_nodes");
    if (nodes == member.end() || !nodes->is_array()) return 0;
    return static_cast<int>(std::min<size_t>(nodes->size(), kMaxCalls));
}

class LayerFinder {
   public:
    std::vector<FoundLayer> found;

    // `calls`: how often the object is called.
    void visit(const Json& envelope, const FoundLayer& here, int calls) {
        const Json& config = envelope["config"];
        for (const char* wanted : {"DepthwiseConv1D", "SeparableConv1D"}) {
            if (!is_keras_class(envelope, wanted)) continue;
            FoundLayer layer = here;
            layer.class_name = wanted;
            if (layer.names.empty()) layer.names.push_back(string_member(config, "name"));
            layer.config = config.dump();
            layer.calls = calls;
            found.push_back(std::move(layer));
            return;
        }
        if (!config.is_object()) return;
        for (const auto& [key, value] : config.items()) {
            if (is_envelope(value)) {
                // A wrapper calls what it wraps as often as it is called; of other attributes nothing is known.
                const int inner = key == "layer" ? calls : 0;
                visit(value, deeper(here, {key, ""}, value, key), inner);
            } else if (value.is_structured()) {
                visit_container(envelope, value, key, here, calls);
            }
        }
    }

   private:
    static FoundLayer deeper(const FoundLayer& here, ConfigStep step, const Json& member, const std::string& fallback) {
        FoundLayer next = here;
        const std::string name = string_member(member["config"], "name");
        next.names.push_back(name.empty() ? fallback : name);
        next.steps.push_back(std::move(step));
        return next;
    }

    // A list or dict attribute: its members are told apart by class name and a counter, in order.
    void visit_container(const Json& owner, const Json& members, const std::string& attribute, const FoundLayer& here,
                         int calls) {
        const bool chain = attribute == "layers" && string_member(owner, "class_name") == "Sequential";
        std::map<std::string, int> seen;
        for (const Json& member : members) {
            if (!is_envelope(member)) continue;
            std::string child = attribute_name(string_member(member, "class_name"));
            const int count = seen[child]++;
            if (count > 0) child += "_" + std::to_string(count);
            const int inner = chain ? 1 : count_nodes(member);
            const int total = static_cast<int>(std::min<int64_t>(int64_t{calls} * inner, kMaxCalls));
            visit(member, deeper(here, {attribute, child}, member, child), total);
        }
    }
};

}  // namespace

// keras/src/utils/naming.py: two replacements after each other, (.)([A-Z][a-z]+) and then ([a-z])([A-Z]), which get an
// underscore between their groups.
std::string attribute_name(const std::string& class_name) {
    const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
    const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
    std::string name, words, text;
    for (const char c : class_name) {
        if (upper(c) || lower(c) || (c >= '0' && c <= '9') || c == '_') name += c;
    }
    for (size_t i = 0; i < name.size();) {
        words += name[i++];
        if (i + 1 >= name.size() || !upper(name[i]) || !lower(name[i + 1])) continue;
        words += '_';
        words += name[i++];
        while (i < name.size() && lower(name[i])) words += name[i++];
    }
    for (size_t i = 0; i < words.size();) {
        text += words[i++];
        if (i >= words.size() || !lower(words[i - 1]) || !upper(words[i])) continue;
        text += '_';
        text += words[i++];
    }
    for (char& c : text) c = upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
}

bool is_envelope(const Json& value) {
    return value.is_object() && !string_member(value, "class_name").empty() && value.contains("config");
}

bool is_keras_class(const Json& envelope, const char* class_name) {
    if (string_member(envelope, "class_name") != class_name) return false;
    const std::string registered = string_member(envelope, "registered_name");
    const std::string module = string_member(envelope, "module");
    const auto starts = [&module](const char* prefix) { return module.rfind(prefix, 0) == 0; };
    return (registered.empty() || registered == class_name) &&
           (module.empty() || starts("keras") || starts("tf_keras") || starts("tensorflow"));
}

std::vector<FoundLayer> find_layers(const Json& root) {
    LayerFinder finder;
    finder.visit(root, {}, 1);
    return std::move(finder.found);
}

std::string join_names(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += (text.empty() ? "" : "/") + name;
    return text;
}

}  // namespace dwconv::keras::detail
