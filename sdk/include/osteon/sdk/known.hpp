// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include <osteon/abi/all.h>
#include <osteon/sdk/error.hpp>
#include <osteon/sdk/request_check.hpp>

/// Reading structs that the other side of the ABI filled in, which may have been compiled with other headers.
namespace osteon::sdk {

/// The size that nobody sends less of: that of the version which brought the struct (abi/sizes.h). Drafts are as they
/// are.
template <class T>
inline constexpr std::size_t kMinimumSize = sizeof(T);
#define OSTEON_MINIMUM_SIZE(type, size)                     \
  template <>                                               \
  inline constexpr std::size_t kMinimumSize<::type> = size; \
  static_assert(sizeof(::type) >= size && std::is_trivially_copyable_v<::type>);
OSTEON_EACH_STRUCT(OSTEON_MINIMUM_SIZE)
#undef OSTEON_MINIMUM_SIZE

/// A copy of a struct that the other side filled in: the fields that both know, and zero for those that it does not.
/// Throws InvalidArgument for NULL and for a struct shorter than any was, Unsupported for flag bits that must be
/// understood and are not among `flags`; `what` names the struct in the message: "a loss's input".
template <class T>
T known(const T* given, const char* what, std::uint32_t flags = 0) {
  if (given == nullptr) throw InvalidArgument(std::string(what) + " is NULL");
  if (given->struct_size < kMinimumSize<T>)
    throw InvalidArgument(std::string(what) + " is " + std::to_string(given->struct_size) + " bytes long, at least " +
                          std::to_string(kMinimumSize<T>) + " were expected");
  detail::check_flags(given->flags, flags, what);
  T copy{};
  std::memcpy(&copy, given, std::min<std::size_t>(given->struct_size, sizeof copy));
  copy.struct_size = sizeof copy;
  return copy;
}

/// Fills a struct of the caller's in, as far as the caller knows it; its struct_size stays what it is.
template <class T>
void fill_known(const T& from, T* out) noexcept {
  const std::uint32_t size = out->struct_size;
  std::memcpy(static_cast<void*>(out), &from, std::min<std::size_t>(size, sizeof from));
  out->struct_size = size;
}

/// A struct with its size set and all else zero.
template <class T>
T sized() noexcept {
  T made{};
  made.struct_size = sizeof made;
  return made;
}

}  // namespace osteon::sdk
