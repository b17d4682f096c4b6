// Finding the layers in a model's config, which is a tree of serialized objects.
#pragma once

#include <string>
#include <vector>

#include "json.hpp"

namespace dwconv::keras::detail {

// One step down the tree of attributes: to `attribute`, and if that is a list or dict, to a child of it, which is
// named by its class and a counter.
struct ConfigStep {
    std::string attribute;
    std::string child;  // empty for an attribute that is the layer itself
};

struct FoundLayer {
    std::string class_name;
    std::vector<std::string> names;  // of the enclosing objects below the root, and its own
    std::string config;              // JSON
    std::vector<ConfigStep> steps;
    int calls = 0;  // 0: the config does not tell
};

bool is_envelope(const Json& value);
// "DepthwiseConv1D" and "SeparableConv1D": Keras' class, not somebody's own of the same name.
bool is_keras_class(const Json& envelope, const char* class_name);
// Every DepthwiseConv1D and SeparableConv1D of a model, in the order of its config.
std::vector<FoundLayer> find_layers(const Json& root);
// Names with slashes between them.
std::string join_names(const std::vector<std::string>& names);
// How Keras names attributes after classes: "DepthwiseConv1D" -> "depthwise_conv1d". Without std::regex, whose
// depth of recursion grows with the text.
std::string attribute_name(const std::string& class_name);

}  // namespace dwconv::keras::detail
