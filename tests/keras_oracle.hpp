// Real Keras' results and small helpers, for tests of the layer.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "dwconv/keras/layer.hpp"

namespace keras_oracle {

using Json = nlohmann::ordered_json;

inline const std::string kFolder = std::string(DWC_TEST_DATA) + "/keras_oracle/";

inline std::vector<Json> rows(const std::string& file) {
    std::vector<Json> rows;
    std::ifstream lines(kFolder + file);
    for (std::string line; std::getline(lines, line);) rows.push_back(Json::parse(line));
    EXPECT_FALSE(rows.empty()) << file;
    return rows;
}

inline dwconv::keras::Tensor array(const Json& file) {
    return dwconv::keras::read_npy(kFolder + file.get<std::string>());
}

// Largest distance over max(1, max|want|); infinite where shapes or NaNs differ.
inline double distance(const dwconv::keras::Tensor& got, const dwconv::keras::Tensor& want) {
    if (got.shape != want.shape || got.data.size() != want.data.size()) return INFINITY;
    double scale = 1, largest = 0;
    for (const float value : want.data) scale = std::max(scale, std::fabs(static_cast<double>(value)));
    for (size_t i = 0; i < want.data.size(); ++i) {
        if (std::isnan(got.data[i]) != std::isnan(want.data[i])) return INFINITY;
        if (std::isnan(want.data[i])) continue;
        largest = std::max(largest, std::fabs(double{got.data[i]} - want.data[i]) / scale);
    }
    return largest;
}

// The message of the value_error that the body throws.
template <class Body>
std::string refusal(Body&& body) {
    try {
        body();
        return "accepted";
    } catch (const dwconv::value_error& error) {
        return error.what();
    }
}

}  // namespace keras_oracle

#define EXPECT_HAS(text, words) \
    EXPECT_NE(std::string(text).find(words), std::string::npos) << (text) << "\n  lacks: " << (words)
