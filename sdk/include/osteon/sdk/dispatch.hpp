// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <cstring>

#include <osteon/sdk/vector_math.hpp>

/// Code for several instruction sets that is written with vector types, where OSTEON_MULTIVERSION is for loops that a
/// compiler makes vectors of.
namespace osteon::sdk {

enum class InstructionSet { kPlain, kAvx2, kAvx512 };

/// The best that the processor has and this build knows, or a lesser one by ATEN_CPU_CAPABILITY = "default" or "avx2",
/// which is LibTorch's switch as well. Looked up once.
inline InstructionSet instruction_set() noexcept {
#ifdef OSTEON_HAS_VERSIONS
  static const InstructionSet set = [] {
    const char* wanted = std::getenv("ATEN_CPU_CAPABILITY");
    const bool plain = wanted != nullptr && std::strcmp(wanted, "default") == 0;
    const bool avx2 = wanted != nullptr && std::strcmp(wanted, "avx2") == 0;
    if (plain || !__builtin_cpu_supports("x86-64-v3")) return InstructionSet::kPlain;
    return avx2 || !__builtin_cpu_supports("x86-64-v4") ? InstructionSet::kAvx2 : InstructionSet::kAvx512;
  }();
  return set;
#else
  return InstructionSet::kPlain;
#endif
}

namespace detail {

template <class Body, class V, class... Arguments>
void run_plain(Arguments... arguments) {
  Body::template run<V>(arguments...);
}
#ifdef OSTEON_HAS_VERSIONS
template <class Body, class V, class... Arguments>
__attribute__((optimize("O3"), target("arch=x86-64-v3"))) void run_avx2(Arguments... arguments) {
  Body::template run<V>(arguments...);
}
template <class Body, class V, class... Arguments>
__attribute__((optimize("O3"), target("arch=x86-64-v4,prefer-vector-width=512"))) void run_avx512(
    Arguments... arguments) {
  Body::template run<V>(arguments...);
}
#endif

}  // namespace detail

/// Body::run<V>(arguments...), compiled for what instruction_set() says, where V is Avx512, Avx2 or Plain: a type whose
/// registers that one has. run() is a static OSTEON_INLINE template; arguments are pointers and numbers.
template <class Body, class Avx512, class Avx2, class Plain, class... Arguments>
void dispatch(Arguments... arguments) {
#ifdef OSTEON_HAS_VERSIONS
  switch (instruction_set()) {
    case InstructionSet::kAvx512:
      return detail::run_avx512<Body, Avx512>(arguments...);
    case InstructionSet::kAvx2:
      return detail::run_avx2<Body, Avx2>(arguments...);
    case InstructionSet::kPlain:
      break;
  }
#endif
  detail::run_plain<Body, Plain>(arguments...);
}

}  // namespace osteon::sdk
