// The log of a tuning run: JSON lines, appended one write() and one fdatasync() a line, so that whatever ends the
// process or the machine leaves whole lines and at most one torn one at the end, which readers leave out and the next
// writer cuts off.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace dwc::tuner {

// What the user wrote or gave is at fault; one sentence.
class InputError : public std::runtime_error {
   public:
    using std::runtime_error::runtime_error;
};

// Where and how the results after it were taken. `machine` is a JSON object, as text.
struct Run {
    std::string id, target, cpu, machine = "{}", date, dwconv, halide, command;
};

enum class Outcome { ok, constraints, compile, timeout, crash, wrong, refused };
enum class Source { measured, emulated, static_cost };
const char *outcome_name(Outcome outcome);
const char *source_name(Source source);  // "measured", "emulated", "static"

// One candidate on one problem. What does not apply is absent.
struct Result {
    std::string run, problem, kernel /* without "@target" */, target;
    int threads = 1;
    Outcome outcome = Outcome::ok;
    Source source = Source::measured;
    std::optional<double> us_median, us_min, us_q25, us_q75;
    int64_t samples = 0;
    std::string incumbent;  // with "@target": it may be of a parent
    std::optional<double> incumbent_us_median, ratio_median, ratio_q25, ratio_q75;  // time / incumbent's, by rounds
    std::optional<double> cost;                                                     // predicted
    int64_t object_bytes = 0;
    std::string message;
};

// What a result is about. Of several results with one key that with the most samples counts, the later of equals.
using ResultKey = std::tuple<std::string, int, std::string, std::string>;  // problem, threads, target, kernel
ResultKey key_of(const Result &result);

struct Log {
    std::vector<Run> runs;
    std::vector<Result> results;  // in the order of the file
    size_t whole_bytes = 0;       // up to the end of the last whole line; what follows is torn

    std::map<ResultKey, Result> latest() const;
    const Run *run(const std::string &id) const;  // nullptr: no line of that run
};

std::string line_of(const Run &run);  // with the newline
std::string line_of(const Result &result);

// Throws InputError, naming file and line, for a line that is none of a log; `missing_is_empty` for files that the next
// writer would create.
Log read_log(const std::string &path, bool missing_is_empty = false);
// The same of a text; `name` stands in messages.
Log parse_log(const std::string &text, const std::string &name);

class LogWriter {
   public:
    // Opens or creates the file, cuts off a torn last line and holds a lock until it is destroyed. Throws InputError
    // where the file is no log, cannot be written, or another process writes to it.
    explicit LogWriter(const std::string &path);
    ~LogWriter();
    LogWriter(const LogWriter &) = delete;
    LogWriter &operator=(const LogWriter &) = delete;

    // Returns when the line is on the disk. Throws std::runtime_error where it cannot be written.
    void append(const Run &run) { append_line(line_of(run)); }
    void append(const Result &result) { append_line(line_of(result)); }

   private:
    void append_line(const std::string &line);
    std::string path_;
    int file_ = -1;
};

}  // namespace dwc::tuner
