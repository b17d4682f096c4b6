#include "hdf5_reader.hpp"

#include <algorithm>
#include <cstring>

#include "errors.hpp"

namespace dwconv::keras::detail {
namespace {

constexpr unsigned char kSignature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
constexpr uint64_t kMaxHeaderBlock = uint64_t{16} << 20;  // of one object
constexpr uint64_t kMaxNames = uint64_t{256} << 20;       // of one group
constexpr size_t kMaxBlocks = 4096;                       // continuations of one object header
constexpr size_t kMaxMessages = 65536;                    // of one object header
constexpr unsigned kMaxTreeLevel = 16;

constexpr char kNoDenseLinks[] =
    "keeps its links in a heap, as libver='latest' or track_order=True makes it, which is not supported";

// The messages in a block of an object header.
void add_messages(Hdf5Cursor in, bool second_version, bool creation_order, std::vector<Hdf5Message>* messages) {
    const size_t header = second_version ? (creation_order ? 6 : 4) : 8;
    while (in.left() >= header) {
        Hdf5Message message;
        message.type = second_version ? in.u8() : in.u16();
        const size_t size = in.u16();
        message.shared = (in.u8() & 2) != 0;
        in.skip(header - (second_version ? 4 : 5));
        const Hdf5Cursor data = in.take(size);
        if (messages->size() >= kMaxMessages) throw Hdf5Fault("has more than 65536 header messages; refused");
        message.data.assign(data.bytes(), data.bytes() + size);
        messages->push_back(std::move(message));
    }
}

}  // namespace

bool Hdf5Reader::is_hdf5(const ByteSource& source) {
    unsigned char start[8] = {};
    if (source.size() < sizeof start) return false;
    source.read(0, start, sizeof start);
    return std::memcmp(start, kSignature, sizeof start) == 0;
}

Hdf5Reader::Hdf5Reader(ByteSource source) : source_(std::move(source)) {
    if (!is_hdf5(source_)) fail_value(source_.name() + ": is not a readable HDF5 file: it does not start like one");
    try {
        read_superblock();
        if (!is_group(object(root_))) throw Hdf5Fault("its root is no group");
    } catch (const Hdf5Fault& fault) {
        fail_value(source_.name() + ": is not a readable HDF5 file: " + fault.what());
    }
}

std::vector<unsigned char> Hdf5Reader::bytes(uint64_t address, uint64_t count) const {
    if (address > source_.size() || count > source_.size() - address) {
        throw Hdf5Fault("is damaged: it points beyond the end of the file");
    }
    std::vector<unsigned char> data(static_cast<size_t>(count));
    source_.read(address, data.data(), data.size());
    return data;
}

void Hdf5Reader::spend(uint64_t steps) const {
    if (steps > steps_left_)
        throw Hdf5Fault("makes the file describe more than 16 million links and messages; refused");
    steps_left_ -= steps;
}

void Hdf5Reader::read_superblock() {
    const auto block = bytes(0, std::min<uint64_t>(source_.size(), 128));
    Hdf5Cursor in(block);
    in.skip(8);
    const unsigned version = in.u8();
    if (version > 3) throw Hdf5Fault("its superblock is of an unknown version");
    if (version < 2) in.skip(4);
    const unsigned offset_size = in.u8(), length_size = in.u8();
    if (offset_size != 8 || length_size != 8) throw Hdf5Fault("its addresses are not 8 bytes long");
    in.skip(version < 2 ? 9 : 1);
    if (version == 1) in.skip(4);
    if (in.u64() != 0) throw Hdf5Fault("it starts with a user block");
    in.skip(8);  // free space, or the superblock's extension
    const uint64_t end = in.u64();
    if (end > source_.size()) {
        throw Hdf5Fault("it is cut off: " + std::to_string(source_.size()) + " bytes of " + std::to_string(end));
    }
    if (version < 2) in.skip(16);  // driver, name of the root
    root_ = in.u64();
}

const Hdf5Reader::Messages& Hdf5Reader::object(uint64_t address) const {
    const auto known = objects_.find(address);
    if (known != objects_.end()) return known->second;
    return objects_.emplace(address, parse_object(address)).first->second;
}

Hdf5Reader::Messages Hdf5Reader::parse_object(uint64_t address) const {
    const auto start = bytes(address, std::min<uint64_t>(36, source_.size() - std::min(address, source_.size())));
    Hdf5Cursor in(start);
    const bool second = in.left() >= 4 && std::memcmp(in.bytes(), "OHDR", 4) == 0;
    uint64_t first = 16, size = 0;
    bool creation_order = false;
    if (second) {
        in.skip(4);
        if (in.u8() != 2) throw Hdf5Fault("has an object header of an unknown version");
        const unsigned flags = in.u8();
        creation_order = (flags & 4) != 0;
        const size_t optional = ((flags & 0x20) != 0 ? 16 : 0) + ((flags & 0x10) != 0 ? 4 : 0);
        in.skip(optional);
        size = in.sized(size_t{1} << (flags & 3));
        first = 6 + optional + (size_t{1} << (flags & 3));
    } else {
        if (in.u8() != 1) throw Hdf5Fault("is damaged: it has no object header");
        in.skip(7);
        size = in.u32();
    }
    Messages messages;
    std::vector<std::pair<uint64_t, uint64_t>> blocks = {{address + first, size}};
    for (size_t i = 0; i < blocks.size(); ++i) {
        if (i >= kMaxBlocks || blocks[i].second > kMaxHeaderBlock) throw Hdf5Fault("has an absurd object header");
        const auto block = bytes(blocks[i].first, blocks[i].second);
        Hdf5Cursor part(block);
        if (second && i > 0) {  // a continuation has a signature before and a checksum after its messages
            if (!part.starts_with("OCHK") || part.left() < 4)
                throw Hdf5Fault("is damaged: its object header breaks off");
            part = part.take(part.left() - 4);
        }
        const size_t before = messages.size();
        add_messages(part, second, creation_order, &messages);
        spend(1 + block.size() / 64 + messages.size() - before);
        for (size_t m = before; m < messages.size(); ++m) {
            if (messages[m].type != Hdf5Message::continuation) continue;
            Hdf5Cursor where(messages[m].data);
            const uint64_t next = where.u64();
            blocks.emplace_back(next, where.u64());
        }
    }
    return messages;
}

const Hdf5Reader::Links& Hdf5Reader::links(uint64_t address) const {
    const auto known = groups_.find(address);
    if (known != groups_.end()) return known->second;
    Links links;
    for (const Hdf5Message& message : object(address)) {
        if (message.type == Hdf5Message::symbol_table) {
            add_symbol_table(message, &links);
        } else if (message.type == Hdf5Message::link) {
            if (message.shared) throw Hdf5Fault("shares its links with others, which is not supported");
            Hdf5Link link = decode_link(Hdf5Cursor(message.data));
            links.emplace(link.name, link);
        } else if (message.type == Hdf5Message::link_info) {
            Hdf5Cursor in(message.data);
            in.skip(1);
            if ((in.u8() & 1) != 0) in.skip(8);
            if (in.u64() != kHdf5Undefined) throw Hdf5Fault(kNoDenseLinks);
        }
    }
    return groups_.emplace(address, std::move(links)).first->second;
}

void Hdf5Reader::add_symbol_table(const Hdf5Message& message, Links* links) const {
    Hdf5Cursor in(message.data);
    const uint64_t tree = in.u64(), heap_address = in.u64();
    const auto heap_header = bytes(heap_address, 32);
    Hdf5Cursor header(heap_header);
    if (!header.starts_with("HEAP")) throw Hdf5Fault("is damaged: its names are missing");
    header.skip(4);
    const uint64_t heap_size = header.u64();
    header.skip(8);
    if (heap_size > kMaxNames) throw Hdf5Fault("has absurdly long names");
    const auto heap = bytes(header.u64(), heap_size);
    spend(1 + heap.size() / 64);

    std::vector<std::pair<uint64_t, unsigned>> nodes = {{tree, kMaxTreeLevel}};
    while (!nodes.empty()) {
        const auto [address, below] = nodes.back();
        nodes.pop_back();
        const auto start = bytes(address, 24);
        Hdf5Cursor node(start);
        if (!node.starts_with("TREE") || node.u8() != 0) throw Hdf5Fault("is damaged: its index is missing");
        const unsigned level = node.u8(), count = node.u16();
        if (level >= below) throw Hdf5Fault("is damaged: its index contains itself");
        const auto entries = bytes(address + 24, 8 + 16 * uint64_t{count});
        spend(1 + count);
        Hdf5Cursor entry(entries);
        std::vector<uint64_t> below_here;
        for (unsigned i = 0; i < count; ++i) {
            entry.skip(8);
            below_here.push_back(entry.u64());
        }
        for (const uint64_t child : below_here) {
            if (level == 0)
                add_symbols(child, heap, links);
            else
                nodes.emplace_back(child, level);
        }
    }
}

void Hdf5Reader::add_symbols(uint64_t node, const std::vector<unsigned char>& heap, Links* links) const {
    const auto start = bytes(node, 8);
    Hdf5Cursor header(start);
    if (!header.starts_with("SNOD") || header.u8() != 1) throw Hdf5Fault("is damaged: its links are missing");
    header.skip(1);
    const unsigned count = header.u16();
    const auto entries = bytes(node + 8, 40 * uint64_t{count});
    spend(1 + count);
    Hdf5Cursor in(entries);
    for (unsigned i = 0; i < count; ++i) {
        const uint64_t name = in.u64();
        Hdf5Link link;
        link.address = in.u64();
        const uint32_t kind = in.u32();
        in.skip(20);
        if (name >= heap.size()) throw Hdf5Fault("is damaged: a link's name is missing");
        const auto* first = heap.data() + name;
        const auto* last = static_cast<const unsigned char*>(std::memchr(first, 0, heap.size() - name));
        if (!last) throw Hdf5Fault("is damaged: a link's name does not end");
        link.name.assign(first, last);
        spend(link.name.size() / 64);
        link.hard = kind != 2 && link.address != kHdf5Undefined;
        links->emplace(link.name, link);
    }
}

std::optional<uint64_t> Hdf5Reader::find(const std::string& path) const {
    uint64_t address = root_;
    for (size_t start = 0; start <= path.size();) {
        const size_t end = std::min(path.find('/', start), path.size());
        const std::string component = path.substr(start, end - start);
        start = end + 1;
        if (component.empty()) continue;
        if (!is_group(object(address))) return std::nullopt;
        const Links& here = links(address);
        const auto link = here.find(component);
        if (link == here.end()) return std::nullopt;
        if (!link->second.hard) throw Hdf5Fault("lies behind a soft or external link; refused");
        address = link->second.address;
    }
    return address;
}

uint64_t Hdf5Reader::existing(const std::string& path) const {
    const auto address = find(path);
    if (!address) throw Hdf5Fault("is missing");
    return *address;
}

bool Hdf5Reader::has_group(const std::string& path) const {
    return at(path, [&] {
        const auto address = find(path);
        return address && is_group(object(*address));
    });
}

bool Hdf5Reader::has_dataset(const std::string& path) const {
    return at(path, [&] {
        const auto address = find(path);
        return address && find_message(object(*address), Hdf5Message::layout) != nullptr;
    });
}

uint64_t Hdf5Reader::address(const std::string& path) const {
    return at(path, [&] { return existing(path); });
}

std::vector<std::string> Hdf5Reader::children(const std::string& group) const {
    return at(group, [&] {
        std::vector<std::string> names;
        const auto address = find(group);
        if (!address) return names;
        if (!is_group(object(*address))) throw Hdf5Fault("is not a group");
        for (const auto& [name, link] : links(*address)) names.push_back(name);
        return names;
    });
}

}  // namespace dwconv::keras::detail
