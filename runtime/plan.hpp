// A plan is a problem bound to a kernel, and a runner: the code that turns one execution into kernel calls on views.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "activation.hpp"
#include "dwconv/dwconv.h"
#include "halide_glue.hpp"
#include "problem.hpp"
#include "registry.hpp"
#include "state.hpp"

namespace dwc {

// Staging happens in a tile of this size on the stack of the task; what does not fit asks for the caller's workspace.
constexpr int64_t stack_tile = 32 * 1024;
// Outputs that one kernel call may write before an elementwise kernel follows: half of a small L1 cache.
constexpr int64_t activation_tile = 4096;
// Kernels count elements in 32 bits: a view spans fewer than this.
constexpr int64_t largest_span = (int64_t{1} << 31) - 1;

// a * b, or the largest number: the stride of an axis so long that only one of its elements is ever used.
inline int64_t saturating_product(int64_t a, int64_t b) {
    int64_t product;
    return __builtin_mul_overflow(a, b, &product) ? INT64_MAX : product;
}

// How weights lie for a family; equal keys mean equal bytes.
struct PackedLayout {
    Family family;
    dwc_dtype dtype;
    int64_t taps, channels, multiplier, period;  // period: flat only
    std::string key() const;
};

// A stretch of outputs along time that one loop of kernel calls computes: straight on the input, or on staged copies.
struct Stretch {
    int64_t begin, end;
    bool staged;
    int group;         // channels: which group of dilation phases
    int64_t rows = 1;  // that it stands for: the phases of the group
};

// Cuts the outputs [0, count) of a row into what is computed straight on the input and staged ends. Output t reads
// elements step * t + first ... + last_tap of a row of `length` elements. Every stretch holds at least `tile` outputs,
// or the row is one staged stretch; straight_allowed = false makes it that, too.
void cut_row(int64_t count, int64_t first, int64_t step, int64_t last_tap, int64_t length, int64_t tile,
             bool straight_allowed, int group, std::vector<Stretch>* stretches);

// A share of the work; the shares of a plan write disjoint outputs.
struct Task {
    int64_t n0, n1;  // batch
    int64_t c0, c1;  // input channels
    int64_t s0, s1;  // stretches
};

// Sees what a task would do to memory, instead of its being done: see steps.cpp.
class Recorder {
   public:
    virtual ~Recorder() = default;
    virtual void stage(const void* dst, const void* row, const Piece& piece) = 0;
    virtual void conv(const ConvCall& call) = 0;
    virtual void spread(const void* planes, const View& y) = 0;
    virtual void copy(const void* dst, const void* src, int64_t elements) = 0;
};

struct Job {
    const char* x;
    char* y;
    const char* weights;
    const char* bias;
    char* scratch;    // Runner::scratch_bytes, or the stack tile
    Context context;  // of the task's first sequence, where the problem is stateful: see Runner::moves_state
    KernelError* error;
    bool zeros_add_nothing;  // dwc_weights
    Recorder* recorder = nullptr;
};

// A run of taps.
struct Taps {
    int64_t first, count;
};

class Runner {
   public:
    Runner(const Problem& problem, const ConvKernel& kernel, const ActivationRow* epilogue);
    virtual ~Runner() = default;
    // 0, or the code of the kernel call that failed.
    virtual int run(const Task& task, const Job& job) const = 0;

    virtual PackedLayout packed() const;
    // Whether run() moves the state on itself. Then it takes sequences whose slots lie side by side, the context being
    // the first one's; elsewhere one sequence at a time, whose state run() leaves alone.
    virtual bool moves_state() const { return false; }
    int64_t scratch_bytes() const { return planar() ? planar_at() + planar_elements() * element_ : staging_bytes_; }
    // The form of the kernel that runs, as far as memory allows.
    Form form() const { return form_; }
    void form(Form wanted);
    const std::vector<Task>& tasks() const { return tasks_; }

