// SPDX-License-Identifier: Apache-2.0
#include "plugin/shared_memory.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <mutex>

namespace osteon::plugin {
namespace {

struct Mapping {
  int descriptor;
  std::size_t bytes;
};
std::mutex g_files_mutex;
std::map<const void*, Mapping>& mappings() {
  static auto* map = new std::map<const void*, Mapping>();
  return *map;
}

}  // namespace

void* take_shared(std::size_t bytes) noexcept {
  if (bytes == 0) bytes = 1;
  const int descriptor = ::memfd_create("osteon", MFD_CLOEXEC);
  if (descriptor < 0) return nullptr;
  void* data = MAP_FAILED;
  if (::ftruncate(descriptor, static_cast<off_t>(bytes)) == 0)
    data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (data != MAP_FAILED) {
    try {
      const std::lock_guard<std::mutex> lock(g_files_mutex);
      mappings()[data] = {descriptor, bytes};
      return data;
    } catch (...) {
      ::munmap(data, bytes);
    }
  }
  ::close(descriptor);
  return nullptr;
}

void give_back_shared(void* data) noexcept {
  Mapping mapping{-1, 0};
  {
    const std::lock_guard<std::mutex> lock(g_files_mutex);
    const auto found = mappings().find(data);
    if (found == mappings().end()) return;
    mapping = found->second;
    mappings().erase(found);
  }
  ::munmap(data, mapping.bytes);
  ::close(mapping.descriptor);
}

int shared_descriptor_of(const void* data) noexcept {
  const std::lock_guard<std::mutex> lock(g_files_mutex);
  const auto found = mappings().find(data);
  return found == mappings().end() ? -1 : found->second.descriptor;
}

}  // namespace osteon::plugin
