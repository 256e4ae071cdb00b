// SPDX-License-Identifier: Apache-2.0
// The child of child_loss_test: a host of one loss. Its tensors lie in mappings of its parent's, which it is given by
// descriptor: child_loss_worker CONTROL LOGITS TARGET GRAD. It answers with status and value.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <thread>

#include <sys/mman.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "base/child.hpp"
#include "spikes/child_loss.hpp"

namespace {

using namespace osteon;

// The whole mapping behind an inherited descriptor, for as long as this process lives.
void* mapped(const char* descriptor) {
  const int number = std::stoi(descriptor);
  struct stat facts {};
  if (::fstat(number, &facts) != 0) throw std::runtime_error("a descriptor is not open");
  void* data = ::mmap(nullptr, static_cast<std::size_t>(facts.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, number, 0);
  if (data == MAP_FAILED) throw std::runtime_error("a mapping was refused");
  return data;
}

spikes::Control* g_control = nullptr;

// Instead of the parent's function, which is no code of this process: the flag that it shares.
std::int32_t look(const osteon_call*) {
  spikes::Control& control = *g_control;
  const std::int64_t looks = ++control.looks;
  if (looks == control.crash_at) std::abort();
  while (looks == control.wait_at && !control.cancel) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  return control.cancel ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count != 5) throw std::runtime_error("four descriptors were expected");
    g_control = static_cast<spikes::Control*>(mapped(arguments[1]));
    const plugin::Call call;
    osteon_call raw = *call.raw();
    raw.cancelled = look;
    const spikes::Evaluation result =
        spikes::evaluate(&raw, *g_control, mapped(arguments[2]), mapped(arguments[3]), mapped(arguments[4]));
    answer_parent(nlohmann::json{{"status", result.status}, {"value", result.value}}.dump());
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
