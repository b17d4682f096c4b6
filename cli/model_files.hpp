// What the commands that open and write model files share: which layer is meant, input shapes, outputs by ending.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common.hpp"
#include "dwconv/keras.hpp"

namespace cli {

// A layer of a file, as the command line names it.
struct LayerChoice {
    std::string file, layer, config;   // layer and config may be empty
    std::optional<std::int64_t> call;  // which call of a shared layer; from 0
};

// The layer that is meant, with the file's config or that of choice.config: the named one, the only one, or the only
// one that the config fits. Throws Failure (invalid) that lists the layers where that is not one, for a call that does
// not happen, and where there is no config.
dwconv::keras::DepthwiseConv1D open_layer(const dwconv::keras::Model& model, const LayerChoice& choice);
// "a, b, c": the layers' paths.
std::string layer_names(const dwconv::keras::Model& model);

// "4,10,12"; None, ? or -1 for a dimension that is not known. Throws Failure (invalid) that names --input-shape.
dwconv::keras::Shape parse_input_shape(const std::string& text);

// Throws Failure (invalid) unless the ending is one that save_chain writes.
void check_output(const std::string& path);
// Writes by the ending: .keras and .h5 the whole model, .weights.h5 and .safetensors its weights.
void save_chain(const std::string& path, const dwconv::keras::Sequential& chain);

}  // namespace cli
