#include "tuned_file.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace dwc {
namespace {

constexpr std::string_view magic = "dwconv-tuned ";
constexpr std::string_view format_version = "1";
constexpr int most_threads = 1024;
constexpr size_t longest_name = 240;

std::string checksum(std::string_view text) {
    uint64_t hash = 0xcbf29ce484222325ull;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
    char digits[20];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash));
    return digits;
}

template <typename Number>
bool read_number(std::string_view text, Number* value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

// The text up to `mark`, which is taken away with it; everything where there is none.
std::string_view take(std::string_view* text, char mark) {
    const size_t end = text->find(mark);
    const std::string_view head = text->substr(0, end);
    *text = end == std::string_view::npos ? std::string_view{} : text->substr(end + 1);
    return head;
}

// What a stranger's bytes look like in a log line.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text.substr(0, 60)) out += c >= 0x20 && c < 0x7f ? c : '?';
    return out + (text.size() > 60 ? "...'" : "'");
}

std::string header(std::string_view version, std::string_view cpu) {
    return std::string(magic) + std::string(format_version) + " " + std::string(version) + " " + std::string(cpu) +
           "\n";
}

std::string wrong_header(std::string_view line, std::string_view version, std::string_view cpu) {
    if (line.substr(0, magic.size()) != magic) return "it does not begin with 'dwconv-tuned'";
    line.remove_prefix(magic.size());
    if (const std::string_view f = take(&line, ' '); f != format_version)
        return "it has format " + quoted(f) + ", this library reads 1";
    if (const std::string_view v = take(&line, ' '); v != version)
        return "it is of version " + quoted(v) + " of the library, this is " + std::string(version);
    if (line != cpu) return "it is of CPU " + quoted(line) + ", this is " + std::string(cpu);
    return {};
}

// The last line's count, where it is whole and right for the text before it.
std::string wrong_end(std::string_view text, std::string_view* body, size_t* count) {
    if (text.empty() || text.back() != '\n') return "it is cut off: its last line is not whole";
    const size_t before = text.substr(0, text.size() - 1).rfind('\n');
    if (before == std::string_view::npos) return "it is cut off: there is no 'end' line";
    std::string_view line = text.substr(before + 1, text.size() - before - 2);
    *body = text.substr(0, before + 1);
    if (take(&line, ' ') != "end") return "it is cut off: there is no 'end' line";
    if (!read_number(take(&line, ' '), count)) return "its 'end' line holds no number of lines";
    if (line != checksum(*body)) return "it is damaged: its checksum is another";
    return {};
}

std::optional<TunedEntry> read_line(std::string_view line, std::string* why) {
    const std::string problem(take(&line, '\t'));
    const std::string_view threads_text = take(&line, '\t'), kernel = take(&line, '\t');
    dwc_problem fields;
    dwc_error error{};
    int threads = 0;
    double us = 0;
    if (dwc_problem_parse(problem.c_str(), &fields, &error)) return *why = error.message, std::nullopt;
    if (!read_number(threads_text, &threads))
        return *why = quoted(threads_text) + " is no number of threads", std::nullopt;
    if (!read_number(line, &us)) return *why = quoted(line) + " is no time", std::nullopt;
    return make_tuned(fields, threads, kernel, us, why);
}

}  // namespace

std::optional<TunedEntry> make_tuned(const dwc_problem& problem, int threads, std::string_view kernel, double us,
                                     std::string* why) {
    Problem resolved;
    dwc_error error{};
    if (resolve(&problem, &resolved, &error)) return *why = error.message, std::nullopt;
    if (threads < 1 || threads > most_threads)
        return *why = "threads=" + std::to_string(threads) + ": must be from 1 to " + std::to_string(most_threads),
               std::nullopt;
    bool plain = !kernel.empty() && kernel.size() <= longest_name && kernel.find('@') != std::string_view::npos;
    for (const char c : kernel) plain = plain && c > 0x20 && c < 0x7f;
    if (!plain) return *why = "kernel=" + quoted(kernel) + ": must be a kernel's name as listed", std::nullopt;
    if (!(std::isfinite(us) && us > 0))
        return *why = "us=" + std::to_string(us) + ": must be a positive time", std::nullopt;
    return TunedEntry{resolved.key(), threads,        std::string(kernel),        us,
                      false,          resolved.given, class_of(resolved, threads)};
}

std::string format_tuned(std::span<const TunedEntry> entries, std::string_view version, std::string_view cpu) {
    std::string text = header(version, cpu);
    for (const TunedEntry& e : entries) {
        char us[40];
        *std::to_chars(us, us + sizeof us - 1, e.us).ptr = '\0';
        text += e.problem + "\t" + std::to_string(e.threads) + "\t" + e.kernel + "\t" + us + "\n";
    }
    return text + "end " + std::to_string(entries.size()) + " " + checksum(text) + "\n";
}

TunedText parse_tuned(std::string_view text, std::string_view version, std::string_view cpu) {
    TunedText out;
    std::string_view body, rest = text;
    size_t count = 0;
    // The first line speaks first: a foreign file is called foreign although its end is another's, too.
    out.miss = wrong_header(take(&rest, '\n'), version, cpu);
    if (out.miss.empty()) out.miss = wrong_end(text, &body, &count);
    if (!out.miss.empty()) return out;
    take(&body, '\n');
    size_t lines = 0;
    std::vector<TunedEntry> entries;
    while (!body.empty()) {
        std::string why;
        ++lines;
        if (auto entry = read_line(take(&body, '\n'), &why)) {
            entry->from_file = true;
            entries.push_back(std::move(*entry));
        } else {
            out.skipped.push_back("line " + std::to_string(lines + 1) + ": " + why);
        }
    }
    if (lines != count)
        out.miss = "it holds " + std::to_string(lines) + " lines where its end says " + std::to_string(count);
    else
        out.entries = std::move(entries);
    return out;
}

}  // namespace dwc
