// SPDX-License-Identifier: Apache-2.0
#include "weights/state_dict.hpp"

#include <algorithm>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "weights/byte_reader.hpp"
#include "weights/state_dict_search.hpp"

namespace osteon::weights {
namespace {

using Kind = Value::Kind;
using Role = Global::Role;

constexpr std::size_t kMaxDimensions = 64;                 // PyTorch's own limit
constexpr int kMaxWrappings = 8;                           // of a tensor in parameters and subclasses
constexpr std::uint64_t kMaxRepetition = 16;               // bytes of tensors for each of the file
constexpr std::uint64_t kSmall = std::uint64_t{64} << 20;  // bytes that are always granted

/// A tensor as its pickle describes it: a strided window into a storage.
struct View {
  StorageReference storage;
  std::string_view dtype;
  std::uint64_t offset = 0;  ///< elements
  std::vector<std::int64_t> shape, strides;
};

std::uint64_t element_size(std::string_view dtype) { return *dtype_bits(dtype) / 8; }

/// Row-major, where dimensions of size 1 may have any stride.
bool is_contiguous(const View& view) {
  std::int64_t expected = 1;
  for (std::size_t d = view.shape.size(); d-- > 0;) {
    if (view.shape[d] != 1 && view.strides[d] != expected) return false;
    expected *= view.shape[d];
  }
  return true;
}

/// Copies a window's elements of `kSize` bytes in row-major order.
template <std::size_t kSize>
void pack(const View& view, const char* from, std::byte* to) {
  const std::size_t last = view.shape.size() - 1;
  std::vector<std::int64_t> at(view.shape.size(), 0);
  for (std::int64_t row = 0;;) {
    for (std::int64_t i = 0; i < view.shape[last]; ++i, to += kSize)
      std::memcpy(to, from + (row + i * view.strides[last]) * static_cast<std::int64_t>(kSize), kSize);
    std::size_t d = last;
    for (; d > 0; --d) {
      row += view.strides[d - 1];
      if (++at[d - 1] < view.shape[d - 1]) break;
      row -= view.strides[d - 1] * view.shape[d - 1];
      at[d - 1] = 0;
    }
    if (d == 0) return;
  }
}

std::vector<std::byte> packed(const View& view, std::string_view bytes, std::uint64_t size) {
  std::vector<std::byte> result(size);
  const std::uint64_t element = element_size(view.dtype);
  const char* from = bytes.data() + view.offset * element;
  (element == 1 ? pack<1> : element == 2 ? pack<2> : element == 4 ? pack<4> : pack<8>)(view, from, result.data());
  return result;
}

/// A call whose arguments may stand inside those of another.
struct Call {
  const Value* function;  ///< a kGlobal, or the call of it
  const std::vector<ValueId>* arguments;
  Role role() const { return function->global->role; }
};

class Reader {
 public:
  Reader(const Pickle& pickle, const StorageLookup& lookup, std::uint64_t file_size, const std::string& path)
      : pickle_(pickle), lookup_(lookup), path_(path), left_(std::max(file_size * kMaxRepetition, kSmall)) {}

  StateDict read(const std::string& key) {
    const SearchResult found = find_state_dict(pickle_, path_, key);
    StateDict result;
    result.key = found.below.empty() ? found.chosen.key : key;
    result.others = found.others;
    result.left_out = left_out(pickle_, found);
    const std::vector<ValueId>& items = found.chosen.dict->items;
    for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
      const Value &name = pickle_[items[i]], &value = pickle_[items[i + 1]];
      if (name.kind == Kind::kText && name.text.substr(0, found.below.size()) == found.below && is_tensor(value))
        add(name.text.substr(found.below.size()), value, result);
    }
    return result;
  }

