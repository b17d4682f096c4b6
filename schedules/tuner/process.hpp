// A program run to its end or to a deadline, whatever it does.
#pragma once

#include <atomic>
#include <string>
#include <vector>

namespace dwc::tuner {

struct Ended {
    enum class How { exited, signalled, timed_out, stopped, not_started };
    How how;
    int code;            // exit status, number of the signal, or errno
    std::string output;  // stdout and stderr together, the last 4000 bytes
    std::string answer;  // what it wrote to file descriptor 3, at most 64 KiB
    bool ok() const { return how == How::exited && code == 0; }
};

// Runs `words` (a program by path or by PATH, then its arguments) with an empty standard input in a process group of
// its own, which is killed after `seconds` or when `stop` becomes true. Any thread may call it.
Ended run_process(const std::vector<std::string> &words, double seconds, const std::atomic<bool> &stop);

// One line for a message: the end of `output`, blanks and line ends made spaces.
std::string last_words(const std::string &output, size_t most = 300);

}  // namespace dwc::tuner
