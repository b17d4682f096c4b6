// `.safetensors` files: 8 bytes of length, a JSON header of that length, then the tensors' bytes.
// Format: https://huggingface.co/docs/safetensors
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "files.hpp"
#include "json.hpp"
#include "weight_source.hpp"

namespace dwconv::keras::detail {

class SafetensorsReader : public WeightSource {
   public:
    static bool is_safetensors(const ByteSource& source);

    // Throws value_error where header and file do not fit: every byte belongs to exactly one tensor.
    explicit SafetensorsReader(ByteSource source);

    const std::string& file() const { return source_.name(); }
    // In the order of their data.
    const std::vector<std::string>& names() const { return names_; }
    bool has(const std::string& name) const { return tensors_.count(name) != 0; }
    // nullptr for what holds no floating-point numbers, and where there is no such tensor.
    const Shape* float_shape(const std::string& name) const;
    // Of the header's __metadata__; "" without.
    std::string metadata(const std::string& key) const;

    StoredTensor describe(const std::string& path) const override;
    Tensor read(const std::string& path) const override;

   private:
    struct Entry {
        StoredTensor stored;  // dtype "" where it is no floating-point type
        std::string type;     // as the file calls it
        uint64_t begin = 0, end = 0;
    };
    void add(const std::string& name, const Json& value);
    void check_order();
    const Entry& entry(const std::string& path) const;

    ByteSource source_;
    uint64_t data_ = 0;  // where the tensors' bytes start
    std::vector<std::string> names_;
    std::map<std::string, Entry> tensors_;
    std::map<std::string, std::string> metadata_;
};

}  // namespace dwconv::keras::detail
