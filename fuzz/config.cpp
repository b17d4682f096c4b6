// Configs of layers, as JSON.
#include "check.hpp"
#include "targets.hpp"

namespace {

// What a layer says of itself makes the same layer again.
void check_round_trip(const std::string& config) {
    namespace keras = dwconv::keras;
    const keras::DepthwiseConv1D again(keras::parse_layer_config(config, keras::ConfigSource::saved));
    FUZZ_CHECK(again.get_config() == config);
}

}  // namespace

int dwconv_fuzz::fuzz_config(const std::uint8_t* data, std::size_t size) {
    namespace keras = dwconv::keras;
    const std::string text(reinterpret_cast<const char*>(data), size);
    for (const auto source : {keras::ConfigSource::arguments, keras::ConfigSource::saved}) {
        std::string config;
        try {
            const keras::DepthwiseConv1D layer(keras::parse_layer_config(text, source));
            config = layer.get_config();
        } catch (const dwconv::error&) {
            continue;
        }
        check_round_trip(config);
    }
    try {
        const keras::SeparableConv1D layer(keras::parse_separable_config(text));
        FUZZ_CHECK(!layer.get_config().empty());
    } catch (const dwconv::error&) {
    }
    return 0;
}

DWC_FUZZ_TARGET(fuzz_config)
