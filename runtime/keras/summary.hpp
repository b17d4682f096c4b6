// The table that summary() prints.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "dwconv/keras/layer.hpp"

namespace dwconv::keras::detail {

struct SummaryRow {
    std::string layer;   // "conv (DepthwiseConv1D)"
    std::string output;  // "(None, 8, 36)", "?" where the layer is not built
    std::int64_t trainable = 0, frozen = 0;
    bool built = false;
};

SummaryRow summary_row(const Layer& layer);
// A line for each row, then the sums of the parameters. Ends in a newline.
std::string summary_table(const std::vector<SummaryRow>& rows);

}  // namespace dwconv::keras::detail
