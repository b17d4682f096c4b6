// `.safetensors`: the header's length in 8 bytes, the header in JSON, then the values.
#include "config_json.hpp"
#include "encode.hpp"
#include "errors.hpp"
#include "writers.hpp"

namespace dwconv::keras::detail {
namespace {

const char* type_name(const std::string& dtype) {
    if (dtype == "float16") return "F16";
    if (dtype == "bfloat16") return "BF16";
    return dtype == "float64" ? "F64" : "F32";
}

}  // namespace

Bytes safetensors(const Sequential& model) {
    Json layers = Json::array(), tensors = Json::object();
    Bytes values;
    for (const auto& layer : model.layers()) {
        layers.push_back(parse_json(layer->to_json(), "config of layer " + layer->name()));
        for (const Variable& weight : layer->weights()) {
            const Bytes part = encode(weight.value, weight.dtype);
            Json& entry = tensors[layer->name() + "/" + weight.name];
            entry["dtype"] = type_name(weight.dtype);
            entry["shape"] = weight.value.shape;
            entry["data_offsets"] = {values.size(), values.size() + part.size()};
            values.insert(values.end(), part.begin(), part.end());
        }
    }
    Json header;
    header["__metadata__"]["layers"] = dump(layers);
    header.update(tensors);
    std::string text = dump(header);
    text.resize((text.size() + 7) / 8 * 8, ' ');  // values start at a multiple of 8
    Bytes bytes;
    bytes.reserve(8 + text.size() + values.size());
    for (int shift = 0; shift < 64; shift += 8) {
        bytes.push_back(static_cast<unsigned char>(static_cast<std::uint64_t>(text.size()) >> shift));
    }
    bytes.insert(bytes.end(), text.begin(), text.end());
    bytes.insert(bytes.end(), values.begin(), values.end());
    return bytes;
}

}  // namespace dwconv::keras::detail
