#include "log.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace dwc::tuner {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kVersion = 1;
constexpr const char *kLineStart = "{\"type\":\"r";

constexpr std::array<const char *, 7> kOutcomes = {"ok",    "constraints", "compile", "timeout",
                                                   "crash", "wrong",       "refused"};
constexpr std::array<const char *, 3> kSources = {"measured", "emulated", "static"};

// Six digits say more than any timing knows, and the same number is the same text everywhere.
double rounded(double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.6g", value);
    return std::strtod(text, nullptr);
}

void put(Json &line, const char *key, const std::optional<double> &value) {
    if (value && std::isfinite(*value)) line[key] = rounded(*value);
}
void put(Json &line, const char *key, const std::string &value) {
    if (!value.empty()) line[key] = value;
}

std::string text_of(const Json &line) {
    // A message may quote bytes of anything; a log line is UTF-8.
    return line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

[[noreturn]] void refuse(const std::string &sentence) { throw InputError(sentence); }

// A reader of one line's fields, which says what is wrong with which.
class Fields {
   public:
    Fields(const Json &line, std::string where) : line_(line), where_(std::move(where)) {}

    std::string text(const char *key, bool required = true) const {
        const auto found = line_.find(key);
        if (found == line_.end()) {
            if (required) refuse(where_ + key + " is missing");
            return {};
        }
        if (!found->is_string()) refuse(where_ + key + " must be a string");
        return found->get<std::string>();
    }
    std::optional<double> number(const char *key) const {
        const auto found = line_.find(key);
        if (found == line_.end()) return std::nullopt;
        if (!found->is_number()) refuse(where_ + key + " must be a number");
        const double value = found->get<double>();
        if (!std::isfinite(value) || value < 0) refuse(where_ + key + " must be a finite number, at least 0");
        return value;
    }
    int64_t integer(const char *key, int64_t absent) const {
        const auto found = line_.find(key);
        if (found == line_.end()) return absent;
        if (!found->is_number_integer()) refuse(where_ + key + " must be an integer");
        const auto value = found->get<int64_t>();
        if (value < 0) refuse(where_ + key + "=" + std::to_string(value) + " must be at least 0");
        return value;
    }
    template <size_t N>
    size_t one_of(const char *key, const std::array<const char *, N> &names) const {
        const std::string word = text(key);
        std::string all;
        for (size_t i = 0; i < N; ++i) {
            if (word == names[i]) return i;
            all += (i ? ", " : "") + std::string(names[i]);
        }
        refuse(where_ + key + "=" + word + " must be one of " + all);
    }

   private:
    const Json &line_;
    std::string where_;
};

Run run_of(const Json &line, const std::string &where) {
    const Fields fields(line, where);
    const int64_t version = fields.integer("version", 0);
    if (version != kVersion)
        refuse(where + "version=" + std::to_string(version) + ": this dwconv reads version " +
               std::to_string(kVersion));
    Run run;
    run.id = fields.text("id");
    run.target = fields.text("target");
    run.cpu = fields.text("cpu");
    if (const auto machine = line.find("machine"); machine != line.end()) run.machine = machine->dump();
    run.date = fields.text("date");
    run.dwconv = fields.text("dwconv");
    run.halide = fields.text("halide", false);
    run.command = fields.text("command", false);
    return run;
}

Result result_of(const Json &line, const std::string &where) {
    const Fields fields(line, where);
    Result r;
    r.run = fields.text("run");
    r.problem = fields.text("problem");
    r.threads = static_cast<int>(std::min<int64_t>(fields.integer("threads", 1), 1 << 20));
    r.kernel = fields.text("kernel");
    r.target = fields.text("target");
    r.outcome = static_cast<Outcome>(fields.one_of("outcome", kOutcomes));
    r.source = static_cast<Source>(fields.one_of("source", kSources));
    r.us_median = fields.number("us_median");
    r.us_min = fields.number("us_min");
    r.us_q25 = fields.number("us_q25");
    r.us_q75 = fields.number("us_q75");
    r.samples = fields.integer("samples", 0);
    r.incumbent = fields.text("incumbent", false);
    r.incumbent_us_median = fields.number("incumbent_us_median");
    r.ratio_median = fields.number("ratio_median");
    r.ratio_q25 = fields.number("ratio_q25");
    r.ratio_q75 = fields.number("ratio_q75");
    r.cost = fields.number("cost");
    r.object_bytes = fields.integer("object_bytes", 0);
    r.message = fields.text("message", false);
    return r;
}

void read_line(const std::string &text, const std::string &where, Log *log) {
    const Json line = Json::parse(text, nullptr, false);
    if (!line.is_object()) refuse(where + "must be a JSON object");
    const std::string type = Fields(line, where).text("type");
    if (type == "run") {
        log->runs.push_back(run_of(line, where));
    } else if (type == "result") {
        log->results.push_back(result_of(line, where));
    } else {
        refuse(where + "type=" + type + " must be run or result");
    }
}

}  // namespace

