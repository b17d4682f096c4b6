// An HDF5 file, read with suspicion and without libhdf5. That library (1.10.8, of Debian 12) is not fit for files of
// strangers: of 18,000 damaged copies of Keras' own files 96 crashed or hung it, most in H5HG_read and H5HG__protect
// while it read strings; with strings left alone still 10 of 200,000 did (H5F__accum_read). What Keras writes is a
// small part of the format, and that part is read here: superblocks 0 to 3, object headers 1 and 2, groups as symbol
// tables or with their links in the header, strings of both kinds in attributes, floating-point datasets that are
// contiguous or compact. Everything else is refused in words.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "files.hpp"
#include "hdf5_messages.hpp"
#include "weight_source.hpp"

namespace dwconv::keras::detail {

class Hdf5Reader : public WeightSource {
   public:
    static bool is_hdf5(const ByteSource& source);

    // Throws value_error where the bytes are no HDF5 file.
    explicit Hdf5Reader(ByteSource source);

    // Paths are component names joined by "/", "" is the root. Each throws value_error where it meets a soft or
    // external link, or damage.
    bool has_group(const std::string& path) const;
    bool has_dataset(const std::string& path) const;
    // Names of what lies in a group, in the order of their names.
    std::vector<std::string> children(const std::string& group) const;
    // Which object a path is: two paths with one address are one object.
    uint64_t address(const std::string& path) const;
    // An attribute's strings, one for a scalar; nothing where there is no such attribute. value_error where it holds
    // something else.
    std::optional<std::vector<std::string>> strings(const std::string& path, const std::string& attribute) const;

    StoredTensor describe(const std::string& path) const override;
    Tensor read(const std::string& path) const override;

   private:
    using Messages = std::vector<Hdf5Message>;
    using Links = std::map<std::string, Hdf5Link>;
    struct Dataset {
        StoredTensor stored;
        Hdf5Type type;
        Hdf5Layout layout;
        uint64_t bytes = 0;
    };

    std::vector<unsigned char> bytes(uint64_t address, uint64_t count) const;
    void spend(uint64_t steps) const;
    void read_superblock();

    const Messages& object(uint64_t address) const;
    Messages parse_object(uint64_t address) const;
    const Links& links(uint64_t address) const;
    void add_symbol_table(const Hdf5Message& message, Links* links) const;
    void add_symbols(uint64_t node, const std::vector<unsigned char>& heap, Links* links) const;
    // Nothing where it is missing.
    std::optional<uint64_t> find(const std::string& path) const;
    uint64_t existing(const std::string& path) const;
    std::vector<std::string> attribute_strings(const Hdf5Attribute& attribute) const;
    std::string heap_string(uint64_t collection, uint32_t index, uint32_t length) const;

    Dataset dataset(const std::string& path) const;

    // Runs `work`, and turns Hdf5Fault into a value_error that names file and object.
    template <typename Work>
    auto at(const std::string& path, Work work) const;

    ByteSource source_;
    uint64_t root_ = 0;
    // Damage can make a small file describe endless work: every link, message and heap object costs a step.
    mutable uint64_t steps_left_ = uint64_t{1} << 24;
    mutable std::unordered_map<uint64_t, Messages> objects_;
    mutable std::unordered_map<uint64_t, Links> groups_;
    mutable std::unordered_map<uint64_t, std::unordered_map<uint32_t, std::pair<uint64_t, uint64_t>>> heaps_;
};

template <typename Work>
auto Hdf5Reader::at(const std::string& path, Work work) const {
    try {
        return work();
    } catch (const Hdf5Fault& fault) {
        fail_value(source_.name() + ": " + printable(path.empty() ? "/" : path) + " " + fault.what());
    }
}

}  // namespace dwconv::keras::detail
