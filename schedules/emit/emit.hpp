// Writes a folder that computes given layers and nothing else: kernels of exactly these shapes, the steps that the
// library would take as C, a header, an example that checks itself. What `dwconv emit` does.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "../tuner/log.hpp"
#include "dwconv/dwconv.h"

namespace dwc::emit {

using tuner::InputError;  // the request is at fault; one sentence

struct Layer {
    std::string name;  // a C identifier, unique in the request
    dwc_problem problem;
    std::vector<float> kernel, bias;  // Keras' order; both empty where only the problem is known
};

struct Request {
    std::string name;    // a C identifier: the prefix of every symbol and file
    std::string folder;  // made; must not exist, or be empty, unless `force`
    std::vector<std::string> targets;
    std::vector<Layer> layers;
    bool embed_weights = false, force = false;
    std::string generator;  // the program
    std::string command;    // how it was asked for; goes into the README
};

struct Emitted {
    std::string layer, problem, target, kernel;
    int64_t code_bytes = 0;  // of the kernel, which layers may share
};

// The layers on each target in turn. Nothing is left behind where it fails. Throws InputError, and std::runtime_error
// where the machine or the generator is at fault.
std::vector<Emitted> emit(const Request &request, const std::atomic<bool> &stop);

// `text` as a C identifier.
std::string identifier(const std::string &text);

}  // namespace dwc::emit
