#include "targets.hpp"

#include <string_view>

#include "space.hpp"

namespace dwc::tuner {
namespace {

constexpr TunerTarget kTargets[] = {
#define DWC_TUNER_TARGET(name, halide, processor, lanes, cpu) {name, halide, processor, lanes, cpu},
#include "tuner_targets.inc"
#undef DWC_TUNER_TARGET
};

}  // namespace

bool TunerTarget::on_x86() const { return std::string_view(processor) == "x86_64"; }
bool TunerTarget::intel() const { return std::string_view(cpu).starts_with("intel,"); }
int TunerTarget::registers() const { return vector_registers(on_x86(), lanes); }

const TunerTarget *tuner_target(const std::string &name) {
    for (const TunerTarget &target : kTargets)
        if (name == target.name) return &target;
    return nullptr;
}

std::string halide_version() { return DWC_HALIDE_VERSION; }

}  // namespace dwc::tuner
