// What was tuned on this machine, for the whole process: measurements of plans, of the caller, and of files.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tuned_file.hpp"

namespace dwc {

using TunedTable = std::vector<TunedEntry>;

// The table as it is now; later additions make a new one.
std::shared_ptr<const TunedTable> tuned_table();
// The latest word on a problem and number of threads counts.
void tuned_add(std::vector<TunedEntry> entries);
// Entries taken from a file; the log hears of a file that is no use, and of lines that were passed over.
size_t tuned_load(const std::string& path);
// Reads the file that DWC_TUNED_FILE names, where it has not been read under that name before.
void tuned_load_from_environment();

}  // namespace dwc
