// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include <osteon/abi/all.h>
#include <osteon/sdk/known.hpp>

// Structs on their way to a component. Checks send every struct that a host fills in as a Sent, so that one check can
// send each of them with a flag that nobody knows, or in another length, whatever function it is for.
namespace osteon::validate {

/// How structs are sent while an InManner lives.
struct Manner {
  std::string flagged;    ///< name of the struct that gets `bit`: "osteon_band"; empty: none
  std::uint32_t bit = 0;  ///< of the flags
  enum class Length { kOurs, kLonger, kShortest } length = Length::kOurs;
  bool no_error = false;                  ///< a NULL for every osteon_error*
  std::set<std::string>* seen = nullptr;  ///< gets the names of what is sent; null: nobody asks
};

/// The manner of now.
const Manner& manner() noexcept;

/// Sets the manner for as long as it lives. Only where no thread of the check runs beside.
class InManner {
 public:
  explicit InManner(const Manner& wanted) noexcept;  ///< which outlives it
  explicit InManner(Manner&&) = delete;
  ~InManner();
  InManner(const InManner&) = delete;
  InManner& operator=(const InManner&) = delete;

 private:
  const Manner* before_;
};

/// What is sent of a struct of the ABI: its name, and the size that nobody sends less of.
template <class T>
struct StructFacts;
#define OSTEON_STRUCT_FACTS(type, size)        \
  template <>                                  \
  struct StructFacts<::type> {                 \
    static constexpr const char* name = #type; \
    static constexpr std::size_t least = size; \
  };
OSTEON_EACH_STRUCT(OSTEON_STRUCT_FACTS)
#undef OSTEON_STRUCT_FACTS

namespace detail {
/// Lays `content` out in the manner of now: flags, struct_size, and garbage behind what struct_size covers.
std::vector<std::uint64_t> lay_out(const void* content, std::size_t size, std::size_t least, const char* name);
/// Notes that a struct of this name is sent; gives the bits that its flags get.
std::uint32_t note(const char* name);
}  // namespace detail

/// Sends a struct that the receiver made room for: of the manner of now it gets the flag.
template <class T>
void send_in_place(T& filled) {
  filled.flags |= detail::note(StructFacts<T>::name);
}

/// A struct as it is sent: a copy of `content` in the manner of now. Valid as long as it lives.
template <class T>
class Sent {
 public:
  explicit Sent(const T& content)
      : memory_(detail::lay_out(&content, sizeof content, StructFacts<T>::least, StructFacts<T>::name)) {}
  Sent(Sent&&) noexcept = default;
  Sent& operator=(Sent&&) noexcept = default;
  T* get() noexcept { return reinterpret_cast<T*>(memory_.data()); }
  const T* get() const noexcept { return reinterpret_cast<const T*>(memory_.data()); }
  operator const T*() const noexcept { return get(); }

 private:
  std::vector<std::uint64_t> memory_;
};

/// An array of pointers to structs, each as it is sent. A null in `content` stays one.
template <class T>
class SentList {
 public:
  SentList(std::size_t count, const T* const* content) {
    sent_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      if (content[i] != nullptr) sent_.emplace_back(*content[i]);
      pointers_.push_back(content[i] != nullptr ? sent_.back().get() : nullptr);
    }
  }
  const T* const* get() const noexcept { return pointers_.data(); }

 private:
  std::vector<Sent<T>> sent_;
  std::vector<const T*> pointers_;
};

/// An out-struct of exactly the least size, preset with `content`, and memory behind it that must stay what it is.
template <class T>
class ShortOut {
 public:
  explicit ShortOut(const T& content) : memory_((StructFacts<T>::least + kBehind + 7) / 8, kMark) {
    std::memcpy(memory_.data(), &content, StructFacts<T>::least);
    get()->struct_size = StructFacts<T>::least;
  }
  T* get() noexcept { return reinterpret_cast<T*>(memory_.data()); }
  /// How many bytes behind it were written to, at least.
  std::size_t overrun() const noexcept {
    const auto* bytes = reinterpret_cast<const unsigned char*>(memory_.data());
    for (std::size_t i = memory_.size() * 8; i-- > StructFacts<T>::least;)
      if (bytes[i] != (kMark & 0xff)) return i + 1 - StructFacts<T>::least;
    return 0;
  }

 private:
  static constexpr std::uint64_t kMark = 0x5a5a5a5a5a5a5a5a;
  static constexpr std::size_t kBehind = 128;
  std::vector<std::uint64_t> memory_;
};

}  // namespace osteon::validate
