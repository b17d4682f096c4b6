// The loops of a compiled kernel, read from the assembler listing that the generator writes (`-e assembly`): which one
// the time goes into, and what one register tile executes from its bias to its stores.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace dwc::tuner {

enum class Processor { x86_64, aarch64 };

// f32 lanes that one multiply-add instruction computes; 0 for any other instruction. On x86 without fused
// multiply-adds, the multiplication stands for the pair.
int multiply_add_lanes(const std::string &instruction, Processor processor);

class Listing {
   public:
    // Throws std::runtime_error where `assembly` holds no such function, or no loop with multiply-adds in it.
    Listing(const std::string &assembly, const std::string &function, Processor processor);

    // The innermost loop with the most multiply-adds.
    std::vector<std::string> steady_loop() const { return loop(inner_.front()); }
    // What one register tile executes for `taps` taps: where K is fixed (`block` 0) that is the innermost loop, else
    // the loop around it, with the blocks of `block` taps and the rest as often as they run.
    std::vector<std::string> tile(int taps, int block) const;

   private:
    using Loops = std::map<int, std::set<int>>;  // header -> blocks

    void read(const std::string &assembly, const std::string &function);
    void find_loops();
    std::vector<std::string> text(const std::set<int> &blocks) const;
    std::vector<std::string> loop(int header) const { return text(loops_.at(header)); }
    int work(int header) const;
    int around(int header) const;
    int onwards(const std::vector<int> &choices, int parent, const std::map<int, int> &todo,
                const std::set<int> &passed) const;
    bool reaches(int start, int goal, int parent, const std::set<int> &avoid) const;

    Processor processor_;
    std::vector<std::vector<std::string>> blocks_;
    std::vector<std::vector<int>> successors_;
    Loops loops_;
    std::vector<int> inner_;  // headers of innermost loops with multiply-adds, most of them first
};

}  // namespace dwc::tuner
