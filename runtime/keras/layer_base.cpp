// What the layers have in common.
#include "config_json.hpp"
#include "dwconv/keras/layer.hpp"
#include "errors.hpp"
#include "summary.hpp"

namespace dwconv::keras {

Layer::~Layer() = default;

Tensor Layer::operator()(const Tensor& x, const options& how) {
    Tensor y;
    call(x, &y, how);
    return y;
}

std::vector<Tensor> Layer::get_weights() const {
    std::vector<Tensor> values;
    for (Variable& weight : weights()) values.push_back(std::move(weight.value));
    return values;
}

std::int64_t Layer::count_params() const {
    if (!built()) {
        detail::fail_value("You tried to call `count_params` on layer '" + detail::printable(name()) +
                           "', but the layer isn't built. You can build it manually via: `layer.build(input_shape)`.");
    }
    std::int64_t count = 0;
    for (const Variable& weight : weights()) count += element_count(weight.value.shape);
    return count;
}

std::string Layer::to_json() const {
    return detail::dump(
        detail::envelope(class_name(), detail::parse_json(get_config(), "layer config"), built_shape()));
}

std::string Layer::summary() const { return detail::summary_table({detail::summary_row(*this)}); }

}  // namespace dwconv::keras
