// The formats of model files, each as the bytes of a file. Throw value_error where a model cannot be saved so.
#pragma once

#include <string>
#include <vector>

#include "dwconv/keras/sequential.hpp"
#include "json.hpp"

namespace dwconv::keras::detail {

using Bytes = std::vector<unsigned char>;

// The version whose formats these are.
constexpr const char* kKerasVersion = "3.15.1";

// Keras' archive: metadata.json, config.json, model.weights.h5 (keras/src/saving/saving_lib.py).
Bytes keras_archive(const Sequential& model);
// HDF5 with weights alone, as in the archive.
Bytes weights_h5(const Sequential& model);
// HDF5 with config and weights, Keras' format of old (keras/src/legacy/saving/legacy_h5_format.py).
Bytes legacy_h5(const Sequential& model);
// https://huggingface.co/docs/safetensors: tensors "<layer>/<weight>"; metadata "layers" is a JSON array of the layers'
// envelopes, in the model's order.
Bytes safetensors(const Sequential& model);

// A layer's envelope as Keras takes it: arguments that only this library knows are left out.
Json portable_layer(const Layer& layer);
// The config of the Sequential, with an InputLayer in front. `modern`: layers have a "module" and a "build_config".
Json sequential_config(const Sequential& model, bool modern);
// [null, 10, 4]
Json shape_json(const Shape& shape);

}  // namespace dwconv::keras::detail
