// Candidates as machine code: runs the generator program and links what it makes.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "candidates.hpp"
#include "log.hpp"
#include "targets.hpp"

namespace dwc::tuner {

// The generator program: DWC_GENERATOR, or beside `program` (the path of the running command) as an install tree
// (../libexec/dwconv/dwconv-gen) or a build tree (../generators/dwc_generator) has it. Throws InputError where none of
// them is a program.
std::string find_generator(const std::string &program);
std::string this_program();  // path of the running program; empty where the system does not tell

std::string symbol_of(const std::string &kernel, const std::string &target);  // the C function of a candidate

// One candidate after the other, into files of `folder` named after their symbols. Any thread may call it.
class Compiler {
   public:
    // `c_compiler` links. `stop` ends what is running.
    Compiler(std::string generator, std::string c_compiler, std::string folder, const std::atomic<bool> &stop);

    struct Made {
        Outcome outcome = Outcome::ok;  // else constraints, compile or timeout, with a message
        std::string path, message;
        int64_t bytes = 0;  // of the object file
    };
    // FOLDER/<symbol>.o; or, with `emit` "assembly", <symbol>.s.
    Made object(const Candidate &candidate, const TunerTarget &target, const std::string &emit = "object") const;
    // Halide's runtime for the processor of the target: FOLDER/dwc_tuner_runtime.o. Throws std::runtime_error.
    std::string runtime_object(const TunerTarget &target) const;
    // The same as FOLDER/libdwc_tuner_runtime.so, which the candidates share. Throws std::runtime_error.
    std::string runtime_library(const TunerTarget &target) const;
    // FOLDER/<symbol>.so, which finds `runtime` in its own folder. For the processor that the C compiler works for.
    Made shared(const Candidate &candidate, const TunerTarget &target, const std::string &runtime) const;

   private:
    Made made(const std::vector<std::string> &words, const std::string &path) const;
    std::string generator_, c_compiler_, folder_;
    const std::atomic<bool> &stop_;
};

// A folder that is gone, with all that is in it, when this is.
class TemporaryFolder {
   public:
    TemporaryFolder();  // throws std::runtime_error
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder &) = delete;
    TemporaryFolder &operator=(const TemporaryFolder &) = delete;
    const std::string &path() const { return path_; }

   private:
    std::string path_;
};

}  // namespace dwc::tuner
