#include "hdf5_image.hpp"

#include <hdf5.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "errors.hpp"
#include "floats.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr uint64_t kSmall = uint64_t{64} << 20;  // below this a dataset may unpack to any multiple of what is stored
constexpr uint64_t kMaxRatio = 100;              // above it, to this multiple
constexpr uint64_t kMaxChunk = uint64_t{256} << 20;  // HDF5 unpacks a whole chunk at a time
constexpr hsize_t kMaxChildren = 1000000;

// One HDF5 call sequence: HDF5 builds without thread safety exist, and its error stack prints to stderr unless told
// not to; the host program's own setting comes back afterwards.
class Session {
   public:
    Session() : lock_(mutex()) {
        H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
        H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    }
    ~Session() { H5Eset_auto2(H5E_DEFAULT, print_, data_); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

   private:
    static std::mutex& mutex() {
        static std::mutex one;
        return one;
    }
    std::lock_guard<std::mutex> lock_;
    H5E_auto2_t print_ = nullptr;
    void* data_ = nullptr;
};

class Handle {
   public:
    Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() {
        if (id_ >= 0) close_(id_);
    }
    operator hid_t() const { return id_; }
    bool ok() const { return id_ >= 0; }

   private:
    hid_t id_;
    herr_t (*close_)(hid_t);
};

// HDF5 would copy a file image twice while opening it. These callbacks hand out the one buffer at every step instead;
// `udata` is the buffer, which outlives the file. (H5LTopen_file_image does the same and leaks its bookkeeping.)
void* image_malloc(size_t, H5FD_file_image_op_t, void* udata) { return udata; }
void* image_memcpy(void* to, const void*, size_t, H5FD_file_image_op_t, void*) { return to; }
herr_t image_free(void*, H5FD_file_image_op_t, void*) { return 0; }
void* udata_copy(void* udata) { return udata; }
herr_t udata_free(void*) { return 0; }

hid_t open_image(std::vector<unsigned char>& bytes) {
    const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    H5FD_file_image_callbacks_t callbacks = {image_malloc, image_memcpy, nullptr,     image_free,
                                             udata_copy,   udata_free,   bytes.data()};
    if (!access.ok() || H5Pset_fapl_core(access, 1 << 16, 0) < 0 ||
        H5Pset_file_image_callbacks(access, &callbacks) < 0 ||
        H5Pset_file_image(access, bytes.data(), bytes.size()) < 0) {
        return -1;
    }
    // HDF5 takes two images of one name for one file.
    static std::atomic<unsigned> counter{0};
    const std::string name = "dwconv-image-" + std::to_string(counter++);
    return H5Fopen(name.c_str(), H5F_ACC_RDONLY, access);
}

std::string absolute(const std::string& path) { return "/" + path; }

herr_t collect_name(hid_t, const char* name, const H5L_info_t*, void* into) {
    try {
        static_cast<std::vector<std::string>*>(into)->push_back(name);
        return 0;
    } catch (...) {  // nothing may be thrown through HDF5's frames
        return -1;
    }
}

// "" for a type that is no floating-point format of ours.
std::string float_name(hid_t type) {
    const H5T_class_t kind = H5Tget_class(type);
    const size_t size = H5Tget_size(type);
    if (kind != H5T_FLOAT) return "";
    if (H5Tequal(type, H5T_IEEE_F32LE) > 0 || H5Tequal(type, H5T_IEEE_F32BE) > 0) return "float32";
    if (H5Tequal(type, H5T_IEEE_F64LE) > 0 || H5Tequal(type, H5T_IEEE_F64BE) > 0) return "float64";
    size_t sign = 0, exponent = 0, exponent_bits = 0, mantissa = 0, mantissa_bits = 0;
    if (H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits) < 0 || size != 2) return "";
    if (sign == 15 && mantissa == 0 && exponent == 10 && exponent_bits == 5 && mantissa_bits == 10) return "float16";
    if (sign == 15 && mantissa == 0 && exponent == 7 && exponent_bits == 8 && mantissa_bits == 7) return "bfloat16";
    return "";
}

// What is wrong with how the dataset is stored, or "".
std::string storage_fault(hid_t dataset, uint64_t bytes) {
    const Handle properties(H5Dget_create_plist(dataset), H5Pclose);
    if (!properties.ok()) return "its storage cannot be read";
    const H5D_layout_t layout = H5Pget_layout(properties);
    if (layout == H5D_VIRTUAL) return "is a virtual dataset; refused";
    if (layout != H5D_CONTIGUOUS && layout != H5D_COMPACT && layout != H5D_CHUNKED) return "has an unknown layout";
    if (H5Pget_external_count(properties) != 0) return "keeps its values in another file; refused";
    const int filters = H5Pget_nfilters(properties);
    if (filters < 0) return "its filters cannot be read";
    for (int i = 0; i < filters; ++i) {
        unsigned flags = 0;
        size_t values = 0;
        const H5Z_filter_t filter =
            H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values, nullptr, 0, nullptr, nullptr);
        // Others would make HDF5 load plugins.
        if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE && filter != H5Z_FILTER_FLETCHER32) {
            return "is packed with a filter other than deflate, shuffle and fletcher32";
        }
    }
    if (layout == H5D_CHUNKED) {
        hsize_t chunk[H5S_MAX_RANK] = {};
        const int rank = H5Pget_chunk(properties, H5S_MAX_RANK, chunk);
        const Handle type(H5Dget_type(dataset), H5Tclose);
        uint64_t chunk_bytes = type.ok() ? H5Tget_size(type) : 0;
        for (int i = 0; i < rank; ++i) {
            if (__builtin_mul_overflow(chunk_bytes, static_cast<uint64_t>(chunk[i]), &chunk_bytes))
                return "has absurd chunks";
        }
        if (rank < 0 || chunk_bytes == 0 || chunk_bytes > kMaxChunk) return "has absurd chunks";
    }
    const uint64_t stored = H5Dget_storage_size(dataset);
    if (bytes > 0 && stored == 0) return "holds no values";
    if (filters == 0 && stored < bytes) return "stores fewer values than its shape needs";
    if (bytes > kSmall && bytes / kMaxRatio > stored) {
        return "would unpack from " + std::to_string(stored) + " to " + std::to_string(bytes) + " bytes; refused";
    }
    return "";
}

}  // namespace

