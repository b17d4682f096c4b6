// A chain of layers.
#include "dwconv/keras/sequential.hpp"

#include <iterator>
#include <utility>

#include "errors.hpp"
#include "names.hpp"
#include "summary.hpp"

namespace dwconv::keras {
namespace {

using detail::fail_value;

std::string checked_name(const std::optional<std::string>& name) {
    if (!name) return detail::automatic_name("sequential");
    if (name->empty() || name->find('/') != std::string::npos) {
        fail_value("Argument `name` must be a non-empty string and cannot contain character `/`. Received: name='" +
                   detail::printable(*name) + "'");
    }
    return *name;
}

[[noreturn]] void fail_empty(const std::string& name) {
    fail_value("Sequential model " + detail::printable(name) +
               " cannot be built because it has no layers. Call `model.add(layer)`.");
}

}  // namespace

Sequential::Sequential(std::optional<std::string> name) : name_(checked_name(name)) {}

Sequential& Sequential::add(std::shared_ptr<Layer> layer) {
    if (!layer) fail_value("Sequential model " + detail::printable(name_) + ": the layer to add is null");
    for (const auto& other : layers_) {
        if (other->name() == layer->name()) {
            fail_value("All layers added to a Sequential model should have unique names. Name '" +
                       detail::printable(layer->name()) +
                       "' is already the name of a layer in this model. Update the `name` argument to pass a unique "
                       "name.");
        }
    }
    if (!built_shape_.empty()) layer->build(compute_output_shape(built_shape_));
    layers_.push_back(std::move(layer));
    return *this;
}

void Sequential::build(const Shape& input) {
    if (layers_.empty()) fail_empty(name_);
    Shape shape = input;
    for (const auto& layer : layers_) {
        layer->build(shape);
        shape = layer->compute_output_shape(shape);
    }
    if (built_shape_.empty()) built_shape_ = input;
}

Shape Sequential::compute_output_shape(const Shape& input) const {
    Shape shape = input;
    for (const auto& layer : layers_) shape = layer->compute_output_shape(shape);
    return shape;
}

Tensor Sequential::operator()(const Tensor& x, const options& how) {
    if (layers_.empty()) fail_empty(name_);
    // Layers that are not built take the shapes that they meet: after a glu, which halves an axis, these are not those
    // that compute_output_shape() tells.
    Tensor current, next;
    layers_.front()->call(x, &current, how);
    for (size_t i = 1; i < layers_.size(); ++i) {
        layers_[i]->call(current, &next, how);
        std::swap(current, next);
    }
    if (built_shape_.empty()) built_shape_ = x.shape;
    return current;
}

std::vector<Variable> Sequential::weights() const {
    std::vector<Variable> all;
    for (const auto& layer : layers_) {
        std::vector<Variable> some = layer->weights();
        std::move(some.begin(), some.end(), std::back_inserter(all));
    }
    return all;
}

std::int64_t Sequential::count_params() const {
    std::int64_t count = 0;
    for (const auto& layer : layers_) count += layer->count_params();
    return count;
}

std::vector<float> Sequential::losses() const {
    std::vector<float> all;
    for (const auto& layer : layers_) {
        const std::vector<float> some = layer->losses();
        all.insert(all.end(), some.begin(), some.end());
    }
    return all;
}

void Sequential::apply_constraints() {
    for (const auto& layer : layers_) layer->apply_constraints();
}

std::string Sequential::summary() const {
    std::vector<detail::SummaryRow> rows;
    Shape shape = built_shape_;
    for (const auto& layer : layers_) {
        rows.push_back(detail::summary_row(*layer));
        // A layer that two chains share was built for one of them.
        if (shape.empty()) continue;
        shape = layer->compute_output_shape(shape);
        rows.back().output = to_string(shape);
    }
    return "Model: \"" + detail::printable(name_) + "\"\n" + detail::summary_table(rows);
}

}  // namespace dwconv::keras