 private:
  void add(std::string_view name, const Value& value, StateDict& result) {
    name_ = name;
    at_ = value.offset;
    if (!names_.insert(name).second) fail("is in the state dict twice");
    const View view = read_view(unwrapped({&value, &pickle_[value.arguments].items}));
    const std::uint64_t size = checked_size(view);
    const std::string_view bytes = lookup_(view.storage, at_);
    TensorData tensor{std::string(name), std::string(view.dtype), view.shape, nullptr, size};
    if (size > 0 && is_contiguous(view))
      tensor.data = reinterpret_cast<const std::byte*>(bytes.data()) + view.offset * element_size(view.dtype);
    else if (size > 0)
      tensor.data = result.packed.emplace_back(packed(view, bytes, size)).data();
    result.tensors.push_back(std::move(tensor));
  }

  /// The tensor inside of parameters and subclasses; what Python adds to those does not change its numbers.
  Call unwrapped(Call call) const {
    for (int i = 0; i < kMaxWrappings; ++i) {
      const std::vector<ValueId>& arguments = *call.arguments;
      if (call.role() == Role::kTensor || call.role() == Role::kTypedTensor) return call;
      if (call.role() == Role::kParameter) {
        if (arguments.empty() || !is_tensor(pickle_[arguments[0]])) fail("is a parameter without a tensor");
        const Value& tensor = pickle_[arguments[0]];
        call = {&tensor, &pickle_[tensor.arguments].items};
      } else if (call.role() == Role::kSubclass) {
        if (arguments.size() != 4 || pickle_[arguments[0]].kind != Kind::kGlobal ||
            pickle_[arguments[2]].kind != Kind::kTuple)
          fail("is of a subclass of Tensor that is not understood");
        call = {&pickle_[arguments[0]], &pickle_[arguments[2]].items};
      } else {
        fail("is made by '" + global_name(*call.function) +
             "', and only dense tensors in their own memory are read; convert it in Python");
      }
    }
    fail("is wrapped into too many parameters");
  }

  View read_view(const Call& call) const {
    const bool typed = call.role() == Role::kTypedTensor;
    const std::vector<ValueId>& arguments = *call.arguments;
    if (arguments.size() < (typed ? 7u : 4u)) fail("has only " + std::to_string(arguments.size()) + " arguments");
    View view;
    view.storage = storage_reference(pickle_, pickle_[arguments[0]], path_);
    view.dtype = view.storage.type->dtype;
    if (typed) {
      const Value& dtype = pickle_[arguments[6]];
      if (dtype.kind != Kind::kGlobal || dtype.global->role != Role::kDtype) fail("has no dtype");
      view.dtype = dtype.global->dtype;
    }
    if (view.dtype == "-") fail("is of a dtype (complex128) that safetensors does not know");
    if (view.dtype.empty()) fail("has no dtype");
    view.offset = static_cast<std::uint64_t>(natural(arguments[1], "offset"));
    view.shape = naturals(arguments[2], "shape");
    view.strides = naturals(arguments[3], "strides");
    if (view.shape.size() != view.strides.size()) fail("has not as many strides as sizes");
    for (std::size_t d = 0; d < view.shape.size(); ++d)
      if (view.shape[d] == 1) view.strides[d] = 0;  // never used, and free to be absurd
    const std::size_t flags = typed ? 7 : 6;
    if (arguments.size() > flags) refuse_flags(pickle_[arguments[flags]]);
    return view;
  }

  std::int64_t natural(ValueId id, const char* what) const {
    const Value& value = pickle_[id];
    if (value.kind != Kind::kInteger || value.integer < 0)
      fail(std::string("has something else than whole numbers from 0 in its ") + what);
    return value.integer;
  }
  std::vector<std::int64_t> naturals(ValueId id, const char* what) const {
    const Value& tuple = pickle_[id];
    if (tuple.kind != Kind::kTuple || tuple.items.size() > kMaxDimensions)
      fail(std::string("has no tuple of at most 64 numbers as its ") + what);
    std::vector<std::int64_t> numbers;
    for (const ValueId item : tuple.items) numbers.push_back(natural(item, what));
    return numbers;
  }

  /// Bits by which PyTorch marks a tensor whose numbers are to be conjugated or negated when they are read.
  void refuse_flags(const Value& flags) const {
    for (const ValueId id : flags.items)
      if (pickle_[id].kind == Kind::kBool && pickle_[id].integer != 0)
        fail("is a lazily conjugated or negated view; save it after .resolve_conj().resolve_neg()");
  }

