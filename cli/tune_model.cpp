// `dwconv tune --model`: the problems of a model's layers. A build without dwconv_keras reads no models.
#include "tune.hpp"

#ifdef DWC_WITH_KERAS
#include "model_files.hpp"

namespace cli {

namespace keras = dwconv::keras;

std::vector<std::string> problems_of_model(const std::string &path, const std::vector<std::int64_t> &lengths) {
    if (lengths.empty())
        throw Failure(kExitInvalid, "--model " + shown(path) + ": say by --length how long the layers' inputs are");
    const keras::Model model = keras::Model::open(path);
    std::vector<std::string> problems;
    for (size_t i = 0; i < model.size(); ++i) {
        const keras::DepthwiseConv1D layer = open_layer(model, {path, model.path(i), {}, {}});
        const std::int64_t channels = layer.kernel().shape.at(1);
        for (const std::int64_t length : lengths) {
            const keras::Shape shape =
                layer.channels_first() ? keras::Shape{1, channels, length} : keras::Shape{1, length, channels};
            problems.push_back(layer.problem(shape).to_string());
        }
    }
    if (problems.empty()) throw Failure(kExitInvalid, shown(path) + ": the model has no DepthwiseConv1D layer");
    return problems;
}

}  // namespace cli
#else
namespace cli {

std::vector<std::string> problems_of_model(const std::string &path, const std::vector<std::int64_t> &) {
    throw Failure(kExitInvalid, "--model " + shown(path) + ": this dwconv was built without dwconv_keras");
}

}  // namespace cli
#endif
