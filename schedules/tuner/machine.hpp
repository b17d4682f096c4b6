// Where a run takes place, for its line in a log and for the records of a benchmark.
#pragma once

#include <cstdint>
#include <string>

namespace dwc::tuner {

// A JSON object that says what the system tells of CPU number `cpu` and of the machine around it; null where it does
// not tell: architecture, cpus, board, caches by level, governor, driver, boost, min_mhz, max_mhz, os, kernel, virtual
// (a hypervisor lies between), emulated. Under an emulator all but the first two and the last are the host's.
std::string machine_json(int cpu = 0);
// The CPU's name: what cpuid calls it, ARM's names of its cores, else architecture and identification register.
std::string cpu_model(int cpu = 0);
// The identification register (MIDR_EL1) of an ARM CPU; 0 where there is none or it cannot be read.
uint64_t cpu_register(int cpu);
// Whether a program translates this one's instructions (QEMU, Rosetta): its times then say nothing about any CPU.
bool under_emulator();
std::string now_utc();     // 2026-01-31T12:00:00Z
std::string new_run_id();  // date and eight random hexadecimal digits

}  // namespace dwc::tuner
