// SPDX-License-Identifier: Apache-2.0
#include "engine/engine.hpp"

#include <cstdlib>

#include <dlfcn.h>

#include "base/error.hpp"
#include "base/file.hpp"
#include "base/host_library.hpp"
#include "engine/environment.hpp"
#include "plugin/interrupt.hpp"

namespace osteon::engine {

std::unique_ptr<Engine> load(const Context& context, const KernelCheck& kernels) {
  Context prepared = context;
  const NumericEnvironment environment = prepare_numeric_environment();
  if (prepared.threads <= 0) prepared.threads = environment.threads;
  // Where the SDK's torch layer leaves its inference plans to later processes. Whoever sets it, even to nothing, wins.
  setenv("OSTEON_PLAN_FOLDER", (cache_folder() / "inference-plans").c_str(), 0);
  prepared.kernels = check_kernels(kernels.program, kernels.test, &plugin::interrupted());
  // Not Boost.DLL: the engine is part of the program, and lies beside the host.
  void* library = dlopen((host_library().parent_path() / OSTEON_ENGINE_LIBRARY).c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr)
    throw Error(ExitCode::kResources, std::string("the engine cannot be loaded: ") + dlerror(), OSTEON_ENGINE_LIBRARY);
  const auto create = reinterpret_cast<CreateFunction>(dlsym(library, kCreateSymbol));
  if (create == nullptr) throw Error(ExitCode::kResources, "the engine has no entry", OSTEON_ENGINE_LIBRARY);
  return std::unique_ptr<Engine>(create(&prepared));
}

}  // namespace osteon::engine
