#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

extern char **environ;

namespace dwc::tuner {
namespace {

using Clock = std::chrono::steady_clock;

// The reading and the writing end, above the descriptors that a child gets, and closed in it.
struct Pipe {
    int ends[2] = {-1, -1};
    Pipe() {
        int raw[2];
        if (pipe2(raw, O_CLOEXEC) != 0) return;
        for (int i = 0; i < 2; ++i) {
            ends[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, 10);
            close(raw[i]);
        }
    }
    ~Pipe() {
        close_end(0);
        close_end(1);
    }
    void close_end(int i) {
        if (ends[i] >= 0) close(ends[i]);
        ends[i] = -1;
    }
};

int spawn(const std::vector<std::string> &words, const Pipe &output, const Pipe &answer, pid_t *child) {
    std::vector<char *> arguments;
    for (const std::string &word : words) arguments.push_back(const_cast<char *>(word.c_str()));
    arguments.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output.ends[1], 1);
    posix_spawn_file_actions_adddup2(&files, output.ends[1], 2);
    posix_spawn_file_actions_adddup2(&files, answer.ends[1], 3);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    const int error = posix_spawnp(child, arguments[0], &files, &attributes, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return error;
}

// What is there to read goes to `text`; false at the end.
bool drain(int fd, std::string *text, size_t most, bool keep_end) {
    char buffer[4096];
    const ssize_t count = read(fd, buffer, sizeof buffer);
    if (count < 0) return errno == EINTR || errno == EAGAIN;
    text->append(buffer, static_cast<size_t>(count));
    if (text->size() > most) keep_end ? text->erase(0, text->size() - most) : text->erase(most);
    return count > 0;
}

}  // namespace

Ended run_process(const std::vector<std::string> &words, double seconds, const std::atomic<bool> &stop) {
    Pipe output, answer;
    pid_t child = -1;
    if (output.ends[1] < 0 || answer.ends[1] < 0) return {Ended::How::not_started, EMFILE, {}, {}};
    if (const int error = spawn(words, output, answer, &child)) return {Ended::How::not_started, error, {}, {}};
    output.close_end(1);
    answer.close_end(1);

    Ended ended{Ended::How::exited, 0, {}, {}};
    const auto deadline = Clock::now() + std::chrono::duration<double>(seconds);
    pollfd streams[2] = {{output.ends[0], POLLIN, 0}, {answer.ends[0], POLLIN, 0}};
    int status = 0;
    bool killed = false;
    // A grandchild may hold the pipes open, so the child's own end decides; a poll of it every 5 ms costs nothing.
    for (bool alive = true; alive;) {
        poll(streams, 2, 5);
        if (streams[0].revents && !drain(output.ends[0], &ended.output, 4000, true)) streams[0].fd = -1;
        if (streams[1].revents && !drain(answer.ends[0], &ended.answer, 65536, false)) streams[1].fd = -1;
        if (streams[0].fd < 0 && streams[1].fd < 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        alive = waitpid(child, &status, WNOHANG) == 0;
        const bool late = Clock::now() > deadline, stopped = stop.load();
        if (alive && !killed && (late || stopped)) {
            kill(-child, SIGKILL);
            killed = true;
            ended.how = stopped ? Ended::How::stopped : Ended::How::timed_out;
        }
    }
    kill(-child, SIGKILL);  // what it left behind
    for (int i = 0; i < 2; ++i) {
        while (streams[i].fd >= 0 && poll(streams + i, 1, 0) > 0 && streams[i].revents) {
            const bool more = i == 0 ? drain(streams[i].fd, &ended.output, 4000, true)
                                     : drain(streams[i].fd, &ended.answer, 65536, false);
            if (!more) break;
        }
    }
    if (killed) return ended;
    ended.how = WIFSIGNALED(status) ? Ended::How::signalled : Ended::How::exited;
    ended.code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    return ended;
}

std::string last_words(const std::string &output, size_t most) {
    std::string line;
    for (const char c : output) {
        const bool blank = static_cast<unsigned char>(c) <= 0x20;
        if (blank && (line.empty() || line.back() == ' ')) continue;
        line += blank ? ' ' : c;
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    return line.size() > most ? "..." + line.substr(line.size() - most) : line;
}

}  // namespace dwc::tuner
