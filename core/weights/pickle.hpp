// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "weights/pickle_globals.hpp"

/// Python's pickle, protocols 0 to 5, as far as torch.save needs it, read as data. A pickle is a program that builds
/// objects and can call anything that Python can import; here a call is a node of the tree that nobody carries out,
/// whatever it calls. Names that are not on the list (pickle_globals.hpp) make objects of which nothing but the name is
/// known.
namespace osteon::weights {

/// Index of a value in its pickle.
using ValueId = std::uint32_t;

/// One Python object. Objects that stand in several places are one value, and may even contain themselves: who walks
/// through them has to remember where it was.
struct Value {
  enum class Kind {
    kNone,
    kBool,
    kInteger,
    kLong,    ///< an integer of more than 64 bits: `text` is its bytes, little-endian
    kReal,    ///< a number whose value nobody here needs; of an integer that was written in decimals `text` is these
    kText,    ///< `text`, which the format means to be UTF-8
    kBytes,   ///< `text`, which is none
    kTuple,   ///< `items`
    kList,    ///< `items`
    kSet,     ///< `items`
    kDict,    ///< `items`: key, value, key, value, ...
    kGlobal,  ///< `global`, and `text`: "module\nname"
    kCall,    ///< of `global` (and `text`) with the tuple `arguments`; `items` as a dict that was filled afterwards
    kPersistent,  ///< what stands outside of the pickle, by `arguments`: a storage
  };
  Kind kind = Kind::kNone;
  ValueId arguments = 0;
  std::int64_t integer = 0;
  const Global* global = nullptr;
  std::string_view text;  ///< points into the file, or into the pickle that the value is of
  std::vector<ValueId> items;
  std::uint64_t offset = 0;  ///< where in the file it was made
};

/// "module.name" of a kGlobal or of what a kCall calls, as messages may show it.
std::string global_name(const Value& value);

class Pickle {
 public:
  /// Reads the pickle that `bytes` begin with; `base` is where in the file they do. What objects are told about
  /// themselves once they are made (BUILD) is dropped: of a state dict that is its `_metadata`. Throws Error(kData)
  /// with `path:byte offset` for whatever is not understood, broken, or takes more than 2 million objects (some 100
  /// thousand tensors). `path` is for messages.
  Pickle(std::string_view bytes, std::uint64_t base, const std::string& path);
  Pickle(Pickle&&) = default;  // a copy's values would point into the original
  Pickle& operator=(Pickle&&) = default;

  const Value& operator[](ValueId id) const { return values_[id]; }
  const std::vector<Value>& values() const noexcept { return values_; }
  const Value& root() const { return values_[root_]; }
  ValueId root_id() const noexcept { return root_; }
  std::uint64_t size() const noexcept { return size_; }  ///< bytes that it takes

 private:
  std::vector<Value> values_;
  std::deque<std::string> made_;  ///< texts of values that stand nowhere in the file
  ValueId root_ = 0;
  std::uint64_t size_ = 0;
};

}  // namespace osteon::weights
