// What the files of `dwconv emit` share.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "common.hpp"
#include "emit.hpp"

namespace cli {

struct EmitOptions {
    std::string model, config, kernel, bias, problems_file, folder, name;
    std::vector<std::string> layers, problems, targets;
    std::int64_t length = 0, batch = 0;  // 0: not given
    bool embed = false, force = false, json = false;
};

// A C identifier for a layer, unlike those in `taken`, which it joins.
std::string unique_name(const std::string &wanted, std::set<std::string> *taken);

// The layers of --model, or the one of --config with --kernel. Throws Failure; also where this dwconv reads no models.
void add_model_layers(const EmitOptions &options, std::set<std::string> *taken, std::vector<dwc::emit::Layer> *layers);

}  // namespace cli
