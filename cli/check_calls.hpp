// Rows of errors.jsonl and accepted.jsonl: arguments of a layer as Python had them, and the calls made on it.
#pragma once

#include <string>

#include "check_report.hpp"

namespace cli {

// One input of a row: a shape (None as -1), [shape, dtype], or {"symbolic": shape}.
struct CallInput {
    dwconv::keras::Shape shape;
    std::string dtype = "float32";
    bool symbolic = false;
};
CallInput input_of(const Json& value);

// The arguments of a row as this library takes them: JSON, and what JSON cannot hold set by the C++ interface. Each row
// starts with the counters of automatic names at zero, as Keras' did.
dwconv::keras::LayerConfig row_config(const Json& arguments, const Json& extra = Json::object());

// "" where every value has a counterpart here, else which has not.
std::string without_counterpart(const Json& arguments);
bool has_numpy_integer(const Json& arguments);

// A row's calls, one after the other, on one layer; the first builds.
class Caller {
   public:
    Caller(const dwconv::keras::LayerConfig& config, const dwconv::options& how) : layer_(config), how_(how) {}

    // The output's shape. Throws dwconv::error where the call is refused.
    dwconv::keras::Shape call(const CallInput& input);
    const dwconv::keras::DepthwiseConv1D& layer() const { return layer_; }

   private:
    dwconv::keras::DepthwiseConv1D layer_;
    dwconv::options how_;
};

}  // namespace cli