const char *outcome_name(Outcome outcome) { return kOutcomes[static_cast<size_t>(outcome)]; }
const char *source_name(Source source) { return kSources[static_cast<size_t>(source)]; }

ResultKey key_of(const Result &r) { return {r.problem, r.threads, r.target, r.kernel}; }

std::map<ResultKey, Result> Log::latest() const {
    std::map<ResultKey, Result> all;
    for (const Result &result : results) {
        const auto [found, added] = all.try_emplace(key_of(result), result);
        if (!added && result.samples >= found->second.samples) found->second = result;
    }
    return all;
}

const Run *Log::run(const std::string &id) const {
    for (const Run &run : runs)
        if (run.id == id) return &run;
    return nullptr;
}

std::string line_of(const Run &run) {
    Json line = {{"type", "run"}, {"id", run.id}, {"version", kVersion}, {"target", run.target}, {"cpu", run.cpu}};
    const Json machine = Json::parse(run.machine, nullptr, false);
    line["machine"] = machine.is_discarded() ? Json::object() : machine;
    line["date"] = run.date;
    line["dwconv"] = run.dwconv;
    put(line, "halide", run.halide);
    put(line, "command", run.command);
    return text_of(line);
}

std::string line_of(const Result &r) {
    Json line = {{"type", "result"},
                 {"run", r.run},
                 {"problem", r.problem},
                 {"threads", r.threads},
                 {"kernel", r.kernel},
                 {"target", r.target},
                 {"outcome", outcome_name(r.outcome)},
                 {"source", source_name(r.source)}};
    put(line, "us_median", r.us_median);
    put(line, "us_min", r.us_min);
    put(line, "us_q25", r.us_q25);
    put(line, "us_q75", r.us_q75);
    if (r.samples) line["samples"] = r.samples;
    put(line, "incumbent", r.incumbent);
    put(line, "incumbent_us_median", r.incumbent_us_median);
    put(line, "ratio_median", r.ratio_median);
    put(line, "ratio_q25", r.ratio_q25);
    put(line, "ratio_q75", r.ratio_q75);
    put(line, "cost", r.cost);
    if (r.object_bytes) line["object_bytes"] = r.object_bytes;
    put(line, "message", r.message);
    return text_of(line);
}

Log parse_log(const std::string &text, const std::string &name) {
    Log log;
    size_t &begin = log.whole_bytes;
    for (int number = 1; begin < text.size(); ++number) {
        const std::string where = name + ":" + std::to_string(number) + ": ";
        const size_t end = text.find('\n', begin);
        if (end == std::string::npos) {
            // What a writer began; anything else is another file's last line, which nobody may cut off.
            const std::string start = text.substr(begin, std::strlen(kLineStart));
            if (std::string(kLineStart).rfind(start, 0) != 0) refuse(where + "must be a JSON object");
            break;
        }
        if (end > begin) read_line(text.substr(begin, end - begin), where, &log);
        begin = end + 1;
    }
    return log;
}

Log read_log(const std::string &path, bool missing_is_empty) {
    struct stat status;
    if (missing_is_empty && stat(path.c_str(), &status) != 0 && errno == ENOENT) return {};
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    // A folder opens and cannot be read.
    if (!file || (file.peek() == EOF && file.bad())) refuse(path + ": the file cannot be opened");
    text << file.rdbuf();
    if (file.bad() || (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)))
        refuse(path + ": the file cannot be read");
    return parse_log(text.str(), path);
}

LogWriter::LogWriter(const std::string &path) : path_(path) {
    file_ = open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (file_ < 0) refuse(path + ": the log cannot be opened for writing: " + std::strerror(errno));
    try {
        if (flock(file_, LOCK_EX | LOCK_NB) != 0) refuse(path + ": another process is writing to this log");
        const Log log = read_log(path);
        const off_t size = lseek(file_, 0, SEEK_END);
        if (static_cast<off_t>(log.whole_bytes) != size && ftruncate(file_, static_cast<off_t>(log.whole_bytes)) != 0)
            refuse(path + ": its torn last line cannot be cut off: " + std::strerror(errno));
    } catch (...) {
        close(file_);
        throw;
    }
}

LogWriter::~LogWriter() { close(file_); }

void LogWriter::append_line(const std::string &line) {
    const ssize_t written = write(file_, line.data(), line.size());
    if (written != static_cast<ssize_t>(line.size()) || (fdatasync(file_) != 0 && errno != EINVAL))
        throw std::runtime_error(path_ + ": the log cannot be written: " + std::strerror(errno));
}

}  // namespace dwc::tuner
