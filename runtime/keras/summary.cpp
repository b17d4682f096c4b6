#include "summary.hpp"

#include <algorithm>

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

std::string padded(const std::string& text, std::size_t width) {
    return text + std::string(width > text.size() ? width - text.size() : 0, ' ');
}

}  // namespace

SummaryRow summary_row(const Layer& layer) {
    SummaryRow row;
    row.layer = printable(layer.name()) + " (" + layer.class_name() + ")";
    row.output = "?";
    row.built = layer.built();
    if (!row.built) return row;
    row.output = to_string(layer.compute_output_shape(layer.built_shape()));
    for (const Variable& weight : layer.weights()) {
        (weight.trainable ? row.trainable : row.frozen) += element_count(weight.value.shape);
    }
    return row;
}

std::string summary_table(const std::vector<SummaryRow>& rows) {
    std::string titles[] = {"Layer (type)", "Output Shape"};
    std::size_t first = titles[0].size(), second = titles[1].size();
    for (const SummaryRow& row : rows) {
        first = std::max(first, row.layer.size());
        second = std::max(second, row.output.size());
    }
    std::string text = padded(titles[0], first) + "  " + padded(titles[1], second) + "  Param #\n";
    text += std::string(first + second + 11, '-') + "\n";
    std::int64_t trainable = 0, frozen = 0;
    for (const SummaryRow& row : rows) {
        text += padded(row.layer, first) + "  " + padded(row.output, second) + "  " +
                (row.built ? std::to_string(row.trainable + row.frozen) : "0 (unbuilt)") + "\n";
        trainable += row.trainable;
        frozen += row.frozen;
    }
    text += "Total params: " + std::to_string(trainable + frozen) + "\n";
    text += "Trainable params: " + std::to_string(trainable) + "\n";
    return text + "Non-trainable params: " + std::to_string(frozen) + "\n";
}

}  // namespace dwconv::keras::detail