   protected:
    // What may not be cut finer: channels, and outputs of a row. Threads that write neighbouring memory fetch each other's
    // lines, so time goes before channels where these lie side by side.
    struct Grain {
        int64_t channels, outputs;
        bool time_first;
    };
    // Cuts the work into at most `threads` tasks: by batch, where that comes out even, by time or by channels; a stateful
    // problem never by time, since its last stretch replaces the state that the first one reads.
    void cut(int threads, const Grain& grain);
    // job.scratch = a zero-extended piece of rows and, where the problem is stateful, what came before it.
    void fill(const Job& job, const char* row, const Piece& piece, const Place& place) const;
    void copy(const Job& job, char* dst, const char* src, int64_t elements) const;
    // The elementwise kernel on `rows` rows of `count` outputs that a kernel call has just written.
    int activate(float* y, int64_t count, int64_t rows, int64_t row_stride, const Job& job) const;
    bool planar() const { return planar_; }  // see cost.hpp
    // One call of the kernel, then the elementwise one on `rows` rows of `count` outputs, `row_stride` apart. Or one
    // call a multiple into planes side by side, whose outputs are then interleaved: at most planar_elements() of them.
    int call(const ConvCall& call, int64_t count, int64_t rows, int64_t row_stride, const Job& job) const;
    // What outputs in a row read: tap j of the first one element first + j * step, of the last one last + j * step.
    struct Reach {
        int64_t first, last, step;
        int64_t length;  // of the row; elements before and after it are zeros
    };
    // The taps that read any element of the row. All taps where their number is compiled in, where a state comes before
    // the row, or where zeros would change the sum.
    Taps taps_inside(const Reach& reach, const Job& job) const;
    // Outputs of a staged row, of `all`, that go without the same taps: an eighth as many as there are taps, in whole tiles,
    // where the taps are so many that it pays.
    int64_t outputs_between_clips(int64_t tile, int64_t all) const {
        const int64_t K = p_.given.kernel_size;
        return K <= 64 ? all : std::clamp(K / 8 / tile * tile, std::min(tile, all), all);
    }
    // What staged copies may take of the stack's tile.
    int64_t tile_elements() const { return stack_tile / element_ - (planar() ? activation_tile : 0); }
    // A kernel computes no less than its own tile, and the last block of a row up to two.
    int64_t planar_elements() const {
        return std::max(activation_tile, 2 * int64_t{kernel_.v} * kernel_.t * p_.given.depth_multiplier);
    }

    Problem p_;
    const ConvKernel& kernel_;
    const ActivationRow* epilogue_;  // nullptr: fused, or linear
    ActivationKernel activation_;
    int64_t element_;  // bytes
    int64_t period_ = 0;
    Form form_ = Form::plain;
    int64_t staging_bytes_ = 0;
    std::vector<Stretch> stretches_;
    std::vector<Task> tasks_;

   private:
    bool planar_;

    Task whole() const {
        return {0, p_.given.batch, 0, p_.given.channels, 0, static_cast<int64_t>(stretches_.size())};
    }
    int64_t outputs() const;  // of one sequence and channel
    void cut_batch(int parts);
    void cut_channels(int parts, int64_t block);
    void cut_time(int parts, int64_t least);
    // Where in the scratch memory the planes lie.
    int64_t planar_at() const { return std::max(staging_bytes_, tile_elements() * element_); }
    int call_planar(const ConvCall& all, const Job& job) const;
};

class DeviceRunner;  // run_device.hpp

// The same outputs without what they cannot see: the dilation of a single tap, the stride of a single output.
Problem simplest(Problem p);
std::unique_ptr<Runner> make_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads);
std::unique_ptr<Runner> make_channels_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e,
                                             int threads);
std::unique_ptr<Runner> make_turned_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads);
std::unique_ptr<Runner> make_width_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads);
std::unique_ptr<Runner> make_flat_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads);
std::unique_ptr<Runner> make_step_runner(const Problem& p, const ConvKernel& k, const ActivationRow* e, int threads);

// Bytes of the last cache that this CPU sees, shared or not, and of the last one that it does not share.
int64_t last_level_bytes();
int64_t private_bytes();

// Number of CPUs that the affinity mask and the cgroup's quota leave this process, at least 1.
int usable_cpus();

// Log lines; see dwc_set_log_callback.
bool verbose();
void log_line(const std::string& line);

}  // namespace dwc

struct dwc_plan {
    dwc::Problem problem;
    std::string key, kernel_name, target_name, reason, weights_key;
    dwc::PackedLayout packed;
    std::unique_ptr<dwc::Runner> runner;        // nullptr: on a device, reference, or nothing to compute
    std::unique_ptr<dwc::DeviceRunner> device;  // nullptr: not on a device
    bool reference = false;
    int threads = 1;
    dwc::DeviceKind memory = dwc::DeviceKind::host;
    dwc_parallel_for parallel_for = nullptr;
    void* parallel_for_user = nullptr;
};