  /// Bytes that a view has when it is packed. Refuses one that leaves its storage, and too many of them.
  std::uint64_t checked_size(const View& view) {
    const std::uint64_t element = element_size(view.dtype);
    if (std::find(view.shape.begin(), view.shape.end(), 0) != view.shape.end()) return 0;
    std::uint64_t size = element, last = view.offset;
    bool overflow = false;
    for (std::size_t d = 0; d < view.shape.size(); ++d) {
      const auto count = static_cast<std::uint64_t>(view.shape[d]);
      std::uint64_t reach = 0;
      overflow |= __builtin_mul_overflow(size, count, &size);
      overflow |= __builtin_mul_overflow(count - 1, static_cast<std::uint64_t>(view.strides[d]), &reach);
      overflow |= __builtin_add_overflow(last, reach, &last);
    }
    if (overflow || last >= view.storage.size / element)
      fail(fmt::format("reaches out of its storage '{}' of {} bytes: {} [{}] with strides [{}] from element {}",
                       shown(view.storage.key), view.storage.size, view.dtype, fmt::join(view.shape, ", "),
                       fmt::join(view.strides, ", "), view.offset));
    if (size > left_)
      fail(
          fmt::format("and those before it take more than {} times the size of the file; were they saved as views that "
                      "repeat the same numbers? In Python, .clone() ends that",
                      kMaxRepetition));
    left_ -= size;
    return size;
  }

  [[noreturn]] void fail(const std::string& what) const { refuse(path_, at_, "tensor '" + shown(name_) + "' " + what); }

  const Pickle& pickle_;
  const StorageLookup& lookup_;
  const std::string& path_;
  std::uint64_t left_;  ///< bytes that further tensors may take
  std::set<std::string_view> names_;
  std::string_view name_;  ///< of the tensor that is being read, for messages
  std::uint64_t at_ = 0;   ///< where it is in the file
};

}  // namespace

bool is_storage(const Pickle& pickle, const Value& value) {
  if (value.kind != Kind::kPersistent) return false;
  const std::vector<ValueId>& items = pickle[value.arguments].items;
  return items.size() >= 5 && pickle[items[0]].kind == Kind::kText && pickle[items[0]].text == "storage";
}

StorageReference storage_reference(const Pickle& pickle, const Value& value, const std::string& path) {
  const auto fail = [&](const std::string& what) { refuse(path, value.offset, what); };
  if (value.kind != Kind::kPersistent) fail("a storage was expected here");
  if (!is_storage(pickle, value))
    fail("a reference to something else than a storage; only state dicts of tensors are read");
  // ("storage", type, key, device, count), in legacy files with a sixth that is None unless older than PyTorch 0.4.
  const std::vector<ValueId>& items = pickle[value.arguments].items;
  const Value &type = pickle[items[1]], &key = pickle[items[2]], &count = pickle[items[4]];
  if (type.kind != Kind::kGlobal || type.global->role != Role::kStorage || key.kind != Kind::kText ||
      key.text.size() > kMaxStorageKey || count.kind != Kind::kInteger || count.integer < 0)
    fail("a reference to a storage is not as torch.save writes it");
  if (items.size() > 5 && pickle[items[5]].kind != Kind::kNone)
    fail(
        "the storage is a window into another, as PyTorch before 0.4 saved them; save the file again with a later one");
  StorageReference storage{type.global, key.text, static_cast<std::uint64_t>(count.integer), 0};
  const std::string_view dtype = type.global->dtype;
  const std::uint64_t element = dtype.empty() ? 1 : dtype == "-" ? type.global->nameless_size : element_size(dtype);
  if (__builtin_mul_overflow(storage.count, element, &storage.size))
    fail(fmt::format("the storage '{}' of {} elements is too large for any file", shown(key.text), storage.count));
  return storage;
}

StateDict read_state_dict(const Pickle& pickle, const StorageLookup& lookup, std::uint64_t file_size,
                          const std::string& path, const std::string& key) {
  return Reader(pickle, lookup, file_size, path).read(key);
}

}  // namespace osteon::weights