Hdf5Image::Hdf5Image(std::vector<unsigned char> bytes, std::string name)
    : bytes_(std::move(bytes)), name_(std::move(name)) {
    const Session session;
    if (!bytes_.empty()) file_ = open_image(bytes_);
    if (file_ < 0) fail_value(name_ + ": is not a readable HDF5 file");
}

Hdf5Image::~Hdf5Image() {
    const Session session;
    H5Fclose(file_);
}

void Hdf5Image::fail(const std::string& path, const std::string& what) const {
    fail_value(name_ + ": " + printable(path.empty() ? "/" : path) + " " + what);
}

bool Hdf5Image::exists(const std::string& path) const {
    // A component at a time: asking for a path whose middle is missing is an error to HDF5, and every link is looked
    // at.
    for (size_t end = 0; end < path.size();) {
        end = std::min(path.find('/', end + 1), path.size());
        const std::string part = absolute(path.substr(0, end));
        if (H5Lexists(file_, part.c_str(), H5P_DEFAULT) <= 0) return false;
        H5L_info_t link;
        if (H5Lget_info(file_, part.c_str(), &link, H5P_DEFAULT) < 0) fail(path, "cannot be read");
        if (link.type != H5L_TYPE_HARD) fail(path, "lies behind a soft or external link; refused");
    }
    return true;
}

bool Hdf5Image::has_group(const std::string& path) const {
    const Session session;
    if (!exists(path)) return false;
    const Handle object(H5Oopen(file_, absolute(path).c_str(), H5P_DEFAULT), H5Oclose);
    return object.ok() && H5Iget_type(object) == H5I_GROUP;
}

std::vector<std::string> Hdf5Image::children(const std::string& group) const {
    const Session session;
    if (!exists(group)) return {};
    const Handle object(H5Gopen2(file_, absolute(group).c_str(), H5P_DEFAULT), H5Gclose);
    H5G_info_t info;
    if (!object.ok() || H5Gget_info(object, &info) < 0) fail(group, "is not a readable group");
    if (info.nlinks > kMaxChildren) fail(group, "holds more than a million links; refused");
    std::vector<std::string> names;
    if (H5Literate(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, collect_name, &names) < 0) {
        fail(group, "is not a readable group");
    }
    return names;
}

Hdf5Image::Dataset Hdf5Image::read(const std::string& path) const {
    const Session session;
    if (!exists(path)) fail(path, "is missing");
    const Handle dataset(H5Dopen2(file_, absolute(path).c_str(), H5P_DEFAULT), H5Dclose);
    if (!dataset.ok()) fail(path, "is not a readable dataset");
    const Handle type(H5Dget_type(dataset), H5Tclose);
    const Handle space(H5Dget_space(dataset), H5Sclose);
    if (!type.ok() || !space.ok()) fail(path, "is not a readable dataset");

    Dataset result;
    result.dtype = float_name(type);
    // Keras stores bfloat16 as two opaque bytes: HDF5 has no such type.
    const bool raw = result.dtype.empty() && H5Tget_class(type) == H5T_OPAQUE && H5Tget_size(type) == 2;
    if (raw) result.dtype = "bfloat16";
    if (result.dtype.empty()) fail(path, "does not hold float16, bfloat16, float32 or float64 values");

    hsize_t dimensions[H5S_MAX_RANK] = {};
    const int rank = H5Sget_simple_extent_dims(space, dimensions, nullptr);
    if (rank < 0 || H5Sget_simple_extent_type(space) == H5S_NULL) fail(path, "has no shape");
    for (int i = 0; i < rank; ++i) {
        if (dimensions[i] > (hsize_t{1} << 60)) fail(path, "has an absurd shape");
        result.values.shape.push_back(static_cast<int64_t>(dimensions[i]));
    }
    const auto count = static_cast<size_t>(element_count(result.values.shape));
    const std::string fault = storage_fault(dataset, count * H5Tget_size(type));
    if (!fault.empty()) fail(path, fault);

    result.values.data.resize(count);
    if (count == 0) return result;
    if (raw) {
        std::vector<unsigned char> halves(count * 2);
        if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, halves.data()) < 0) fail(path, "cannot be read");
        for (size_t i = 0; i < count; ++i) {
            result.values.data[i] = float_from_bfloat16(load_unsigned<uint16_t>(&halves[2 * i], false));
        }
    } else if (H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, result.values.data.data()) < 0) {
        fail(path, "cannot be read");
    }
    return result;
}

}  // namespace dwconv::keras::detail
