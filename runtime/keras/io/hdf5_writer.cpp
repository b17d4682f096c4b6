#include "hdf5_writer.hpp"

#include <hdf5.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "encode.hpp"
#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

static_assert(sizeof(hid_t) == sizeof(int64_t));

// HDF5 keeps an object's attributes in its header, in messages of less than 64 KiB; Keras stays below this.
constexpr size_t kHeaderLimit = 64512;
constexpr size_t kHeapReference = 16;  // what the header holds of a string of variable length

// One sequence of HDF5 calls: builds without thread safety exist, and the library prints its errors unless told not
// to; the host program's own setting comes back afterwards.
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
    // Throws where HDF5 gave no object.
    Handle(const char* what, hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {
        if (id < 0) fail_internal(std::string("libhdf5 cannot make ") + what);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() { close_(id_); }
    operator hid_t() const { return id_; }

   private:
    hid_t id_;
    herr_t (*close_)(hid_t);
};

void check(const char* what, herr_t status) {
    if (status < 0) fail_internal(std::string("libhdf5 cannot write ") + what);
}

std::string absolute(const std::string& path) { return "/" + path; }

// Links that make the groups on their way. Their names are UTF-8 without saying so: a link that does turns its group
// into one of the newer format, which older readers do not know.
hid_t making_groups() {
    const hid_t properties = H5Pcreate(H5P_LINK_CREATE);
    if (properties >= 0) H5Pset_create_intermediate_group(properties, 1);
    return properties;
}

hid_t string_type() {
    const hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && (H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0)) {
        H5Tclose(type);
        return -1;
    }
    return type;
}

hid_t float16_type() {
    const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    if (type < 0) return -1;
    // Fields before size: a type may not lose bits that a field uses.
    if (H5Tset_fields(type, 15, 10, 5, 0, 10) < 0 || H5Tset_size(type, 2) < 0 || H5Tset_ebias(type, 15) < 0) {
        H5Tclose(type);
        return -1;
    }
    return type;
}

// The type in the file; values are handed over in it, so that HDF5 converts nothing.
hid_t file_type(const std::string& dtype) {
    if (dtype == "float16") return float16_type();
    if (dtype == "bfloat16") return H5Tcreate(H5T_OPAQUE, 2);
    return H5Tcopy(dtype == "float64" ? H5T_IEEE_F64LE : H5T_IEEE_F32LE);
}

}  // namespace

bool is_hdf5_name(const std::string& name) {
    return !name.empty() && name != "." && name.find('/') == std::string::npos && name.find('\0') == std::string::npos;
}

Hdf5Writer::Hdf5Writer() {
    const Session session;
    const Handle access("a file", H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
    check("to memory", H5Pset_fapl_core(access, size_t{1} << 20, 0));
    const Handle creation("a file", H5Pcreate(H5P_FILE_CREATE), H5Pclose);
    check("a file without dates", H5Pset_obj_track_times(creation, false));
    // HDF5 takes two open files of one name for one file.
    static std::atomic<unsigned> counter{0};
    const std::string name = "dwconv-written-" + std::to_string(counter++);
    file_ = H5Fcreate(name.c_str(), H5F_ACC_TRUNC, creation, access);
    if (file_ < 0) fail_internal("libhdf5 cannot make a file in memory");
}

Hdf5Writer::~Hdf5Writer() {
    const Session session;
    H5Fclose(file_);
}

void Hdf5Writer::group(const std::string& path) {
    const Session session;
    const Handle links("a link", making_groups(), H5Pclose);
    const Handle group("a group", H5Gcreate2(file_, absolute(path).c_str(), links, H5P_DEFAULT, H5P_DEFAULT), H5Gclose);
}

void Hdf5Writer::string_attribute(const std::string& path, const std::string& name, const std::string* values,
                                  size_t count, bool scalar) {
    const Session session;
    const Handle object("an object", H5Oopen(file_, absolute(path).c_str(), H5P_DEFAULT), H5Oclose);
    const Handle type("a string type", string_type(), H5Tclose);
    const hsize_t dimension = count;
    const Handle space("a shape", scalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dimension, nullptr), H5Sclose);
    const Handle attribute("an attribute", H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT),
                           H5Aclose);
    if (count == 0) return;
    std::vector<const char*> texts;
    for (size_t i = 0; i < count; ++i) texts.push_back(values[i].c_str());
    check("an attribute", H5Awrite(attribute, type, texts.data()));
}

void Hdf5Writer::attribute(const std::string& path, const std::string& name, const std::string& value) {
    string_attribute(path, name, &value, 1, true);
}

void Hdf5Writer::attributes(const std::string& path, const std::string& name, const std::vector<std::string>& values) {
    // Keras counts what an array of strings as long as the longest would take.
    size_t longest = kHeapReference;
    for (const std::string& value : values) longest = std::max(longest, value.size());
    const size_t most = std::max<size_t>(1, kHeaderLimit / longest);
    if (values.size() <= most) {
        string_attribute(path, name, values.data(), values.size(), false);
        return;
    }
    size_t part = 0;
    for (size_t at = 0; at < values.size(); at += most, ++part) {
        string_attribute(path, name + std::to_string(part), &values[at], std::min(most, values.size() - at), false);
    }
}

void Hdf5Writer::dataset(const std::string& path, const Tensor& values, const std::string& dtype) {
    const std::vector<unsigned char> bytes = encode(values, dtype);
    {
        const Session session;
        const Handle type("a number type", file_type(dtype), H5Tclose);
        const std::vector<hsize_t> shape(values.shape.begin(), values.shape.end());
        const Handle space("a shape", H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr),
                           H5Sclose);
        const Handle links("a link", making_groups(), H5Pclose);
        const Handle creation("a dataset", H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
        check("a dataset without dates", H5Pset_obj_track_times(creation, false));
        const Handle dataset("a dataset",
                             H5Dcreate2(file_, absolute(path).c_str(), type, space, links, creation, H5P_DEFAULT),
                             H5Dclose);
        check("a dataset", H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()));
    }
    if (dtype == "bfloat16") attribute(path, "dtype", dtype);
}

std::vector<unsigned char> Hdf5Writer::bytes() {
    const Session session;
    check("the file", H5Fflush(file_, H5F_SCOPE_GLOBAL));
    const ssize_t size = H5Fget_file_image(file_, nullptr, 0);
    if (size < 0) fail_internal("libhdf5 cannot tell the size of a file in memory");
    std::vector<unsigned char> bytes(static_cast<size_t>(size));
    if (H5Fget_file_image(file_, bytes.data(), bytes.size()) != size) fail_internal("libhdf5 cannot copy its file");
    return bytes;
}

}  // namespace dwconv::keras::detail
