#include "provenance.hpp"

#include "tuner/machine.hpp"
#include "tuner/targets.hpp"

namespace cli {
namespace {

const char *or_null(const std::string &text) { return text.empty() ? nullptr : text.c_str(); }

}  // namespace

Provenance provenance_of(const std::string &command, int pinned_cpu, int repeats) {
    const int cpu = pinned_cpu < 0 ? 0 : pinned_cpu;
    Provenance origin;
    origin.cpu = dwc::tuner::cpu_model(cpu);
    origin.isa = best_cpu_target();
    origin.machine = dwc::tuner::machine_json(cpu);
    origin.date = dwc::tuner::now_utc();
    origin.command = command;
    origin.emulated = dwc::tuner::under_emulator();
    origin.pinned_cpu = pinned_cpu;
    origin.repeats = repeats;
    return origin;
}

JsonObject json_of(const Provenance &provenance) {
    JsonObject origin;
    origin.add("cpu", provenance.cpu).add("gpu", nullptr).add("isa", or_null(provenance.isa));
    origin.add("emulated", provenance.emulated).add("date", provenance.date).add("dwconv", dwc_version());
    origin.add("revision", or_null(DWC_REVISION)).add("halide", or_null(dwc::tuner::halide_version()));
    origin.add("compiler", DWC_COMPILER).add("build_type", DWC_BUILD_TYPE);
    origin.add("command", provenance.command).add("repeats", provenance.repeats);
    origin.add("pinned_cpu", provenance.pinned_cpu).add_json("machine", provenance.machine);
    return origin;
}

std::string origin_line(const Provenance &provenance, int threads) {
    return format("%s%s, %d thread%s%s, %d interleaved repeats, dwconv %s, %s\n", provenance.cpu.c_str(),
                  provenance.emulated ? " (EMULATED: these times say nothing about a CPU)" : "", threads,
                  threads == 1 ? "" : "s",
                  provenance.pinned_cpu < 0 ? "" : format(" pinned to CPU %d", provenance.pinned_cpu).c_str(),
                  provenance.repeats, dwc_version(), provenance.date.c_str());
}

}  // namespace cli
