// A user's C++17 program over keras.hpp: one layer from its JSON config, and one from a model file where one is named.
#include <cstdio>
#include <dwconv/keras.hpp>

int main(int argc, char **argv) {
    namespace keras = dwconv::keras;
    keras::DepthwiseConv1D layer(
        keras::parse_layer_config(R"({"kernel_size": 2, "use_bias": false})", keras::ConfigSource::arguments));
    layer.set_weights({{2, 1, 1}, {1.0f, 10.0f}}, std::nullopt);
    const keras::Tensor y = layer({{1, 3, 1}, {1.0f, 2.0f, 3.0f}});
    if (y.shape != keras::Shape{1, 2, 1} || y.data[0] != 21.0f || y.data[1] != 32.0f) {
        std::fprintf(stderr, "wrong output of shape %s\n", keras::to_string(y.shape).c_str());
        return 1;
    }
    if (argc > 1) {
        const keras::Model model = keras::Model::open(argv[1]);
        std::printf("%zu layers, first: %s\n", model.size(), model.name(0).c_str());
    }
    return 0;
}
