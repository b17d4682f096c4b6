// Which format a path's ending means, and what every format needs.
#include "dwconv/keras/model.hpp"
#include "errors.hpp"
#include "files.hpp"
#include "writers.hpp"

namespace dwconv::keras {
namespace {

using detail::fail_value;

bool ends_with(const std::string& path, const std::string& ending) {
    // A file has more of a name than an ending.
    return path.size() > ending.size() && path.compare(path.size() - ending.size(), ending.size(), ending) == 0;
}

void check_built(const std::string& path, const Sequential& model) {
    const std::string what = detail::printable(path) + ": model " + detail::printable(model.name()) + " ";
    if (model.layers().empty()) fail_value(what + "has no layers to save");
    if (model.built_shape().empty()) fail_value(what + "is not built: call build(input_shape) or the model first");
}

void write(const std::string& path, const Sequential& model, detail::Bytes (*format)(const Sequential&)) {
    check_built(path, model);
    detail::Bytes bytes;
    try {
        bytes = format(model);
    } catch (const value_error& error) {
        throw value_error(error.status(), detail::printable(path) + ": " + error.what());
    }
    detail::AtomicFile file(path);
    file.write(bytes.data(), bytes.size());
    file.commit();
}

}  // namespace

void save_model(const std::string& path, const Sequential& model) {
    if (ends_with(path, ".weights.h5")) {
        fail_value(detail::printable(path) + ": .weights.h5 is for weights alone; save_weights writes it");
    }
    if (ends_with(path, ".keras")) return write(path, model, detail::keras_archive);
    if (ends_with(path, ".h5")) return write(path, model, detail::legacy_h5);
    fail_value(detail::printable(path) + ": the name of a model file must end in .keras or .h5");
}

void save_weights(const std::string& path, const Sequential& model) {
    if (ends_with(path, ".weights.h5")) return write(path, model, detail::weights_h5);
    if (ends_with(path, ".safetensors")) return write(path, model, detail::safetensors);
    fail_value(detail::printable(path) + ": the name of a file of weights must end in .weights.h5 or .safetensors");
}

}  // namespace dwconv::keras
